/**
 * Closing of windows, for every family alike: when stream time passes, the due index names the keys
 * that have something to close; each key gives up what is closed; all of it goes on ordered by
 * window start (sessions: by end, then start), then key (SEMANTICS B.2).
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
 * Stands for the value of a closed window that the aggregate could not make. The error is thrown
 * when it is the window's turn to go on: it is the failure of this window alone, which is closed
 * all the same, and one dead letter tells it.
 */
export class FailedResult {
  readonly error: unknown;

  /** Throws again what is no failure of the aggregate's. */
  constructor(error: unknown) {
    if (isFatal(error)) throw error;
    this.error = error;
  }
}

/** Windows of one length: by start. */
export function byStart(a: Closed<unknown>, b: Closed<unknown>): number {
  return a.start - b.start;
}

/**
 * Closes what is due at `streamTime`.
 * @param take takes the closed windows out of the current key's cell and stores what is left
 * @param order of what closes together, before the order of the keys
 * @param emit receives them in order, the key being current; absent = they are only forgotten
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
