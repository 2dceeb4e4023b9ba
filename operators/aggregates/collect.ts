import type { MergeableAggregate } from '../aggregate-value.ts';

/**
 * The values themselves, in the order of arrival. Grows with the records: bound what you collect.
 */
export function collect<V>(): MergeableAggregate<V, readonly V[]> {
  return {
    name: 'collect',
    init: () => [],
    add: (values, value) => [...values, value],
    merge: (a, b) => [...a, ...b],
    ordered: true,
  };
}
