import { aFunction, checkSetting } from '../../engine/base/settings.ts';
import type { MergeableAggregate, SubtractableAggregate } from '../aggregate-value.ts';
import { combinedAs } from './combined.ts';
import { count } from './count.ts';
import { sum } from './sum.ts';

export interface Average {
  readonly total: number;
  readonly count: number;
}

/** Total and count of a number taken from each record; divide them when you read the average. */
export function average<V>(
  of: (value: V) => number,
): MergeableAggregate<V, Average> & SubtractableAggregate<V, Average> {
  checkSetting('average.of', of, aFunction);
  return combinedAs('average', { total: sum(of), count: count<V>() }) as ReturnType<
    typeof average<V>
  >;
}
