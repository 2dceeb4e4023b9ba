import { aFunction, checkSetting, wholeNumber } from '../../engine/base/settings.ts';
import type { MergeableAggregate } from '../aggregate-value.ts';

/**
 * The `k` values of the greatest weight, greatest first. Values of one weight are ordered by their
 * JSON text, so that the result does not depend on the order in which they came.
 * @throws CONFIG_INVALID unless `k` is a whole number from 1 to 1 000 000
 */
export function top<V>(
  k: number,
  weightOf: (value: V) => number,
): MergeableAggregate<V, readonly V[]> {
  checkSetting('top.k', k, wholeNumber(1, 1_000_000));
  checkSetting('top.weightOf', weightOf, aFunction);
  const byWeight = (a: V, b: V) => {
    const difference = weightOf(b) - weightOf(a);
    if (difference !== 0) return difference;
    const [left, right] = [JSON.stringify(a), JSON.stringify(b)];
    return left < right ? -1 : left > right ? 1 : 0;
  };
  const best = (values: readonly V[]) => [...values].sort(byWeight).slice(0, k);
  return {
    name: `top(${k})`,
    init: () => [],
    add: (known, value) => best([...known, value]),
    merge: (a, b) => best([...a, ...b]),
  };
}
