import type { MergeableAggregate, SubtractableAggregate } from '../aggregate-value.ts';

/** Number of records. */
export function count<V>(): MergeableAggregate<V, number> & SubtractableAggregate<V, number> {
  return {
    name: 'count',
    init: () => 0,
    add: (n) => n + 1,
    merge: (a, b) => a + b,
    subtract: (n) => n - 1,
  };
}
