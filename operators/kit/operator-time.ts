/** The time of a step: by which it judges what is late, and what is due. */
import type { TaskContext } from '../../engine/graph/processor.ts';
import { type Cells, streamTimeNumber } from '../../engine/graph/store-spec.ts';

/**
 * Time of an operator. Where the task goes by its records it is the greatest timestamp the operator
 * has seen, kept with its state, so that it survives a restart (B.6). Where the task goes by its
 * sources it is how far the watermark has passed the operator, and a record is judged by how far
 * its own source partition stood.
 */
export class OperatorTime {
  readonly #cells: Cells<unknown>;
  readonly #task: Pick<TaskContext, 'stand' | 'passedTime'>;
  readonly bySource: boolean;
  #passed = Number.NEGATIVE_INFINITY;

  /** @param bySource false for a step that goes by its records wherever it is */
  constructor(cells: Cells<unknown>, task: TaskContext, bySource = task.bySource) {
    this.#cells = cells;
    this.#task = task;
    this.bySource = bySource;
  }

  /** What is due by then is done, ms UTC. */
  get now(): number {
    const kept = this.#cells.number(streamTimeNumber) ?? Number.NEGATIVE_INFINITY;
    return this.bySource ? Math.max(kept, this.#passed, this.#task.passedTime) : kept;
  }

  /** Takes in a record's timestamp; answers the time by which its lateness is judged. */
  advance(timestamp: number): number {
    const now = this.now;
    if (this.bySource) return Math.max(this.#task.stand, now);
    if (timestamp <= now) return now;
    this.#cells.setNumber(streamTimeNumber, timestamp);
    return timestamp;
  }

  /** Time has passed without the operator's own records; answers its time. */
  pass(until: number): number {
    if (!this.bySource) return this.advance(until);
    if (until > this.#passed) this.#passed = until;
    return this.now;
  }

  /** Something falls due: the time is kept with what becomes of it. */
  keep(): void {
    if (this.bySource) this.#cells.setNumber(streamTimeNumber, this.now);
  }
}
