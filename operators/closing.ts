/**
 * Closing of windows, for every window family: when stream time passes, the due index lists the
 * keys with windows to close. The closed windows are removed from each key and forwarded in the
 * order of window start (sessions: end, then start), then key (SEMANTICS B.2).
 */
import { isFatal } from '../engine/base/assert.ts';
import type { BuildContext } from '../engine/graph/processor.ts';
import type { Cells, KeyedBy } from '../engine/graph/store-spec.ts';
import { releaseDue, visitDue } from './kit/release.ts';

export interface Closed<A> {
  readonly start: number;
  readonly end: number;
  readonly value: A;
  /** Timestamp of the result, ms UTC. */
  readonly timestamp: number;
}

/**
 * Placeholder for the value of a closed window that the aggregate failed to compute. The error is
 * thrown when the window is forwarded: it is a failure of this window only, which stays closed, and
 * becomes one dead letter.
 */
export class FailedResult {
  readonly error: unknown;

  /** Rethrows an error that is not of the aggregate. */
  constructor(error: unknown) {
    if (isFatal(error)) throw error;
    this.error = error;
  }
}

/** Order of windows of equal length: by start. */
export function byStart(a: Closed<unknown>, b: Closed<unknown>): number {
  return a.start - b.start;
}

/**
 * Closes what is due at `streamTime`.
 * @param take removes the closed windows from the current key's cell and stores the rest
 * @param order order of windows that close together, before the order of the keys
 * @param emit receives them in order, with their key as current key; absent: they are only dropped
 */
export function closeDue<A>(
  context: BuildContext,
  spec: KeyedBy<unknown>,
  cells: Cells<unknown>,
  streamTime: number,
  take: () => readonly Closed<A>[],
  order: (a: Closed<A>, b: Closed<A>) => number,
  emit: ((key: unknown, closed: Closed<A>) => void) | undefined,
): void {
  const { task } = context;
  if (emit === undefined) visitDue(task, cells, streamTime, take);
  else releaseDue(task, spec, cells, streamTime, { take, compare: order, forward: emit });
}
