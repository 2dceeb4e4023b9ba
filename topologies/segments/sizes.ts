/** Entries and exits of each segment by day, from the reported changes. */
import type { SegmentChange } from '../event.ts';
import { dayMs } from '../time-units.ts';

/** By segment and day since 1970 (UTC, by the instant of the decision): [entered, left]. */
export type Entries = Record<string, Record<string, readonly [entered: number, left: number]>>;

/**
 * Counts the changes that correct no other. A correction moves an end in time and leaves the size
 * as it is, so counts of later changes can be added to those of earlier ones.
 */
export async function entriesIn(changes: AsyncIterable<SegmentChange>): Promise<Entries> {
  const entries = new Map<string, Map<number, [number, number]>>();
  for await (const { segment, type, decidedAt, supersedes } of changes) {
    if (supersedes !== undefined) continue;
    const days = entries.get(segment) ?? new Map<number, [number, number]>();
    entries.set(segment, days);
    const place = Math.floor(decidedAt / dayMs);
    const both = days.get(place) ?? [0, 0];
    days.set(place, both);
    both[type === 'entered' ? 0 : 1]++;
  }
  return Object.fromEntries(
    [...entries].map(([segment, days]) => [segment, Object.fromEntries(days)]),
  );
}

export function addEntries(entries: Entries, more: Entries): Entries {
  const sum: Entries = { ...entries };
  for (const [segment, days] of Object.entries(more)) {
    const own = { ...sum[segment] };
    for (const [place, [entered, left]] of Object.entries(days)) {
      const [before, after] = own[place] ?? [0, 0];
      own[place] = [before + entered, after + left];
    }
    sum[segment] = own;
  }
  return sum;
}

export interface SegmentDay {
  /** Begin of the day, ms UTC. */
  readonly day: number;
  readonly entered: number;
  readonly left: number;
  /** At the end of the day. */
  readonly size: number;
}

/** The days on which a segment changed, ascending, with its size at the end of each. */
export function sizesOf(entries: Entries, segment: string): SegmentDay[] {
  let size = 0;
  return Object.entries(entries[segment] ?? {})
    .map(([place, both]) => [Number(place), both] as const)
    .sort(([a], [b]) => a - b)
    .map(([place, [entered, left]]) => {
      size += entered - left;
      return { day: place * dayMs, entered, left, size };
    });
}
