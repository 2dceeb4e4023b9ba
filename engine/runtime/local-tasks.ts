/** The tasks of this process, for queries of their rows while cycles run. */

import type { CommitId } from '../base/commit-id.ts';
import type { Topology } from '../graph/graph.ts';
import type { RowAnswer, RowQuestion } from '../task/row-answers.ts';
import { commitModelOf } from './commit-model.ts';
import type { Session } from './session.ts';
import type { Plan } from './start-plan.ts';
import type { StateQuestions } from './state-questions.ts';
import type { Summary } from './summary.ts';

export class LocalTasks {
  readonly topology: Topology;
  readonly #questions: StateQuestions;
  readonly #session: Session;
  readonly #summary: Summary;

  constructor(topology: Topology, questions: StateQuestions, session: Session, summary: Summary) {
    this.topology = topology;
    this.#questions = questions;
    this.#session = session;
    this.#summary = summary;
  }

  get plan(): Plan {
    return this.#session.plan;
  }

  /** Id of the last commit of this process; 0 before the first. */
  get commitId(): CommitId {
    return this.#session.committer.commitId;
  }

  /**
   * Event time of the slowest task here, ms UTC; if time does not follow sources, the greatest time
   * so far. null before the first record.
   */
  get watermark(): number | null {
    const { tasks } = this.#session.assignment;
    const times = tasks.map(({ watermark }) => watermark).filter(Number.isFinite);
    const time = times.length === 0 ? this.#summary.streamTime : Math.min(...times);
    return Number.isFinite(time) ? time : null;
  }

  /**
   * Committed rows of one task; see TableQuestions for whole tables.
   * @throws STATE_AWAY while the task is not open here, STATE_MOVED if it is closed meanwhile
   */
  ask(taskId: string, question: RowQuestion): Promise<RowAnswer> {
    return this.#questions.ask(() => {
      const { assignment, committer } = this.#session;
      return assignment.openTasks.ask(taskId, { ...question, logged: committer.commitId });
    });
  }

  /** True if a task is open here, or about to be. */
  holds(taskId: string): boolean {
    return this.#session.assignment.openTasks.has(taskId);
  }

  /** True if other processes may hold tasks. */
  get needsOthers(): boolean {
    return commitModelOf(this.#session.member).hasOthers;
  }
}
