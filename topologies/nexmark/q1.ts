/** q1: the price of every bid in euros, at 0.908 a dollar. */
import { topic, topology } from 'millrace';
import { type Bid, bids } from './auction-house.ts';

export const inEuros = topic<string, Bid>('q1-bids');

export default topology('nexmark-q1', (t) => {
  t.stream(bids)
    .map((bid) => ({ ...bid, price: bid.price * 0.908 }))
    .to(inEuros);
});
