/** q0: every bid unchanged; measures reading and writing alone. */
import { topic, topology } from 'millrace';
import { type Bid, bids } from './auction-house.ts';

export const passed = topic<string, Bid>('q0-bids');

export default topology('nexmark-q0', (t) => {
  t.stream(bids).to(passed);
});
