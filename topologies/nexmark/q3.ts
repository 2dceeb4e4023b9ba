/**
 * q3: sellers in category 10 who live in Oregon, Idaho or California, by auction; either side may
 * come first.
 */
import { topology } from 'millrace';
import { auctions, persons } from './auction-house.ts';

const near = new Set(['OR', 'ID', 'CA']);

export default topology('nexmark-q3', (t) => {
  const people = t.table('people', persons).filter(({ state }) => near.has(state));
  const sellers = t
    .table('auctions', auctions)
    .filter(({ category }) => category === 10)
    .joinForeign(
      'sellers',
      people,
      ({ seller }) => seller,
      (_auction, { name, city, state }) => ({ name, city, state }),
    );
  return { sellers };
});
