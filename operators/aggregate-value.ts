/**
 * Aggregates as values. An operator requires only the functions that it needs: `init` and `add`
 * fold records; `merge` combines two accumulators (sessions need it; hopping windows with it run on
 * slices); `subtract` removes a record.
 *
 * Laws. `add`, `merge` and `subtract` return a new accumulator; `init()` is neutral for `merge`;
 * `merge` is associative, and unless `ordered` is set, the order of records and accumulators does
 * not matter.
 */

import { aFunction, anObject, checkSetting, optional } from '../engine/base/settings.ts';
import { numberFormOf } from './aggregates/number-form.ts';
import { present } from './present.ts';

export interface Aggregate<in V, A> {
  /** Part of the topology's fingerprint. */
  readonly name?: string;
  init(): A;
  /** @param timestamp of the record, ms UTC */
  add(accumulator: A, value: V, timestamp: number): A;
  merge?(left: A, right: A): A;
  subtract?(accumulator: A, value: V): A;
  /**
   * True if the result depends on the order of arrival; hopping windows are then stored
   * individually.
   */
  readonly ordered?: boolean;
}

/** An aggregate for groups of a table: rows that leave a group are subtracted. */
export interface SubtractableAggregate<in V, A> extends Aggregate<V, A> {
  subtract(accumulator: A, value: V): A;
}

/** An aggregate for session windows. */
export interface MergeableAggregate<in V, A> extends Aggregate<V, A> {
  merge(left: A, right: A): A;
}

/**
 * The aggregate as windows use it: a null result is not an accumulator, so the next record starts
 * from `init` and a merge takes the other side. An aggregate with a number form never returns null.
 */
export function withoutNulls<V, A>(aggregate: Aggregate<V, A>): Aggregate<V, A> {
  if (numberFormOf(aggregate) !== undefined) return aggregate;
  const { merge } = aggregate;
  return {
    ...aggregate,
    init: () => aggregate.init(),
    add: (accumulator, value, timestamp) =>
      (aggregate.add(accumulator ?? aggregate.init(), value, timestamp) ?? null) as A,
    ...(merge === undefined
      ? {}
      : {
          merge: (left, right) => {
            if (!present(left)) return right;
            return present(right) ? ((merge.call(aggregate, left, right) ?? null) as A) : left;
          },
        }),
  };
}

/**
 * @param step name of its step, for messages
 * @throws CONFIG_INVALID for an invalid aggregate
 */
export function checkAggregate<V, A>(
  step: string,
  aggregate: Aggregate<V, A>,
  subtracts: 'subtracts' | undefined = undefined,
): void {
  checkSetting(`${step}.aggregate`, aggregate, anObject);
  const { init, add, merge, subtract } = aggregate;
  checkSetting(`${step}.aggregate.init`, init, aFunction);
  checkSetting(`${step}.aggregate.add`, add, aFunction);
  checkSetting(`${step}.aggregate.merge`, merge, optional(aFunction));
  const rule = subtracts === undefined ? optional(aFunction) : aFunction;
  checkSetting(`${step}.aggregate.subtract`, subtract, rule);
}
