import { refusePromise } from '../../engine/base/promises.ts';
import { aFunction, checkSetting, shown, wholeNumber } from '../../engine/base/settings.ts';
import type { MergeableAggregate } from '../aggregate-value.ts';

/**
 * The `k` values with the greatest weight, greatest first. Values of equal weight are ordered by
 * their JSON text, so the result does not depend on the order of arrival.
 * @throws CONFIG_INVALID unless `k` is an integer from 1 to 1 000 000
 */
export function top<V>(
  k: number,
  weightOf: (value: V) => number,
): MergeableAggregate<V, readonly V[]> {
  checkSetting('top.k', k, wholeNumber(1, 1_000_000));
  checkSetting('top.weightOf', weightOf, aFunction);
  // A weight that is not a number cannot be ordered; the record is refused.
  const weight = (value: V) => {
    const known: unknown = weightOf(value);
    refusePromise(known, "top's function");
    if (typeof known === 'number' && !Number.isNaN(known)) return known;
    throw new TypeError(`top: expected a number as the weight of the record, got ${shown(known)}`);
  };
  const byWeight = (a: V, b: V) => {
    const difference = weight(b) - weight(a);
    if (difference !== 0) return difference;
    const [left, right] = [JSON.stringify(a), JSON.stringify(b)];
    return left < right ? -1 : left > right ? 1 : 0;
  };
  const best = (values: readonly V[]) => [...values].sort(byWeight).slice(0, k);
  return {
    name: `top(${k})`,
    init: () => [],
    add: (known, value) => {
      weight(value);
      return best([...known, value]);
    },
    merge: (a, b) => best([...a, ...b]),
  };
}
