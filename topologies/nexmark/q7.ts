/**
 * q7: the highest bid of every ten seconds, first by auction, so that no single key receives all
 * bids.
 */
import { minutes, reduce, seconds, topology, tumbling } from 'millrace';
import { type Bid, bids } from './auction-house.ts';

/**
 * Of equal prices the bid for the smaller auction wins, then the earlier one, whatever the order of
 * arrival.
 */
function higher(a: Bid, b: Bid): Bid {
  if (a.price !== b.price) return a.price > b.price ? a : b;
  if (a.auction !== b.auction) return a.auction < b.auction ? a : b;
  return a.at <= b.at ? a : b;
}

export default topology('nexmark-q7', (t) => {
  const highest = t
    .stream(bids)
    .window(tumbling({ size: seconds(10), grace: minutes(1) }))
    .aggregate('highest-per-auction', reduce(higher), { emit: 'close' })
    .changes()
    .map((bid, { start }) => ({ bid, start }))
    .keyBy('by-window', ({ start }) => String(start))
    .map(({ bid }) => bid)
    .reduce('highest', higher);
  return { highest };
});
