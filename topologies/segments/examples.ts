/** The segments of a first start. The folder examples/ has more to copy. */
import { absent, band, count, definitions, held, latch, score, trait } from './builder.ts';

const human = ['email_open', 'email_click'];
const noPurchase = absent({ event: 'purchase', for: '30d' });

/** Used where a configuration has no segments. */
export const defaultSegments = definitions([
  { id: 'engaged-30d', version: 1, when: count({ event: human, op: 'ge', n: 1, within: '30d' }) },
  {
    id: 'opens-2-in-7d',
    version: 1,
    when: count({ event: 'email_open', op: 'ge', n: 2, within: '7d' }),
  },
  {
    id: 'clicks-1-in-30d',
    version: 1,
    when: count({ event: 'email_click', op: 'ge', n: 1, within: '30d' }),
  },
  {
    id: 'buys-3-in-30d',
    version: 1,
    when: count({ event: 'purchase', op: 'ge', n: 3, within: '30d' }),
  },
  { id: 'no-purchase-30d', version: 1, when: noPurchase },
  { id: 'no-purchase-30d-held-7d', version: 1, when: held(noPurchase, '7d') },
  { id: 'warm-or-hot', version: 1, when: band('warm', 'hot') },
  {
    id: 'lapsing',
    version: 1,
    when: latch(band('hot'), band('dormant')).and(held(score({ op: 'lt', value: 30 }), '7d')),
  },
  {
    id: 'premium-plan',
    version: 1,
    when: trait({ path: 'plan', op: 'in', value: ['premium', 'business'] }),
  },
]);
