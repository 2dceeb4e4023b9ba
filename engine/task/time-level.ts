/** The time of the steps of a task that wait for the same inputs; most tasks have one level. */
import type { TimeLevelPlan } from '../graph/time-levels.ts';
import { aside, unknown, Watermark } from '../time/watermark.ts';
import type { SourceQueue } from './source-queue.ts';

export class TimeLevel {
  /** How far time has passed for its steps, ms UTC; only in tasks that follow their sources. */
  passed = unknown;
  /** The instant to which its steps advance now, ms UTC. */
  until = unknown;
  /** How far time is known to have passed for all sources, ms UTC. */
  idleClock = unknown;
  /** The last promise to downstream tasks. */
  told: number;
  /** Its input has ended in this run; downstream tasks must be informed. */
  endTold = false;
  /** Its input has ended, but the input of another level has not. */
  isDone = false;
  readonly plan: TimeLevelPlan;
  readonly watermark: Watermark;
  readonly queues: readonly SourceQueue[];

  /** @param queues of the task */
  constructor(plan: TimeLevelPlan, queues: readonly SourceQueue[]) {
    this.plan = plan;
    this.queues = plan.inputs.map((i) => queues[i] as SourceQueue);
    this.watermark = new Watermark(
      this.queues.map(({ time }) => time),
      plan.delayMs,
    );
    this.watermark.advance();
    this.passed = this.watermark.now;
    this.told = this.watermark.promise;
  }

  /** The minimum promise of its inputs, ms UTC. */
  get promised(): number {
    return this.watermark.now + this.plan.delayMs;
  }

  /** The greatest watermark that the waiting records can lead to. */
  ahead(): number {
    let least = aside;
    for (const queue of this.queues) least = Math.min(least, queue.promiseAhead);
    return least === aside ? this.passed : least - this.plan.delayMs;
  }

  /** Returns the new promises to downstream tasks, ms UTC; NaN: its input has ended. */
  takePromises(): readonly number[] {
    const promises: number[] = [];
    const { promise } = this.watermark;
    if (promise !== this.told && promise !== unknown) {
      this.told = promise;
      promises.push(promise);
    }
    if (this.endTold) promises.push(Number.NaN);
    this.endTold = false;
    return promises;
  }
}
