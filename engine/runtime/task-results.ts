/** What a cycle's results say of the tasks that brought them. */
import type { Observer } from '../base/events.ts';
import type { TaskResult } from '../task/host-port.ts';
import type { CycleWork } from './cycle-work.ts';
import type { RunningTask } from './task-opener.ts';

/** Something must be committed. */
export function hasChanges({ result }: CycleWork['results'][number]): boolean {
  return result.outputs.length + result.changelogs.length + result.promises.length > 0;
}

/**
 * Where the task's sources go on, how far its time is, and whether a record waits to be tried
 * again.
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
    // It may not have been given what waits: then that still does.
    if (waitsTo !== undefined) task.undecided.set(topic, waitsTo);
    else if (offset !== task.positions.get(topic)) task.undecided.delete(topic);
    task.positions.set(topic, offset);
    // Too much waited for the commit.
    if (offset < task.offeredUpTo) task.handsBack = true;
  }
}

/** Tells of a record that failed and is tried again. */
export function tellRetry({ planned }: RunningTask, { retry }: TaskResult, to: Observer): void {
  if (retry?.afterMs === undefined) return;
  to.on('recordWaits', { task: planned.taskId, ...retry, afterMs: retry.afterMs });
}
