/**
 * Work of the next cycle that tasks are at already: who is done with a cycle need not wait for the
 * others. It is done in that cycle, whatever else comes first, for it carries the cycle's commit
 * id.
 */
import type { TaskResult, TaskWork } from '../task/host-port.ts';
import type { RunningTask } from './task-opener.ts';

/** What a task is to do in a cycle. */
export interface GivenWork {
  readonly task: RunningTask;
  readonly work: TaskWork;
  /** It waits for more records than a cycle may leave waiting. */
  readonly isBacklog: boolean;
  /** What will come of it; undefined when the task does not know of it yet. */
  readonly result?: Promise<TaskResult>;
}

export class Ahead {
  #given: GivenWork[] = [];

  get given(): readonly GivenWork[] {
    return this.#given;
  }

  /** The cycle it belongs to; undefined when there is none. */
  get commitId(): number | undefined {
    return this.#given[0]?.work.commitId;
  }

  /** Has the task begin; what it fails of is met when the cycle comes. */
  begin(given: Omit<GivenWork, 'result'>): void {
    const result = given.task.host.process(given.work);
    result.catch(() => {});
    this.#given.push({ ...given, result });
  }

  /** Hands it over to its cycle. */
  take(): readonly GivenWork[] {
    const given = this.#given;
    this.#given = [];
    return given;
  }

  /** Forgets it, when nobody is at it any more. */
  async forget(): Promise<void> {
    await Promise.allSettled(this.take().map(({ result }) => result));
  }
}
