import type { MergeableAggregate } from '../aggregate-value.ts';

/** The first value by order of arrival; null before it. */
export function first<V>(): MergeableAggregate<V, V | null> {
  return {
    name: 'first',
    init: () => null,
    add: (known, value) => known ?? value,
    merge: (a, b) => a ?? b,
    ordered: true,
  };
}

/** The last value by order of arrival; null before the first. */
export function last<V>(): MergeableAggregate<V, V | null> {
  return {
    name: 'last',
    init: () => null,
    add: (_, value) => value,
    merge: (a, b) => b ?? a,
    ordered: true,
  };
}
