/** Random histories of a subject: many events at one instant, few values, so that everything collides. */
import { randomBelow, type SeededRandom } from '../../engine/base/random.ts';
import type { Event } from '../../topologies/event.ts';
import type { Arrival } from '../../topologies/subject-run.ts';
import type { OracleEvent } from '../verify/segment-intervals.ts';

export const classes = ['email_sent', 'email_open', 'email_click', 'product_view', 'purchase'];

/** Distinct instants of a history. */
export const span = 240;

const plans = ['gold', 'silver', 'none'];

export function pick<T>(random: SeededRandom, values: readonly T[]): T {
  return values[randomBelow(random, values.length)] as T;
}

/** Events in no order. @param unit ms between two instants */
export function randomHistory(random: SeededRandom, unit = 1, base = 0): Arrival[] {
  const count = 1 + randomBelow(random, 14);
  return Array.from({ length: count }, (_, i): Arrival => {
    const at = base + randomBelow(random, span) * unit;
    const id = `${String.fromCharCode(97 + randomBelow(random, 26))}${i}`;
    const kind = randomBelow(random, 12);
    if (kind === 0) {
      const granted = randomBelow(random, 2) === 0;
      const until = granted && randomBelow(random, 2) === 0 ? { until: at + 60 * unit } : {};
      const name = granted ? 'consent_granted' : 'consent_withdrawn';
      return { at, event: { id, class: name, purpose: 'marketing', ...until } };
    }
    const traits: Record<string, string | number> = {};
    if (randomBelow(random, 4) === 0) traits['plan'] = pick(random, plans);
    if (randomBelow(random, 5) === 0) traits['due'] = base + randomBelow(random, span) * unit;
    const event: Event = {
      id,
      class: pick(random, classes),
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
