import { aFunction, checkSetting } from '../../engine/base/settings.ts';
import type { MergeableAggregate } from '../aggregate-value.ts';

/** Folds the values, starting with the first one. For sessions, `fn` must be associative. */
export function reduce<V>(fn: (total: V, value: V) => V): MergeableAggregate<V, V> {
  checkSetting('reduce.fn', fn, aFunction);
  const join = (a: V | undefined, b: V): V => (a === undefined ? b : fn(a, b));
  return {
    name: 'reduce',
    init: () => undefined as V,
    add: join,
    merge: (a, b) => (b === undefined ? a : join(a, b)),
    ordered: true,
  };
}
