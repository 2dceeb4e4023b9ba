/**
 * Assertions for bugs of Millrace. They stay on in production, because a wrong result is worse than
 * a stop. A message may be a closure, so that the hot path builds no string.
 */

/**
 * Errors that end the run wherever they are thrown; recognised by identity, because user code can
 * copy any name.
 */
const fatal = new WeakSet<object>();

/** Marks an error as fatal: it ends the run, whatever the error policy. */
export function fatalError<E extends Error>(error: E): E {
  fatal.add(error);
  return error;
}

/**
 * True for an error that ends the run: a broken invariant of the engine, or an error marked as
 * fatal. Any other error of user code belongs to a record.
 */
export function isFatal(error: unknown): boolean {
  return fatal.has(error as object);
}

/** Thrown for a bug of Millrace; never for bad input (see errors.ts) or a bad record. */
export class AssertionError extends Error {
  override readonly name = 'AssertionError';

  constructor(message: string) {
    super(message);
    fatal.add(this);
  }
}

export function assert(condition: boolean, message: string | (() => string)): asserts condition {
  if (!condition) {
    throw new AssertionError(typeof message === 'string' ? message : message());
  }
}

/** Returns the value; fails an assertion if it is null or undefined. */
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
