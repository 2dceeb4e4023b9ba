/**
 * A sum in which each number halves every `halfLife` (ms): S(t) = sum of w_i * 2^(-(t - t_i) /
 * halfLife).
 *
 * It is stored as the sum at the time of the newest record. A record or another sum is added by
 * scaling the older one to the newer time, so order and merging only affect the rounding of the
 * last bits.
 */
import {
  aFunction,
  checkSetting,
  checkSettings,
  positiveNumber,
} from '../../engine/base/settings.ts';
import type { MergeableAggregate } from '../aggregate-value.ts';
import { finite, type NumberForm, numberAt, withNumberForm } from './number-form.ts';

/** Read with `decayedAt`. */
export interface DecayedSum {
  /** The sum at `at`. */
  readonly sum: number;
  /** Time of the newest record, ms UTC. */
  readonly at: number;
}

/**
 * Decayed sum of a number taken from each record, by the record's time. A record without a finite
 * number is refused.
 * @param options.halfLife ms after which a number counts half
 * @throws CONFIG_INVALID unless it is a finite number above 0
 */
export function decayedSum<V>(
  of: (value: V) => number,
  options: { readonly halfLife: number },
): MergeableAggregate<V, DecayedSum> {
  checkSettings('decayedSum', options, { halfLife: positiveNumber });
  checkSetting('decayedSum.of', of, aFunction);
  const { halfLife } = options;
  const numberOf = (value: V) => finite(of(value), 'decayedSum');
  const merge = (a: DecayedSum, b: DecayedSum): DecayedSum => {
    const at = Math.max(a.at, b.at);
    return { sum: decayedAt(a, at, halfLife) + decayedAt(b, at, halfLife), at };
  };
  const aggregate: MergeableAggregate<V, DecayedSum> = {
    name: `decayedSum(${halfLife})`,
    init: () => ({ sum: 0, at: 0 }),
    add: (sum, value, timestamp) => merge(sum, { sum: numberOf(value), at: timestamp }),
    merge,
  };
  /** Adds `number`, of `time`, to the sum at `at`. */
  const take = (to: number[], at: number, number: number, time: number) => {
    const whole = merge(sumAt(to, at), { sum: number, at: time });
    to[at] = whole.sum;
    to[at + 1] = whole.at;
  };
  const form: NumberForm<V, DecayedSum> = {
    width: 2,
    begin: (to, at, value, timestamp) => {
      to[at] = numberOf(value);
      to[at + 1] = timestamp;
    },
    add: (to, at, value, timestamp) => take(to, at, numberOf(value), timestamp),
    merge: (left, at, right, rightAt) =>
      take(left, at, numberAt(right, rightAt), numberAt(right, rightAt + 1)),
    result: sumAt,
  };
  return withNumberForm(aggregate, form);
}

function sumAt(of: readonly number[], at: number): DecayedSum {
  return { sum: numberAt(of, at), at: numberAt(of, at + 1) };
}

/** The value of a decayed sum at `at` (ms UTC), with the half-life of its aggregate (ms). */
export function decayedAt({ sum, at: known }: DecayedSum, at: number, halfLife: number): number {
  return sum * 2 ** ((known - at) / halfLife);
}
