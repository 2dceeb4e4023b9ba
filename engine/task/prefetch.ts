/** Loads what the next round of a task will need of its state. */
import type { TaskState } from '../state/task-state.ts';
import type { SourceQueue } from './source-queue.ts';

export interface Round {
  readonly queues: readonly SourceQueue[];
  readonly state: TaskState;
  readonly isStateful: boolean;
  /** How far time may go by what is at hand; undefined: by the records alone. */
  readonly ahead: (() => number) | undefined;
}

/** Begins the queues' next batches, and loads their keys and what may become due. */
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
