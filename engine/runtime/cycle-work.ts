/** The work of a cycle, on its way to the commit. */
import type { GroupOffset } from '../log/log.ts';
import type { TaskResult } from '../task/host-port.ts';
import type { Taken } from './source-intake.ts';
import type { StageClock } from './stages.ts';
import type { RunningTask } from './task-opener.ts';

export interface CycleWork {
  /**
   * Of the cycle from its work to its commit: tasks that open meanwhile may bring a greater one.
   */
  readonly commitId: number;
  readonly chunks: readonly Taken[];
  readonly results: readonly { readonly task: RunningTask; readonly result: TaskResult }[];
  /** How far the global tables are that it was done with. */
  readonly globalOffsets: readonly GroupOffset[];
  /** Stands at the end of the work. */
  readonly stages: StageClock;
}

/** Waits for all, also after a failure, so that none goes on behind the caller's back. */
export async function allDone<T>(promises: readonly Promise<T>[]): Promise<T[]> {
  await Promise.allSettled(promises);
  return Promise.all(promises);
}
