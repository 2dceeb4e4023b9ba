/** The time of a step, for lateness and due work. */
import type { TaskContext } from '../../engine/graph/processor.ts';
import { type Cells, streamTimeNumber } from '../../engine/graph/store-spec.ts';

/**
 * Time of an operator. If the task follows its records, it is the greatest timestamp the operator
 * has seen, stored with its state so that it survives a restart (B.6). If the task follows its
 * sources, it is how far the watermark has passed the operator, and a record is judged by its
 * stand.
 */
export class OperatorTime {
  readonly #cells: Cells<unknown>;
  readonly #task: Pick<TaskContext, 'stand' | 'passedTime'>;
  readonly bySource: boolean;
  #passed = Number.NEGATIVE_INFINITY;

  /** @param bySource false for a step that always follows its records */
  constructor(cells: Cells<unknown>, task: TaskContext, bySource = task.bySource) {
    this.#cells = cells;
    this.#task = task;
    this.bySource = bySource;
  }

  /** Work due up to this time is done, ms UTC. */
  get now(): number {
    const kept = this.#cells.number(streamTimeNumber) ?? Number.NEGATIVE_INFINITY;
    return this.bySource ? Math.max(kept, this.#passed, this.#task.passedTime) : kept;
  }

  /** Advances time by a record's timestamp; returns the time for judging its lateness. */
  advance(timestamp: number): number {
    const now = this.now;
    if (this.bySource) return Math.max(this.#task.stand, now);
    if (timestamp <= now) return now;
    this.#cells.setNumber(streamTimeNumber, timestamp);
    return timestamp;
  }

  /** Advances time without records of the operator; returns its time. */
  pass(until: number): number {
    if (!this.bySource) return this.advance(until);
    if (until > this.#passed) this.#passed = until;
    return this.now;
  }

  /** Stores the time, together with the changes of due work. */
  keep(): void {
    if (this.bySource) this.#cells.setNumber(streamTimeNumber, this.now);
  }
}
