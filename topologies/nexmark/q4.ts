/**
 * q4: the average of the winning bids so far, by category; a higher bid replaces the earlier one.
 */
import { average, topology } from 'millrace';
import { auctions, bids } from './auction-house.ts';

interface Winning {
  readonly category: number;
  readonly price: number;
}

export default topology('nexmark-q4', (t) => {
  // Auctions first: at one instant their records are read before bids.
  const open = t.table('auctions', auctions);
  const averages = t
    .stream(bids)
    .joinTable(open, (bid, { category, at, expires }) => ({
      category,
      price: bid.price,
      counts: at <= bid.at && bid.at < expires,
    }))
    .filter(({ counts }) => counts)
    .map(({ category, price }): Winning => ({ category, price }))
    .reduce('winning', (best, bid) => (bid.price > best.price ? bid : best))
    .groupBy('by-category', ({ category, price }) => [String(category), price])
    .aggregate(
      'averages',
      average((price: number) => price),
    );
  return { averages };
});
