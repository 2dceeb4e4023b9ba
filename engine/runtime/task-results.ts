/** What a cycle's results say of the tasks that brought them. */
import type { TaskResult } from '../task/task-host.ts';
import type { CycleWork } from './committer.ts';
import type { RunningTask } from './task-opener.ts';

/** Something must be committed. */
export function hasChanges({ result }: CycleWork['results'][number]): boolean {
  return result.outputs.length + result.changelogs.length + result.promises.length > 0;
}

/** Where the task's sources go on, and how far its time is. */
export function notePositions(task: RunningTask, result: TaskResult): void {
  const { positions, sourceTimes, watermark } = result;
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
    if (offset < task.givenTo) task.leaves = true;
  }
}
