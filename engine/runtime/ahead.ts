/**
 * Work of cycle n + 1 that is already running: a task that has finished cycle n starts n + 1
 * without waiting for slower tasks. The work stays part of cycle n + 1, because it has that cycle's
 * commit id.
 */
import type { CommitId } from '../base/commit-id.ts';
import type { TaskResult, TaskWork } from '../task/host-port.ts';
import type { RunningTask } from './task-opener.ts';

/** A task's work in a cycle. */
export interface GivenWork {
  readonly task: RunningTask;
  readonly work: TaskWork;
  /** True if more records wait for the task than a cycle may leave. */
  readonly isBacklog: boolean;
  /** The coming result; undefined if the task has not started yet. */
  readonly result?: Promise<TaskResult>;
}

export class Ahead {
  #given: GivenWork[] = [];

  get given(): readonly GivenWork[] {
    return this.#given;
  }

  /** The cycle of the work; undefined if there is none. */
  get commitId(): CommitId | undefined {
    return this.#given[0]?.work.commitId;
  }

  /** Starts a task's work; an error surfaces when the cycle uses the result. */
  begin(given: Omit<GivenWork, 'result'>): void {
    const result = given.task.host.process(given.work);
    result.catch(() => {});
    this.#given.push({ ...given, result });
  }

  /** Returns the work to its cycle. */
  take(): readonly GivenWork[] {
    const given = this.#given;
    this.#given = [];
    return given;
  }

  /** Waits until the work ends, and discards it. */
  async forget(): Promise<void> {
    await Promise.allSettled(this.take().map(({ result }) => result));
  }
}
