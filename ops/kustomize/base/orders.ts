// The topology; larger ones are better copied into an image `FROM millrace`.
import { topic, topology } from 'millrace';

const orders = topic('orders');

export default topology('orders', (t) => {
  t.stream(orders).count('orders-per-customer').to(topic('order-counts'));
  return {};
});
