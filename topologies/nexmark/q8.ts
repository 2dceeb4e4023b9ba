/** q8: people who registered and opened an auction within the same ten seconds. */
import { minutes, msgpack, seconds, timeWindowed, topic, topology, tumbling, utf8 } from 'millrace';
import { auctions, persons } from './auction-house.ts';

export interface NewSeller {
  /** Null when the person registered in another window. */
  readonly name: string | null;
  readonly auctions: number;
}

const size = seconds(10);

export const newSellers = topic('q8-new-sellers', {
  key: timeWindowed(utf8, size),
  value: msgpack<NewSeller>(),
});

export default topology('nexmark-q8', (t) => {
  const opened = t.stream(auctions).keyBy('by-seller', ({ seller }) => seller);
  const registered = t.stream(persons).keyBy('by-person', ({ id }) => id);
  registered
    .cogroup({ init: (): NewSeller => ({ name: null, auctions: 0 }) }, (seen, { name }) => ({
      ...seen,
      name,
    }))
    .with(opened, (seen) => ({ ...seen, auctions: seen.auctions + 1 }))
    .window(tumbling({ size, grace: minutes(1) }))
    .aggregate('registered-and-opened', { emit: 'close' })
    .changes()
    .filter((seen) => seen !== null && seen.name !== null && seen.auctions > 0)
    .to(newSellers);
});
