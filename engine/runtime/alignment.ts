/**
 * Partitions of a process are read in the order of time: none further ahead of the slowest that has
 * records than the drift. What a fast partition brings waits for the slow ones in windows and joins
 * downstream; so a replay in which one is far behind keeps little state.
 */
import { days } from '../base/duration.ts';
import type { RunningTask } from './task-opener.ts';

const dayMs = days(1);
const all = Number.POSITIVE_INFINITY;

/** Where nothing is set, only those are aligned for whom someone downstream waits. */
function driftOf({ planned }: RunningTask, maxDriftMs: number | undefined): number {
  return maxDriftMs ?? (planned.time.tells.length > 0 ? dayMs : all);
}

/** Up to which time each task may read its sources, ms UTC. */
export function alignedTo(
  tasks: readonly RunningTask[],
  maxDriftMs: number | undefined,
): (task: RunningTask) => number {
  let slowest = all;
  for (const task of tasks) {
    if (driftOf(task, maxDriftMs) === all) continue;
    for (const { topic, at, next = at } of task.sourceTimes) {
      if (task.silent.has(topic) || task.undecided.has(topic)) continue;
      // Of a partition that was not read yet nothing is known.
      if (Number.isFinite(next) && next < slowest) slowest = next;
    }
  }
  return (task) => slowest + driftOf(task, maxDriftMs);
}

/** Every source of the task has a record next that is later than it may read. */
export function isHeldBack({ sourceTimes, positions }: RunningTask, readTo: number): boolean {
  if (sourceTimes.length < positions.size) return false;
  return sourceTimes.length > 0 && sourceTimes.every(({ next = -all }) => next > readTo);
}
