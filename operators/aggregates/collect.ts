import type { MergeableAggregate } from '../aggregate-value.ts';

/** All values, in order of arrival. The result grows with the records, so bound its input. */
export function collect<V>(): MergeableAggregate<V, readonly V[]> {
  return {
    name: 'collect',
    init: () => [],
    add: (values, value) => [...values, value],
    merge: (a, b) => [...a, ...b],
    ordered: true,
  };
}
