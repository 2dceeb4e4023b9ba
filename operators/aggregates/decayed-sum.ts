/**
 * A sum in which each number halves every `halfLifeMs`: S(t) = sum of w_i * 2^(-(t - t_i) / halfLife).
 *
 * Kept as the sum at one time, that of the newest record. A record or another sum is taken in by scaling
 * the older to the newer time, so neither their order nor how they were merged matters but for the
 * rounding of the last bits.
 */
import { MillraceError } from '../../engine/base/errors.ts';
import type { MergeableAggregate } from '../aggregate-value.ts';

/** Read with `decayedAt`. */
export interface DecayedSum {
  /** The sum as it is at `at`. */
  readonly sum: number;
  /** ms UTC; of the newest record. */
  readonly at: number;
}

/**
 * Decayed sum of a number taken from each record, by the record's time.
 * @param options.halfLife ms after which a number counts half
 */
export function decayedSum<V>(
  of: (value: V) => number,
  options: { readonly halfLife: number },
): MergeableAggregate<V, DecayedSum> {
  const { halfLife } = options;
  if (!(halfLife > 0 && Number.isFinite(halfLife))) {
    const problem = `must be a positive number of milliseconds, is ${String(halfLife)}`;
    throw new MillraceError('CONFIG_INVALID', { field: 'decayedSum.halfLife', problem });
  }
  const merge = (a: DecayedSum, b: DecayedSum): DecayedSum => {
    const at = Math.max(a.at, b.at);
    return { sum: decayedAt(a, at, halfLife) + decayedAt(b, at, halfLife), at };
  };
  return {
    name: `decayedSum(${halfLife})`,
    init: () => ({ sum: 0, at: 0 }),
    add: (sum, value, timestamp) => merge(sum, { sum: of(value), at: timestamp }),
    merge,
  };
}

/** What a decayed sum is worth at `at` (ms UTC), with the half-life of its aggregate. */
export function decayedAt({ sum, at: known }: DecayedSum, at: number, halfLife: number): number {
  return sum * 2 ** ((known - at) / halfLife);
}
