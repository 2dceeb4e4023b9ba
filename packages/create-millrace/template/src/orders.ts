/**
 * Orders: large ones go to a topic of their own; those of each customer are counted by the hour.
 */
import { combined, count, hours, minutes, sum, topic, topology, tumbling } from 'millrace';

export interface Order {
  readonly customer: string;
  /** Whole cents. */
  readonly amount: number;
}

export const orders = topic<string, Order>('orders');
export const large = topic<string, Order>('large-orders');

/** Least amount of a large order, cents. */
const largeFrom = 1_000;

export default topology('orders', (t) => {
  const paid = t.stream(orders).filter((order) => order.amount > 0);
  paid.filter((order) => order.amount >= largeFrom).to(large);
  const byCustomer = paid.keyBy('by-customer', (order) => order.customer);
  const perHour = byCustomer
    // Orders may be up to ten minutes late; a later one is dropped and counted as such.
    .window(tumbling({ size: hours(1), grace: minutes(10) }))
    .aggregate('orders-per-hour', combined({ orders: count(), cents: sum((o) => o.amount) }));
  return { perHour };
});
