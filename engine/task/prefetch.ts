/** Loads the state that the next round of a task needs. */
import type { TaskState } from '../state/task-state.ts';
import type { SourceQueue } from './source-queue.ts';

export interface Round {
  readonly queues: readonly SourceQueue[];
  readonly state: TaskState;
  readonly isStateful: boolean;
  /** How far time may advance in the round; undefined: by the records only. */
  readonly ahead: (() => number) | undefined;
}

/**
 * Begins the queues' next batches, and loads the cells of their keys and of keys that may become
 * due.
 */
export async function prefetchRound({ queues, state, isStateful, ahead }: Round): Promise<void> {
  const keyTexts: string[] = [];
  let until = Number.NEGATIVE_INFINITY;
  for (const queue of queues) {
    queue.refill();
    if (isStateful) until = Math.max(until, queue.collect(state, keyTexts));
  }
  if (ahead !== undefined && isStateful) {
    until = ahead();
    await state.prefetch(keyTexts, until, until);
  } else if (keyTexts.length > 0 || until !== Number.NEGATIVE_INFINITY) {
    await state.prefetch(keyTexts, until);
  }
}
