/**
 * Aggregates as values. Name the algebra and ask for no more than the operator needs: `init` and
 * `add` fold records; `merge` joins two accumulators (sessions need it, hopping windows then run on
 * slices); `subtract` takes a record back.
 *
 * Laws. `add`, `merge` and `subtract` answer a new accumulator; `init()` is neutral for `merge`;
 * `merge` is associative, and unless `ordered` is set it does not matter in which order records and
 * accumulators come.
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
  /** The result depends on the order of arrival; hopping windows are then kept one by one. */
  readonly ordered?: boolean;
}

/** An aggregate that a table's groups can use: what leaves a group is taken back. */
export interface SubtractableAggregate<in V, A> extends Aggregate<V, A> {
  subtract(accumulator: A, value: V): A;
}

/** An aggregate that a session window can use. */
export interface MergeableAggregate<in V, A> extends Aggregate<V, A> {
  merge(left: A, right: A): A;
}

/**
 * The aggregate as windows fold with it, which keep what it answers: null is no accumulator, so a
 * record begins anew and a merge takes the other side. One whose accumulators are numbers never
 * answers null.
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
 * @param step that folds with it, for messages
 * @throws CONFIG_INVALID for what cannot fold
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
