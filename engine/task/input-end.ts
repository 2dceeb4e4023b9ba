/** Finds the levels of a task (graph/time-levels.ts) that have reached the end of bounded input. */
import type { PartTime } from '../graph/time-plan.ts';
import { UpstreamTime } from '../time/watermark.ts';
import type { SourceQueue } from './source-queue.ts';
import type { TimeLevel } from './time-level.ts';

export class InputEnd {
  readonly #plan: PartTime;
  readonly #queues: readonly SourceQueue[];
  readonly #levels: readonly TimeLevel[];
  /** The author's topics that have ended, by index of the source. */
  readonly #ended = new Set<number>();

  constructor(plan: PartTime, queues: readonly SourceQueue[], levels: readonly TimeLevel[]) {
    this.#plan = plan;
    this.#queues = queues;
    this.#levels = levels;
  }

  /**
   * The levels whose inputs have all ended, without records that wait.
   * @param atEnd the author's topics have ended
   */
  ending(atEnd: boolean): readonly TimeLevel[] {
    const { inputs, bySource } = this.#plan;
    if (atEnd) this.#noteEnd();
    for (let i = 0; i < inputs.length; i++) {
      if (inputs[i]?.kind !== 'free') continue;
      const queue = this.#queues[i] as SourceQueue;
      if (waits(queue) || (!bySource && !this.#isEnded(i))) return [];
    }
    return this.#levels.filter(
      ({ isDone, plan, queues }) =>
        !isDone && plan.inputs.every((i) => this.#isEnded(i)) && !queues.some(waits),
    );
  }

  /**
   * Marks levels as closed. When all are closed, the ends are forgotten: later input starts over.
   */
  done(ending: readonly TimeLevel[]): void {
    for (const level of ending) level.isDone = true;
    if (!this.#levels.every(({ isDone }) => isDone)) return;
    for (const level of this.#levels) level.isDone = false;
    this.#ended.clear();
    for (const { time } of this.#queues) if (time instanceof UpstreamTime) time.clearEnded();
  }

  #noteEnd(): void {
    const { inputs, bySource } = this.#plan;
    inputs.forEach(({ kind }, i) => {
      if (kind === 'source' || !bySource) this.#ended.add(i);
    });
    for (const level of this.#levels) {
      if (level.plan.inputs.some((i) => inputs[i]?.kind === 'source')) level.isDone = false;
    }
  }

  #isEnded(i: number): boolean {
    const { time } = this.#queues[i] as SourceQueue;
    return time instanceof UpstreamTime ? time.ended : this.#ended.has(i);
  }
}

function waits(queue: SourceQueue): boolean {
  return queue.hasNext || queue.wantsRefill;
}
