/**
 * Assertions for our own mistakes. They stay on in production: a wrong result is worse than a stop.
 * A message may be a closure, so that the hot path builds no string.
 */

/** Thrown when Millrace itself is wrong; never for bad input (see errors.ts) or a bad record. */
export class AssertionError extends Error {
  override readonly name = 'AssertionError';
}

export function assert(condition: boolean, message: string | (() => string)): asserts condition {
  if (!condition) {
    throw new AssertionError(typeof message === 'string' ? message : message());
  }
}

/** The value, when it is there; an assertion failure when it is null or undefined. */
export function must<T>(value: T | null | undefined, message: string | (() => string)): T {
  if (value === null || value === undefined) {
    throw new AssertionError(typeof message === 'string' ? message : message());
  }
  return value;
}

/** Ends an exhaustive switch: compiles only when every case was handled. */
export function unreachable(value: never): never {
  throw new AssertionError(`unexpected value ${String(value)}`);
}
