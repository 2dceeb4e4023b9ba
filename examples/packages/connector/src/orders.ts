/** The topology that the test runs: orders of a table, and how many each customer has. */
import { count, topic, topology, utf8 } from 'millrace';

export interface Order {
  readonly amount: number;
}

export const orders = topic<string, Order>('orders');
export const totals = topic<string, number>('totals', { key: utf8 });

export default topology('orders', (t) => {
  t.stream(orders).aggregate('per-customer', count()).to(totals);
});
