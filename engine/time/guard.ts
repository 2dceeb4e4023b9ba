/**
 * The guard of a source partition: one wrong clock must not move time for everybody.
 *
 * A timestamp further ahead of the wall clock than `maxAheadMs` is refused. In history the wall
 * clock says nothing; there a record that jumps further ahead than `maxJumpMs` counts when another
 * one confirms it: one of the next records has a time within `maxJumpMs` of its own. So a lone
 * wrong row is refused, and a real gap is not.
 */
import { days } from '../base/duration.ts';

export interface GuardSettings {
  /** ms. */
  readonly maxAheadMs: number;
  /** ms. */
  readonly maxJumpMs: number;
}

const dayMs = days(1);
/** Generous: clocks are set wrong by more than a day only when they are not set at all. */
export const defaultMaxAheadMs = dayMs;
/** Real gaps in a history are shorter. */
export const defaultMaxJumpMs = 366 * dayMs;
/** As close to the wall clock as this a record is of now, and confirmed by the clock. */
const nowMs = dayMs;
/** So many records after a jump are asked whether they confirm it. */
export const witnessesMost = 16;

/**
 * 'wait': nobody can say yet; the next record of the partition decides.
 * 'more': records that may say are in the log, and are to be read with this one.
 */
export type GuardVerdict = 'take' | 'refuse' | 'wait' | 'more';

/** What is known of the record's surroundings. */
export interface Surroundings {
  /** Source time before the record, ms UTC; -Infinity before the first. */
  readonly greatest: number;
  /** Wall clock, ms UTC; undefined where there is none to go by. */
  readonly wall: number | undefined;
  /** Time of the nth record after it; undefined when it is not there yet. */
  next(n: number): number | undefined;
  /** More records are known to follow those that are there, and can be had. */
  readonly more: boolean;
  /** No more will come: what nobody confirms is refused. */
  readonly final: boolean;
}

/** Up to this time a record needs no verdict, ms UTC. */
export function unquestionedTo(
  { maxAheadMs, maxJumpMs }: GuardSettings,
  greatest: number,
  wall: number | undefined,
): number {
  const ahead = wall === undefined ? Number.POSITIVE_INFINITY : wall + maxAheadMs;
  return Math.min(ahead, greatest + maxJumpMs);
}

export function judge(
  settings: GuardSettings,
  timestamp: number,
  around: Surroundings,
): GuardVerdict {
  const { maxAheadMs, maxJumpMs } = settings;
  const { greatest, wall, final, more } = around;
  const isFirst = greatest === Number.NEGATIVE_INFINITY;
  if (wall !== undefined && timestamp > wall + maxAheadMs) return 'refuse';
  if (timestamp <= greatest + maxJumpMs) return 'take';
  if (wall !== undefined && timestamp >= wall - nowMs) return 'take';
  const others: number[] = [];
  for (let n = 1; n <= witnessesMost; n++) {
    const next = around.next(n);
    if (next === undefined) {
      if (more) return 'more';
      break;
    }
    if (Math.abs(next - timestamp) <= maxJumpMs) return 'take';
    others.push(next);
  }
  // Before the first record there is no time to jump from: it is wrong only where others agree
  // without it.
  if (isFirst) return someAgree(others, maxJumpMs) ? 'refuse' : 'take';
  return others.length > 0 || final ? 'refuse' : 'wait';
}

function someAgree(times: readonly number[], maxJumpMs: number): boolean {
  const sorted = times.toSorted((a, b) => a - b);
  return sorted.some((time, i) => i > 0 && time - (sorted[i - 1] as number) <= maxJumpMs);
}
