/** Chooses the source whose record a task processes next. */
import type { ReadLimits } from './read-limits.ts';
import type { SourceQueue } from './source-queue.ts';

/**
 * Returns the queue with the smallest head timestamp; undefined if the task must wait for a queue,
 * or all are empty.
 */
export function nextQueue(
  queues: readonly SourceQueue[],
  limits: ReadLimits,
): SourceQueue | undefined {
  if (limits.stops) return undefined;
  let next: SourceQueue | undefined;
  let wantsMore = false;
  for (const queue of queues) {
    if (!queue.hasNext) {
      if (!queue.caughtUp || queue.wantsRefill) return undefined;
      continue;
    }
    if (!queue.isRepartition) {
      const verdict = queue.verdict(limits.wall, limits.isFinal);
      if (verdict === 'more') {
        limits.wants.add(queue.topic);
        wantsMore = true;
        continue;
      }
      if (verdict === 'wait') {
        limits.undecided.add(queue.topic);
        continue;
      }
      if (queue.headTime > limits.readTo) {
        limits.waiting.add(queue.topic);
        continue;
      }
      queue.isRefused = verdict === 'refuse';
    }
    if (next === undefined || queue.headTime < next.headTime) next = queue;
  }
  return wantsMore ? undefined : next;
}
