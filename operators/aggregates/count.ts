import type { MergeableAggregate, SubtractableAggregate } from '../aggregate-value.ts';
import { addTotal, type NumberForm, numberAt, withNumberForm } from './number-form.ts';

/** The number of records. */
export function count<V>(): MergeableAggregate<V, number> & SubtractableAggregate<V, number> {
  const aggregate = {
    name: 'count',
    init: () => 0,
    add: (n: number) => n + 1,
    merge: (a: number, b: number) => a + b,
    subtract: (n: number) => n - 1,
  };
  const form: NumberForm<V, number> = {
    width: 1,
    begin: (to, at) => {
      to[at] = 1;
    },
    add: (to, at) => {
      to[at] = numberAt(to, at) + 1;
    },
    merge: addTotal,
    result: numberAt,
  };
  return withNumberForm(aggregate, form);
}
