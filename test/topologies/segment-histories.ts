/**
 * Random histories of a subject: many events at one instant, few values, so that everything
 * collides.
 */

import { randomBelow, type SeededRandom } from '../../engine/base/random.ts';
import type { Arrival, Event } from '../../topologies/event.ts';
import type { OracleEvent } from '../verify/segment-intervals.ts';

export const classes = ['email_sent', 'email_open', 'email_click', 'product_view', 'purchase'];

/** Distinct instants of a history. */
export const span = 240;

/** null: there is no plan any more. */
const plans = ['gold', 'silver', 'none', null];

export function pick<T>(random: SeededRandom, values: readonly T[]): T {
  return values[randomBelow(random, values.length)] as T;
}

/**
 * Events in no order. One history in three is dense: few classes, the next event mostly within the
 * windows of the one before. @param unit ms between two instants
 */
export function randomHistory(random: SeededRandom, unit = 1, base = 0): Arrival[] {
  const count = 1 + randomBelow(random, 14);
  const isDense = randomBelow(random, 3) === 0;
  const own = isDense ? [pick(random, classes), pick(random, classes)] : classes;
  const reach = isDense ? 5 * count : span;
  return Array.from({ length: count }, (_, i): Arrival => {
    const at = base + randomBelow(random, reach) * unit;
    const id = `${String.fromCharCode(97 + randomBelow(random, 26))}${i}`;
    const kind = randomBelow(random, 12);
    if (kind === 0) {
      const granted = randomBelow(random, 2) === 0;
      const until = granted && randomBelow(random, 2) === 0 ? { until: at + 60 * unit } : {};
      const name = granted ? 'consent_granted' : 'consent_withdrawn';
      return { at, event: { id, class: name, purpose: 'marketing', ...until } };
    }
    const traits: Record<string, string | number | null> = {};
    if (randomBelow(random, 4) === 0) traits['plan'] = pick(random, plans);
    if (randomBelow(random, 5) === 0) traits['due'] = base + randomBelow(random, span) * unit;
    const event: Event = {
      id,
      class: pick(random, own),
      item: `${randomBelow(random, 3)}`,
      traits,
      numbers: randomBelow(random, 4) === 0 ? {} : { amount: randomBelow(random, 90) - 20 },
    };
    return { at, event };
  });
}

export function oracleEvents(arrivals: readonly Arrival[], subject: string): OracleEvent[] {
  return arrivals.map(({ event, at }) => ({ ...event, subject, at }));
}

/** Purchases, of which some are refunded up to 40 units later. */
export function withRefunds(
  random: SeededRandom,
  all: readonly Arrival[],
  unit: number,
): Arrival[] {
  const refunds = all.flatMap(({ at, event }): Arrival[] =>
    event.class === 'purchase' && randomBelow(random, 3) === 0
      ? [
          {
            at: at + randomBelow(random, 40) * unit,
            event: { id: `r${event.id}`, class: 'refund', item: event.item ?? '' },
          },
        ]
      : [],
  );
  return [...all, ...refunds];
}

/** An order of arrival in which an event comes up to 58 units after its instant: `when`. */
export function jumbled<A extends Arrival>(
  random: SeededRandom,
  arrivals: readonly A[],
  unit: number,
): (A & { readonly when: number })[] {
  return arrivals
    .map((arrival) => ({ ...arrival, when: arrival.at + randomBelow(random, 59) * unit }))
    .sort((a, b) => a.when - b.when);
}

/** Each event once, purchases without those that a refund took back. */
export function accepted(arrivals: readonly Arrival[], refundMs: number): Arrival[] {
  const once = [...new Map(arrivals.map((one) => [one.event.id, one])).values()];
  return once.filter(
    ({ at, event }) =>
      event.class !== 'purchase' ||
      !once.some(
        (other) =>
          other.event.class === 'refund' &&
          other.event.item === event.item &&
          at <= other.at &&
          other.at <= at + refundMs,
      ),
  );
}
