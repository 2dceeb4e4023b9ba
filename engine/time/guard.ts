/**
 * The guard of a source partition: a single wrong clock must not advance time for everyone.
 *
 * A timestamp further ahead of the wall clock than `maxAheadMs` is refused. In history the wall
 * clock does not help: there a record that jumps further ahead than `maxJumpMs` is accepted if
 * another record confirms it, that is, if one of the next records has a time within `maxJumpMs` of
 * it. So a single wrong row is refused, and a real gap is not.
 */
import { days } from '../base/duration.ts';

export interface GuardSettings {
  /** ms. */
  readonly maxAheadMs: number;
  /** ms. */
  readonly maxJumpMs: number;
}

const dayMs = days(1);
/** Generous: a clock is wrong by more than a day only if it was never set. */
export const defaultMaxAheadMs = dayMs;
/** Real gaps in a history are shorter. */
export const defaultMaxJumpMs = 366 * dayMs;
/** A record this close to the wall clock is current, and confirmed by the clock. */
const nowMs = dayMs;
/** Number of records after a jump that may confirm it. */
export const witnessesMost = 16;

/**
 * 'wait': undecided; the next record of the partition decides.
 * * 'more': undecided; the log has more records, which must be read with this one.
 */
export type GuardVerdict = 'take' | 'refuse' | 'wait' | 'more';

/** The context of the record. */
export interface Surroundings {
  /** Source time before the record, ms UTC; -Infinity before the first. */
  readonly greatest: number;
  /** Wall clock, ms UTC; undefined if there is none. */
  readonly wall: number | undefined;
  /** Time of the nth record after it, ms UTC; undefined if it is not available yet. */
  next(n: number): number | undefined;
  /** True if the log has more records after the available ones. */
  readonly more: boolean;
  /** True if no more records will come: an unconfirmed jump is refused. */
  readonly final: boolean;
}

/** Records up to this time need no verdict, ms UTC. */
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
  // The first record has no earlier time to jump from: it is wrong only if two others agree
  // without it.
  if (isFirst) return someAgree(others, maxJumpMs) ? 'refuse' : 'take';
  return others.length > 0 || final ? 'refuse' : 'wait';
}

function someAgree(times: readonly number[], maxJumpMs: number): boolean {
  const sorted = times.toSorted((a, b) => a - b);
  return sorted.some((time, i) => i > 0 && time - (sorted[i - 1] as number) <= maxJumpMs);
}
