/**
 * Reads the partitions of a process in order of time: none may be further ahead of the slowest one
 * with records than the drift. Otherwise records of fast partitions would wait for slow ones in
 * windows and joins downstream. So a replay with one slow partition keeps little state.
 */
import { days } from '../base/duration.ts';
import type { RunningTask } from './task-opener.ts';

const dayMs = days(1);
const all = Number.POSITIVE_INFINITY;

/** By default, only partitions that downstream tasks wait for are aligned. */
function driftOf({ planned }: RunningTask, maxDriftMs: number | undefined): number {
  return maxDriftMs ?? (planned.time.tells.length > 0 ? dayMs : all);
}

/** The time up to which each task may read its sources, ms UTC. */
export function alignedTo(
  tasks: readonly RunningTask[],
  maxDriftMs: number | undefined,
): (task: RunningTask) => number {
  let slowest = all;
  for (const task of tasks) {
    if (driftOf(task, maxDriftMs) === all) continue;
    for (const { topic, at, next = at } of task.sourceTimes) {
      if (task.silent.has(topic) || task.undecided.has(topic)) continue;
      // The time of an unread partition is unknown.
      if (Number.isFinite(next) && next < slowest) slowest = next;
    }
  }
  return (task) => slowest + driftOf(task, maxDriftMs);
}

/** True if the next record of every source of the task is later than it may read. */
export function isHeldBack({ sourceTimes, positions }: RunningTask, readTo: number): boolean {
  if (sourceTimes.length < positions.size) return false;
  return sourceTimes.length > 0 && sourceTimes.every(({ next = -all }) => next > readTo);
}
