/** q2: bids for certain auctions, those whose id is a multiple of 123. */
import { type Topic, topic, topology } from 'millrace';
import { bids } from './auction-house.ts';

export interface Offer {
  readonly auction: string;
  readonly price: number;
}

export const offers: Topic<string, Offer> = topic('q2-offers');

export default topology('nexmark-q2', (t) => {
  t.stream(bids)
    .filter(({ auction }) => Number(auction) % 123 === 0)
    .map(({ auction, price }) => ({ auction, price }))
    .to(offers);
});
