/** The tasks of this process, for those who ask about their rows while cycles run. */
import type { Topology } from '../graph/graph.ts';
import type { Member } from '../log/member.ts';
import type { RowAnswer, RowQuestion } from '../task/row-answers.ts';
import type { Assignment } from './assignment.ts';
import type { Committer } from './committer.ts';
import type { Plan } from './plan.ts';
import type { Runtime } from './runtime.ts';
import type { StateQuestions } from './state-questions.ts';

/** What they are read off. */
interface Parts {
  readonly running: Assignment;
  readonly committing: Committer;
  readonly joined: Member;
}

export class LocalTasks {
  readonly topology: Topology;
  readonly #questions: StateQuestions;
  readonly #runtime: Pick<Runtime, 'plan' | 'summary'>;
  readonly #parts: () => Parts;

  /** @param parts throws while the runtime is not started */
  constructor(
    topology: Topology,
    questions: StateQuestions,
    runtime: Pick<Runtime, 'plan' | 'summary'>,
    parts: () => Parts,
  ) {
    this.topology = topology;
    this.#questions = questions;
    this.#runtime = runtime;
    this.#parts = parts;
  }

  get plan(): Plan {
    return this.#runtime.plan;
  }

  /** Id of the last commit of this process; 0 before the first. */
  get commitId(): number {
    return this.#parts().committing.commitId;
  }

  /**
   * Event time of the task here that is furthest behind, ms UTC; where time is not kept by source the
   * greatest that was taken in. null before the first record.
   */
  get watermark(): number | null {
    const { tasks } = this.#parts().running;
    const times = tasks.map(({ watermark }) => watermark).filter(Number.isFinite);
    const time = times.length === 0 ? this.#runtime.summary.streamTime : Math.min(...times);
    return Number.isFinite(time) ? time : null;
  }

  /**
   * Rows of one task as they are committed; see TableQuestions for whole tables.
   * @throws STATE_AWAY while the task is not open here, STATE_MOVED when it is closed meanwhile
   */
  ask(taskId: string, question: RowQuestion): Promise<RowAnswer> {
    return this.#questions.ask(() => {
      const { running, committing } = this.#parts();
      return running.ask(taskId, { ...question, logged: committing.commitId });
    });
  }

  /** Whether a task is open here, or about to be. */
  holds(taskId: string): boolean {
    return this.#parts().running.has(taskId);
  }

  /** Other processes may hold tasks that this one does not. */
  get needsOthers(): boolean {
    return !this.#parts().joined.sole;
  }
}
