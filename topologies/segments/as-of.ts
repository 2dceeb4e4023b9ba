/** The members of a segment at an instant: as known then, and as known now. */
import type { SegmentChange } from '../event.ts';
import { fold } from './membership.ts';

export interface AsOf {
  readonly segment: string;
  /** Subjects, ascending. */
  readonly knownThen: readonly string[];
  readonly knownNow: readonly string[];
}

/**
 * By segment, ascending.
 * @param changes of every subject and segment in the order in which they were reported
 * @param at ms UTC
 */
export function asOf(changes: Iterable<SegmentChange>, at: number): AsOf[] {
  const told = new Map<string, Map<string, SegmentChange[]>>();
  for (const change of changes) {
    const users = told.get(change.segment) ?? new Map<string, SegmentChange[]>();
    told.set(change.segment, users);
    const own = users.get(change.user);
    if (own === undefined) users.set(change.user, [change]);
    else own.push(change);
  }
  return [...told]
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([segment, users]) => {
      const then: string[] = [];
      const now: string[] = [];
      for (const [user, own] of users) {
        if (
          isIn(
            own.filter(({ decidedAt }) => decidedAt <= at),
            at,
          )
        )
          then.push(user);
        if (isIn(own, at)) now.push(user);
      }
      return { segment, knownThen: then.sort(), knownNow: now.sort() };
    });
}

function isIn(changes: readonly SegmentChange[], at: number): boolean {
  return fold(changes).findLast((end) => end.at <= at)?.in ?? false;
}
