/** What is pulled from a shop, counted by its kind. */
import { topic, topology } from 'millrace';

export const orders = topic<string, { readonly id: string; readonly kind: string }>(
  'pulled-orders',
);

export default topology('pulled-job', (t) => {
  t.stream(orders)
    .keyBy('by-kind', (order) => order.kind)
    .count('kinds');
});
