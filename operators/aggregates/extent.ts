import { refusePromise } from '../../engine/base/promises.ts';
import { aFunction, checkSetting } from '../../engine/base/settings.ts';
import type { MergeableAggregate } from '../aggregate-value.ts';
import { type NumberForm, numberAt, withNumberForm } from './number-form.ts';

/** The smallest number taken from the records; NaN is skipped. null before the first. */
export function min<V>(of: (value: V) => number): MergeableAggregate<V, number | null> {
  return extreme('min', of, Math.min);
}

/** The greatest number taken from the records; NaN is skipped. null before the first. */
export function max<V>(of: (value: V) => number): MergeableAggregate<V, number | null> {
  return extreme('max', of, Math.max);
}

function extreme<V>(
  name: string,
  of: (value: V) => number,
  better: (a: number, b: number) => number,
): MergeableAggregate<V, number | null> {
  checkSetting(`${name}.of`, of, aFunction);
  // NaN means no number yet.
  const join = (a: number, b: number) => (Number.isNaN(a) ? b : Number.isNaN(b) ? a : better(a, b));
  // At run time it may be anything, whatever the types say.
  const known = (a: number | null) => {
    if (typeof a === 'object') refusePromise(a, `${name}'s function`);
    return typeof a === 'number' ? a : Number.NaN;
  };
  const shown = (a: number) => (Number.isNaN(a) ? null : a);
  const aggregate: MergeableAggregate<V, number | null> = {
    name,
    init: () => null,
    add: (a, value) => shown(join(known(a), known(of(value)))),
    merge: (a, b) => shown(join(known(a), known(b))),
  };
  const form: NumberForm<V, number | null> = {
    width: 1,
    begin: (to, at, value) => {
      to[at] = known(of(value));
    },
    add: (to, at, value) => {
      to[at] = join(numberAt(to, at), known(of(value)));
    },
    merge: (left, at, right, rightAt) => {
      left[at] = join(numberAt(left, at), numberAt(right, rightAt));
    },
    result: (found, at) => shown(numberAt(found, at)),
  };
  return withNumberForm(aggregate, form);
}
