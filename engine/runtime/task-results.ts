/** Applies a cycle's results to the tasks that returned them. */
import type { Observer } from '../base/events.ts';
import type { TaskResult } from '../task/host-port.ts';
import type { CycleWork } from './cycle-work.ts';
import type { RunningTask } from './task-opener.ts';

/** True if there is something to commit. */
export function hasChanges({ result }: CycleWork['results'][number]): boolean {
  return result.outputs.length + result.changelogs.length + result.promises.length > 0;
}

/**
 * Notes the next positions of the task's sources, its time, and whether a record waits for a retry.
 * @param now on the monotonic clock, ms
 */
export function notePositions(task: RunningTask, result: TaskResult, now: number): void {
  const { positions, sourceTimes, watermark, retry } = result;
  if (retry === undefined) task.retryAt = undefined;
  else if (retry.afterMs !== undefined) task.retryAt = now + retry.afterMs;
  task.sourceTimes = sourceTimes;
  task.watermark = watermark;
  for (const { topic, offset, waitsTo, wants } of positions) {
    if (wants === true) task.wants.add(topic);
    else task.wants.delete(topic);
    // The task may not have been given the waiting records; then they still wait.
    if (waitsTo !== undefined) task.undecided.set(topic, waitsTo);
    else if (offset !== task.positions.get(topic)) task.undecided.delete(topic);
    task.positions.set(topic, offset);
    // The task stopped early because too much waited for the commit.
    if (offset < task.offeredUpTo) task.handsBack = true;
  }
}

/** Reports a record that failed and is tried again. */
export function tellRetry({ planned }: RunningTask, { retry }: TaskResult, to: Observer): void {
  if (retry?.afterMs === undefined) return;
  to.on('recordWaits', { task: planned.taskId, ...retry, afterMs: retry.afterMs });
}
