/** q5: the auctions with most bids of the last ten seconds, every two seconds. */
import { count, hopping, minutes, seconds, topology } from 'millrace';
import { bids } from './auction-house.ts';

export interface Hot {
  readonly bids: number;
  readonly auctions: readonly string[];
}

export default topology('nexmark-q5', (t) => {
  const hottest = t
    .stream(bids)
    .window(hopping({ size: seconds(10), advance: seconds(2), grace: minutes(1) }))
    .aggregate('bids-per-auction', count(), { emit: 'close' })
    .changes()
    .map((many, { key, start }) => ({ auction: key, start, many: many ?? 0 }))
    .keyBy('by-window', ({ start }) => String(start))
    .aggregate('hottest', {
      init: (): Hot => ({ bids: 0, auctions: [] }),
      add: (hot, { auction, many }) => {
        if (many < hot.bids) return hot;
        if (many > hot.bids) return { bids: many, auctions: [auction] };
        return { bids: many, auctions: [...hot.auctions, auction].sort() };
      },
    });
  return { hottest };
});
