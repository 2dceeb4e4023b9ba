/**
 * Laws of the ports, for any test runner:
 *
 *   for (const { name, check } of logLaws({ open })) test(name, check);
 */
import assert from 'node:assert/strict';
import { isMillraceError } from '../base/errors.ts';

/** One law of a port. */
export interface Law {
  /** A sentence that states the law. */
  readonly name: string;
  /** Rejects with an AssertionError if the law is violated. */
  check(): Promise<void>;
}

/**
 * Rejects unless the promise rejects; with a code, unless it rejects with an error of Millrace with
 * this code.
 */
export async function mustReject(promise: Promise<unknown>, code?: string): Promise<unknown> {
  const error = await promise.then(
    () => undefined,
    (reason: unknown) => reason ?? 'a rejection without a reason',
  );
  assert.ok(error !== undefined, `it resolved, and should reject${code ? ` with ${code}` : ''}`);
  if (code !== undefined) {
    const found = isMillraceError(error) ? error.code : String(error);
    assert.equal(found, code);
  }
  return error;
}
