/** Aggregates whose functions answer no promises. */
import { refusePromise } from '../engine/base/promises.ts';
import type { Aggregate } from './aggregate-value.ts';
import { numberFormOf } from './aggregates/number-form.ts';

/** What a promise lacks, so that the compiler names it where one is answered. */
interface AnswersNoPromise {
  readonly 'a promise cannot be a value here: use asyncMap for what has to be awaited': never;
}

/**
 * The type of what a synchronous function answers: `T`, or a type that nothing has where `T` may be
 * a promise. A generic helper that passes a function on declares it the same: `fn: (value: V) =>
 * Synchronous<W>`.
 */
export type Synchronous<T> = T &
  (0 extends 1 & T
    ? unknown
    : [Extract<T, PromiseLike<unknown>>] extends [never]
      ? unknown
      : AnswersNoPromise);

/**
 * The type of an answer that is not looked at: anything but a promise, which nobody would wait for.
 */
export type Unawaited =
  | string
  | number
  | bigint
  | boolean
  | symbol
  | null
  | undefined
  // biome-ignore lint/suspicious/noConfusingVoidType: the answer of a function without one
  | void
  | (object & { readonly then?: never });

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
