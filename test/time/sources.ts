/** Source partitions as a test holds them, and what follows from them by definition. */
import { randomBelow, type SeededRandom } from '../../engine/base/random.ts';

export interface SourceRecord {
  readonly key: string;
  readonly value: string;
  /** ms UTC. */
  readonly at: number;
  /** Partition and place in it. */
  readonly partition: number;
  readonly index: number;
  /** How far its partition stood when it was read: the greatest time so far, its own included. */
  readonly stand: number;
}

export interface Draw {
  readonly partitions: number;
  readonly records: number;
  readonly keys: number;
  readonly values: number;
  /** How far records may lie behind, ms. */
  readonly disorder: number;
  readonly step: number;
}

export function drawSources(random: SeededRandom, draw: Draw): SourceRecord[][] {
  return Array.from({ length: draw.partitions }, (_, partition) => {
    let now = randomBelow(random, 60);
    let stand = Number.NEGATIVE_INFINITY;
    const count = randomBelow(random, draw.records + 1);
    return Array.from({ length: count }, (_, index): SourceRecord => {
      now += randomBelow(random, draw.step);
      const isLate = randomBelow(random, 3) === 0;
      const at = Math.max(0, now - (isLate ? randomBelow(random, draw.disorder + 1) : 0));
      stand = Math.max(stand, at);
      const key = `k${randomBelow(random, draw.keys)}`;
      const value = 'abcdefgh'[randomBelow(random, draw.values)] as string;
      return { key, value, at, partition, index, stand };
    });
  });
}

/** Something that reaches a window: a record, or what was made of one. */
export interface Arrival {
  readonly key: string;
  readonly at: number;
  readonly stand: number;
}

export interface Window {
  readonly key: string;
  readonly start: number;
  readonly end: number;
  readonly count: number;
  /** Greatest time in it. */
  readonly at: number;
  /** How far time was when it closed, just before. */
  readonly stand: number;
}

/**
 * Windows [start, start + size), each of which takes a record if the record's source had not closed
 * it.
 */
export function hoppingWindows(
  arrivals: readonly Arrival[],
  { size, advance, grace }: { size: number; advance: number; grace: number },
): Window[] {
  const windows = new Map<string, Window>();
  for (const { key, at, stand } of arrivals) {
    for (let start = Math.floor(at / advance) * advance; start > at - size; start -= advance) {
      if (start < 0) break;
      const end = start + size;
      if (end + grace <= stand) continue;
      const name = `${key} ${start}`;
      const known = windows.get(name);
      windows.set(name, {
        ...{ key, start, end, stand: end + grace - 1 },
        count: (known?.count ?? 0) + 1,
        at: Math.max(known?.at ?? at, at),
      });
    }
  }
  return [...windows.values()];
}

/**
 * Sessions: records whose source has not closed them; two of a key belong together when they are no
 * more than the gap apart, and the older one was open where the source of the newer one stood.
 */
export function sessions(
  arrivals: readonly Arrival[],
  { gap, grace }: { gap: number; grace: number },
): Window[] {
  const taken = arrivals.filter(({ at, stand }) => stand <= at + gap + grace);
  const group = taken.map((_, i) => i);
  const root = (i: number): number => (group[i] === i ? i : root(group[i] as number));
  for (const [i, a] of taken.entries()) {
    for (const [j, b] of taken.entries()) {
      const isPair = a.key === b.key && a.at <= b.at && b.at - a.at <= gap;
      if (isPair && b.stand <= a.at + gap + grace) group[root(i)] = root(j);
    }
  }
  const found = new Map<number, Arrival[]>();
  taken.forEach((one, i) => {
    found.set(root(i), [...(found.get(root(i)) ?? []), one]);
  });
  return [...found.values()].map((members) => {
    const [start, end] = [
      Math.min(...members.map(({ at }) => at)),
      Math.max(...members.map(({ at }) => at)),
    ];
    const { key } = members[0] as Arrival;
    return { key, start, end, count: members.length, at: end, stand: end + gap + grace };
  });
}

/**
 * Pairs of a left and a right record: the times fit, and neither had waited too long where the
 * other one stood.
 */
export function joinedPairs<T extends Arrival>(
  left: readonly T[],
  right: readonly T[],
  { before, after, grace }: { before: number; after: number; grace: number },
): [T, T][] {
  return left.flatMap((a) =>
    right.flatMap((b): [T, T][] => {
      const fits = a.key === b.key && a.at - before <= b.at && b.at <= a.at + after;
      const isOpen = a.at + after + grace >= b.stand && b.at + before + grace >= a.stand;
      return fits && isOpen ? [[a, b]] : [];
    }),
  );
}
