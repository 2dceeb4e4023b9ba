import { refusePromise } from '../../engine/base/promises.ts';
import { aFunction, checkSetting, shown } from '../../engine/base/settings.ts';
import type { MergeableAggregate } from '../aggregate-value.ts';

/**
 * The distinct strings taken from the records, sorted. Exact, so its size is the number of distinct
 * strings.
 */
export function distinct<V>(of: (value: V) => string): MergeableAggregate<V, readonly string[]> {
  checkSetting('distinct.of', of, aFunction);
  const union = (a: readonly string[], b: readonly string[]) => [...new Set([...a, ...b])].sort();
  return {
    name: 'distinct',
    init: () => [],
    add: (seen, value) => {
      const found: unknown = of(value);
      if (typeof found !== 'string') {
        refusePromise(found, "distinct's function");
        throw new TypeError(`distinct: expected a text from the record, got ${shown(found)}`);
      }
      return seen.includes(found) ? seen : union(seen, [found]);
    },
    merge: union,
  };
}
