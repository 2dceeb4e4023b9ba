/** The tasks of this process, for those who ask about their rows while cycles run. */
import type { Topology } from '../graph/graph.ts';
import type { RowAnswer, RowQuestion } from '../task/row-answers.ts';
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
  get commitId(): number {
    return this.#session.committer.commitId;
  }

  /**
   * Event time of the task here that is furthest behind, ms UTC; where time is not kept by source
   * the greatest that was taken in. null before the first record.
   */
  get watermark(): number | null {
    const { tasks } = this.#session.assignment;
    const times = tasks.map(({ watermark }) => watermark).filter(Number.isFinite);
    const time = times.length === 0 ? this.#summary.streamTime : Math.min(...times);
    return Number.isFinite(time) ? time : null;
  }

  /**
   * Rows of one task as they are committed; see TableQuestions for whole tables.
   * @throws STATE_AWAY while the task is not open here, STATE_MOVED when it is closed meanwhile
   */
  ask(taskId: string, question: RowQuestion): Promise<RowAnswer> {
    return this.#questions.ask(() => {
      const { assignment, committer } = this.#session;
      return assignment.openTasks.ask(taskId, { ...question, logged: committer.commitId });
    });
  }

  /** Whether a task is open here, or about to be. */
  holds(taskId: string): boolean {
    return this.#session.assignment.openTasks.has(taskId);
  }

  /** Other processes may hold tasks that this one does not. */
  get needsOthers(): boolean {
    return !this.#session.member.sole;
  }
}
