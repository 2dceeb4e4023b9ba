/** The events that a node looks at, and their order within an instant. */
import type { Trait } from '../event.ts';
import type { Match } from './definition.ts';
import type { History } from './history.ts';
import { passesAll } from './value-test.ts';

export interface Occurrence {
  readonly at: number;
  readonly rank: number;
  readonly id: string;
  readonly class: string;
  readonly fields: ReadonlyMap<string, Trait>;
}

/** Within an instant events are ordered as they happen in life. */
const ranks: readonly RegExp[] = [
  /sent|send/,
  /deliver/,
  /open/,
  /click/,
  /view|visit|page|search/,
  /cart/,
  /purchase|order|buy/,
];
const rankOf = new Map<string, number>();

/**
 * 0 sent, 1 delivered, 2 opened, 3 clicked, 4 visited, 5 added to a cart, 6 bought, 7 anything
 * else.
 */
export function causalRank(eventClass: string): number {
  let rank = rankOf.get(eventClass);
  if (rank === undefined) {
    const found = ranks.findIndex((pattern) => pattern.test(eventClass));
    rank = found < 0 ? ranks.length : found;
    rankOf.set(eventClass, rank);
  }
  return rank;
}

/** Order of two events by instant, rank and id. */
export function byTies(a: Occurrence, b: Occurrence): number {
  return a.at - b.at || a.rank - b.rank || (a.id === b.id ? 0 : a.id < b.id ? -1 : 1);
}

/** Every event that matches one of the matches, in order. */
export function occurrences(history: History, matches: readonly Match[]): Occurrence[] {
  const found: Occurrence[] = [];
  for (const [i, { event, where }] of matches.entries()) {
    for (const name of event) {
      const rank = causalRank(name);
      // An event that an earlier match has taken is not taken twice.
      const others = matches.slice(0, i).filter((one) => one.event.includes(name));
      for (const kept of history.events.get(name) ?? []) {
        if (where.length > 0 && !passesAll(kept, where)) continue;
        if (others.some((other) => passesAll(kept, other.where))) continue;
        found.push({ at: kept[0], rank, id: kept[1], class: name, fields: kept[2] });
      }
    }
  }
  return matches.length === 1 && matches[0]?.event.length === 1 ? found : found.sort(byTies);
}
