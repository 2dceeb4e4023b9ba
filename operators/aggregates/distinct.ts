import type { MergeableAggregate } from '../aggregate-value.ts';

/** The distinct texts taken from the records, sorted; exact, so bounded by what is distinct. */
export function distinct<V>(of: (value: V) => string): MergeableAggregate<V, readonly string[]> {
  const union = (a: readonly string[], b: readonly string[]) => [...new Set([...a, ...b])].sort();
  return {
    name: 'distinct',
    init: () => [],
    add: (seen, value) => (seen.includes(of(value)) ? seen : union(seen, [of(value)])),
    merge: union,
  };
}
