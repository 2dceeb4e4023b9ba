/**
 * Orders counted per customer, through a repartition topic and a store, for a broker that grants
 * little.
 */
import { json, topic, topology } from 'millrace';

const orders = topic<string, { readonly customer: string }>('secured-orders', { value: json() });
const counts = topic<string, number>('secured-counts', { value: json() });

export default topology('secured', (t) => {
  t.stream(orders)
    .keyBy('by-customer', (order) => order.customer)
    .count('orders')
    .to(counts);
  return {};
});
