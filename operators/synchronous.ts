/** Aggregates whose functions answer no promises. */
import { refusePromise } from '../engine/base/promises.ts';
import type { Aggregate } from './aggregate-value.ts';
import { numberFormOf } from './aggregates/number-form.ts';

/** The aggregate, for which a promise in place of an accumulator is an error. */
export function synchronousAggregate<G extends Aggregate<never, unknown>>(aggregate: G): G {
  // Of those made of numbers each number is looked at.
  if (numberFormOf(aggregate) !== undefined) return aggregate;
  const inner: Aggregate<unknown, unknown> = aggregate as never;
  const checked = <A>(result: A, what: string): A => {
    if (typeof result === 'object') refusePromise(result, `${what} of an aggregate`);
    return result;
  };
  const { name, ordered, merge, subtract } = inner;
  // Field by field: it may be an instance, of which little would be spread.
  return {
    ...(name === undefined ? {} : { name }),
    ...(ordered === undefined ? {} : { ordered }),
    init: () => checked(inner.init(), 'init'),
    add: (accumulator: unknown, value: unknown, timestamp: number) =>
      checked(inner.add(accumulator, value, timestamp), 'add'),
    ...(merge === undefined
      ? {}
      : { merge: (a: unknown, b: unknown) => checked(merge.call(inner, a, b), 'merge') }),
    ...(subtract === undefined
      ? {}
      : {
          subtract: (a: unknown, value: unknown) =>
            checked(subtract.call(inner, a, value), 'subtract'),
        }),
  } as Aggregate<never, unknown> as G;
}
