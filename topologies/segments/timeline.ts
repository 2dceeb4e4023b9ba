/**
 * When a condition holds: the truth before the first flip, and the instants at which it turns. A
 * timeline extends into the future as if nothing more arrived. Both the present truth and the next
 * change are read from it, and a change of the past is the difference of two timelines.
 */

export interface Timeline {
  /** The truth before the first flip. */
  readonly first: boolean;
  /** ms UTC, strictly ascending; the truth changes at each. */
  readonly flips: readonly number[];
}

/** [from, to). */
export type Interval = readonly [from: number, to: number];

export const never = Number.POSITIVE_INFINITY;
export const always: Timeline = { first: true, flips: [] };
export const nowhere: Timeline = { first: false, flips: [] };

/** The number of flips at or before `at`. */
export function flipsUntil(flips: readonly number[], at: number): number {
  let [low, high] = [0, flips.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((flips[middle] as number) <= at) low = middle + 1;
    else high = middle;
  }
  return low;
}

export function holdsAt({ first, flips }: Timeline, at: number): boolean {
  return first !== (flipsUntil(flips, at) % 2 === 1);
}

/** The first flip after `at`; +Infinity for none. */
export function nextFlip({ flips }: Timeline, at: number): number {
  return flips[flipsUntil(flips, at)] ?? never;
}

/** The last flip not after `at`; undefined for none. */
export function lastFlip({ flips }: Timeline, at: number): number | undefined {
  return flips[flipsUntil(flips, at) - 1];
}

/** The instant from which on two timelines differ; +Infinity when they are equal. */
export function differFrom(a: Timeline, b: Timeline): number {
  if (a.first !== b.first) return Number.NEGATIVE_INFINITY;
  const length = Math.max(a.flips.length, b.flips.length);
  for (let i = 0; i < length; i++) {
    const [x = never, y = never] = [a.flips[i], b.flips[i]];
    if (x !== y) return Math.min(x, y);
  }
  return never;
}

/** False before `start`. */
export function clip(line: Timeline, start: number): Timeline {
  if (start === Number.NEGATIVE_INFINITY) return line;
  const before = flipsUntil(line.flips, start);
  if (!line.first && before === 0) return line;
  const rest = line.flips.slice(before);
  return { first: false, flips: holdsAt(line, start) ? [start, ...rest] : rest };
}

/** The same timeline from `from` on; `first` stands for everything before. */
export function forget(line: Timeline, from: number): Timeline {
  const before = flipsUntil(line.flips, from);
  return before === 0 ? line : { first: holdsAt(line, from), flips: line.flips.slice(before) };
}

export function not({ first, flips }: Timeline): Timeline {
  return { first: !first, flips };
}

/** True where all lines (`every`), or at least one line, are true. */
export function combine(lines: readonly Timeline[], every: boolean): Timeline {
  if (lines.length === 1) return lines[0] as Timeline;
  const enough = every ? lines.length : 1;
  let count = lines.reduce((n, { first }) => n + (first ? 1 : 0), 0);
  const turns: [at: number, by: 1 | -1][] = [];
  for (const { first, flips } of lines) {
    let up = !first;
    for (const at of flips) {
      turns.push([at, up ? 1 : -1]);
      up = !up;
    }
  }
  turns.sort((a, b) => a[0] - b[0]);
  const first = count >= enough;
  const flips: number[] = [];
  let truth = first;
  for (let i = 0; i < turns.length; ) {
    const at = (turns[i] as [number, number])[0];
    for (; turns[i]?.[0] === at; i++) count += (turns[i] as [number, number])[1];
    if (count >= enough !== truth) {
      truth = !truth;
      flips.push(at);
    }
  }
  return { first, flips };
}

/** True in at least one of the intervals. */
export function unionOf(intervals: readonly Interval[]): Timeline {
  const sorted = intervals.filter(([from, to]) => from < to).sort((a, b) => a[0] - b[0]);
  const flips: number[] = [];
  let end = Number.NEGATIVE_INFINITY;
  for (const [from, to] of sorted) {
    if (flips.length > 0 && from <= end) end = Math.max(end, to);
    else {
      if (flips.length > 0) flips.push(end);
      flips.push(from);
      end = to;
    }
  }
  if (flips.length > 0 && end !== never) flips.push(end);
  return { first: false, flips };
}

/**
 * The intervals in which it is true; if it is true before the first flip, the first begins at
 * `since`.
 */
export function intervalsOf({ first, flips }: Timeline, since: number): Interval[] {
  const turns = first ? [since, ...flips] : flips;
  const intervals: Interval[] = [];
  for (let i = 0; i < turns.length; i += 2) {
    intervals.push([turns[i] as number, turns[i + 1] ?? never]);
  }
  return intervals;
}
