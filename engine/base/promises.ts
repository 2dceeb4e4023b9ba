/**
 * Detects promises where they are not allowed. Steps are synchronous: the commit would not wait for
 * a promise. Only asyncMap and lookup wait.
 */
import { types } from 'node:util';

/** True for anything that can be awaited; does not call it. Never throws. */
export function isThenable(value: unknown): value is PromiseLike<unknown> {
  if ((typeof value !== 'object' && typeof value !== 'function') || value === null) return false;
  try {
    return typeof (value as { readonly then?: unknown }).then === 'function';
  } catch {
    return false;
  }
}

/** Prevents the rejection of an unawaited promise from ending the process. */
export function ignoreRejection(value: unknown): void {
  if (types.isPromise(value)) Promise.prototype.then.call(value, undefined, () => {});
}

/**
 * Refuses a promise as the result of a function that must be synchronous.
 * @throws TypeError if it is a promise
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
 * Wraps a function so that returning a promise is an error. It passes at most four arguments. A
 * value that is not a function is returned unchanged.
 */
export function synchronous<F extends Fn>(fn: F, what: string): F {
  if (typeof fn !== 'function') return fn;
  // Named one by one: rest arguments cost as much as a small function.
  return ((a: never, b: never, c: never, d: never) => {
    const result = fn(a, b, c, d);
    if (typeof result === 'object') refusePromise(result, what);
    return result;
  }) as F;
}
