/** The segments of a first start. */
import type { SegmentDefinition } from './definition.ts';

const day = 86_400_000;
const human = ['email_open', 'email_click'];

export const defaultSegments: readonly SegmentDefinition[] = [
  {
    id: 'engaged-30d',
    version: 1,
    when: { count: human, op: 'ge', value: 1, withinMs: 30 * day },
  },
  {
    id: 'opens-2-in-7d',
    version: 1,
    when: { count: ['email_open'], op: 'ge', value: 2, withinMs: 7 * day },
  },
  {
    id: 'clicks-1-in-30d',
    version: 1,
    when: { count: ['email_click'], op: 'ge', value: 1, withinMs: 30 * day },
  },
  {
    id: 'buys-3-in-30d',
    version: 1,
    when: { count: ['purchase'], op: 'ge', value: 3, withinMs: 30 * day },
  },
  {
    id: 'no-purchase-30d',
    version: 1,
    when: { absent: ['purchase'], forMs: 30 * day, knownSince: 'firstSeen' },
  },
  {
    id: 'no-purchase-30d-held-7d',
    version: 1,
    when: {
      held: { absent: ['purchase'], forMs: 30 * day, knownSince: 'firstSeen' },
      forMs: 7 * day,
    },
  },
  { id: 'warm-or-hot', version: 1, when: { band: ['warm', 'hot'] } },
  {
    id: 'lapsing',
    version: 1,
    when: {
      and: [
        { latch: { enter: { band: ['hot'] }, exit: { band: ['dormant'] } } },
        { held: { score: 'total', op: 'lt', value: 30 }, forMs: 7 * day },
      ],
    },
  },
  {
    id: 'premium-plan',
    version: 1,
    when: { trait: 'plan', op: 'in', value: ['premium', 'business'] },
  },
];
