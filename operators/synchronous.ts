/** Types and checks against functions that return promises. */
import { refusePromise } from '../engine/base/promises.ts';
import type { Aggregate } from './aggregate-value.ts';
import { numberFormOf } from './aggregates/number-form.ts';

/** A property that promises lack, so that the compiler error names it. */
interface AnswersNoPromise {
  readonly 'a promise cannot be a value here: use asyncMap for what has to be awaited': never;
}

/**
 * The result type of a synchronous function: `T`, or an impossible type if `T` may be a promise. A
 * generic helper that passes a function on declares it as `fn: (value: V) => Synchronous<W>`.
 */
export type Synchronous<T> = T &
  (0 extends 1 & T
    ? unknown
    : [Extract<T, PromiseLike<unknown>>] extends [never]
      ? unknown
      : AnswersNoPromise);

/** The type of an ignored result: anything except a promise, which would not be awaited. */
export type Unawaited =
  | string
  | number
  | bigint
  | boolean
  | symbol
  | null
  | undefined
  // biome-ignore lint/suspicious/noConfusingVoidType: the result of a function without one
  | void
  | (object & { readonly then?: never });

/** Wraps an aggregate so that returning a promise is an error. */
export function synchronousAggregate<G extends Aggregate<never, unknown>>(aggregate: G): G {
  // Aggregates with a number form check each number.
  if (numberFormOf(aggregate) !== undefined) return aggregate;
  const inner: Aggregate<unknown, unknown> = aggregate as never;
  const checked = <A>(result: A, what: string): A => {
    if (typeof result === 'object') refusePromise(result, `${what} of an aggregate`);
    return result;
  };
  const { name, ordered, merge, subtract } = inner;
  // Field by field: a spread would lose the methods of a class instance.
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
