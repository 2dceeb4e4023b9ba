import { aFunction, checkSetting } from '../../engine/base/settings.ts';
import type { MergeableAggregate, SubtractableAggregate } from '../aggregate-value.ts';
import { addTotal, finite, type NumberForm, numberAt, withNumberForm } from './number-form.ts';

/**
 * Sum of a number taken from each record; exact as long as it is a safe integer. A record without a
 * finite number is refused.
 */
export function sum<V>(
  of: (value: V) => number,
): MergeableAggregate<V, number> & SubtractableAggregate<V, number> {
  checkSetting('sum.of', of, aFunction);
  const numberOf = (value: V) => finite(of(value), 'sum');
  const aggregate = {
    name: 'sum',
    init: () => 0,
    add: (total: number, value: V) => total + numberOf(value),
    merge: (a: number, b: number) => a + b,
    subtract: (total: number, value: V) => total - numberOf(value),
  };
  const form: NumberForm<V, number> = {
    width: 1,
    begin: (to, at, value) => {
      to[at] = numberOf(value);
    },
    add: (to, at, value) => {
      to[at] = numberAt(to, at) + numberOf(value);
    },
    merge: addTotal,
    result: numberAt,
  };
  return withNumberForm(aggregate, form);
}
