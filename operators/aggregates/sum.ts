import type { MergeableAggregate, SubtractableAggregate } from '../aggregate-value.ts';
import { addTotal, type NumberForm, numberAt, withNumberForm } from './number-form.ts';

/** Sum of a number taken from each record; exact as long as it is a safe integer. */
export function sum<V>(
  of: (value: V) => number,
): MergeableAggregate<V, number> & SubtractableAggregate<V, number> {
  const aggregate = {
    name: 'sum',
    init: () => 0,
    add: (total: number, value: V) => total + of(value),
    merge: (a: number, b: number) => a + b,
    subtract: (total: number, value: V) => total - of(value),
  };
  const form: NumberForm<V, number> = {
    width: 1,
    begin: (to, at, value) => {
      to[at] = of(value);
    },
    add: (to, at, value) => {
      to[at] = numberAt(to, at) + of(value);
    },
    merge: addTotal,
    result: numberAt,
  };
  return withNumberForm(aggregate, form);
}
