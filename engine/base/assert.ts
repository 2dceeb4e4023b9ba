/**
 * Assertions for our own mistakes. They stay on in production: a wrong result is worse than a stop.
 * A message may be a closure, so that the hot path builds no string.
 */

/**
 * Errors that end the run wherever they are thrown: known by identity, as any name can be taken.
 */
const fatal = new WeakSet<object>();

/** Marks an error that no error policy may take for a record's: it ends the run. */
export function fatalError<E extends Error>(error: E): E {
  fatal.add(error);
  return error;
}

/**
 * True for what ends the run: an invariant of the engine, or an error that it marked. All else that
 * user code throws, rejects with or answers by mistake is the error of a record.
 */
export function isFatal(error: unknown): boolean {
  return fatal.has(error as object);
}

/** Thrown when Millrace itself is wrong; never for bad input (see errors.ts) or a bad record. */
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
