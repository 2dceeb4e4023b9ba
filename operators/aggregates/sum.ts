import type { MergeableAggregate, SubtractableAggregate } from '../aggregate-value.ts';

/** Sum of a number taken from each record; exact as long as it is a safe integer. */
export function sum<V>(
  of: (value: V) => number,
): MergeableAggregate<V, number> & SubtractableAggregate<V, number> {
  return {
    name: 'sum',
    init: () => 0,
    add: (total, value) => total + of(value),
    merge: (a, b) => a + b,
    subtract: (total, value) => total - of(value),
  };
}
