/** The work of a cycle, on its way to the commit. */
import type { CommitId } from '../base/commit-id.ts';
import type { GroupOffset } from '../log/log.ts';
import type { TaskResult } from '../task/host-port.ts';
import type { Taken } from './source-intake.ts';
import type { StageClock } from './stages.ts';
import type { RunningTask } from './task-opener.ts';

export interface CycleWork {
  /**
   * Commit id of the cycle, from its work to its commit; tasks that open meanwhile may have a
   * greater one.
   */
  readonly commitId: CommitId;
  readonly chunks: readonly Taken[];
  readonly results: readonly { readonly task: RunningTask; readonly result: TaskResult }[];
  /** Positions of the global tables that the work used. */
  readonly globalOffsets: readonly GroupOffset[];
  /** The stage clock, at the end of the work. */
  readonly stages: StageClock;
}

/** Waits for all promises, also after a failure, so that none continues unnoticed. */
export async function allDone<T>(promises: readonly Promise<T>[]): Promise<T[]> {
  await Promise.allSettled(promises);
  return Promise.all(promises);
}
