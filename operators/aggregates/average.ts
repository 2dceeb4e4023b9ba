import type { MergeableAggregate, SubtractableAggregate } from '../aggregate-value.ts';

export interface Average {
  readonly total: number;
  readonly count: number;
}

/** Total and count of a number taken from each record; divide them where the average is read. */
export function average<V>(
  of: (value: V) => number,
): MergeableAggregate<V, Average> & SubtractableAggregate<V, Average> {
  return {
    name: 'average',
    init: () => ({ total: 0, count: 0 }),
    add: ({ total, count }, value) => ({ total: total + of(value), count: count + 1 }),
    merge: (a, b) => ({ total: a.total + b.total, count: a.count + b.count }),
    subtract: ({ total, count }, value) => ({ total: total - of(value), count: count - 1 }),
  };
}
