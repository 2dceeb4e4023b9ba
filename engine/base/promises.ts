/**
 * Promises where there must be none. Steps are synchronous: what a promise comes to would be missed
 * by the commit. Only asyncMap and lookup wait.
 */
import { types } from 'node:util';

/** True of anything that can be awaited; it is not called. Never throws. */
export function isThenable(value: unknown): value is PromiseLike<unknown> {
  if ((typeof value !== 'object' && typeof value !== 'function') || value === null) return false;
  try {
    return typeof (value as { readonly then?: unknown }).then === 'function';
  } catch {
    return false;
  }
}

/** So that its rejection, which nobody waits for, does not end the process. */
export function ignoreRejection(value: unknown): void {
  if (types.isPromise(value)) Promise.prototype.then.call(value, undefined, () => {});
}

/**
 * Throws TypeError when the result of a function that must be synchronous is a promise.
 * @param what names the function, such as "map's function"
 */
export function refusePromise(result: unknown, what: string): void {
  if (typeof result !== 'object' || result === null || !isThenable(result)) return;
  ignoreRejection(result);
  throw new TypeError(
    `${what} answered a promise: it must be synchronous; use asyncMap for what has to be awaited`,
  );
}

type Fn = (a: never, b: never, c: never, d: never) => unknown;

/**
 * The function, for which a promise as its result is an error. It passes on four arguments at most.
 * What is no function is left to others.
 */
export function synchronous<F extends Fn>(fn: F, what: string): F {
  if (typeof fn !== 'function') return fn;
  // Named one by one: a list of arguments costs as much as a small function itself.
  return ((a: never, b: never, c: never, d: never) => {
    const result = fn(a, b, c, d);
    if (typeof result === 'object') refusePromise(result, what);
    return result;
  }) as F;
}
