/**
 * Inputs of a task that carry its own records back to it, also after other parts
 * (graph/time-levels.ts).
 *
 * Such an input may be aside only while the levels that lead to it are aside. When they read
 * records again, records are on their way back. Time then stands still until the next promise. That
 * promise always comes: a level that was aside sends a new promise, and so do the levels behind it.
 */
import type { PartTime } from '../graph/time-plan.ts';
import { SourceTime, UpstreamTime } from '../time/watermark.ts';
import type { SourceQueue } from './source-queue.ts';
import type { TimeLevel } from './time-level.ts';

interface WayBack {
  readonly time: UpstreamTime;
  /** The level that writes it, if it is of the same part; the task is then among the writers. */
  readonly writer: TimeLevel | undefined;
  /** Levels of the task whose promises make all writers send theirs. */
  readonly answered: readonly TimeLevel[];
  /** The levels that wait for it. */
  readonly readers: readonly TimeLevel[];
}

export class WaysBack {
  readonly #ways: readonly WayBack[];
  readonly #partition: number;

  /** @param partition of the task */
  constructor(
    { inputs }: PartTime,
    queues: readonly SourceQueue[],
    levels: readonly TimeLevel[],
    partition: number,
  ) {
    this.#partition = partition;
    this.#ways = inputs.flatMap((input, i): WayBack[] => {
      const time = queues[i]?.time;
      if (input.kind !== 'told' || !(time instanceof UpstreamTime)) return [];
      const writer = input.isOwn ? levels[input.level] : undefined;
      const answered = levels.filter((_, level) => input.answers.includes(level));
      const readers = levels.filter(({ plan }) => plan.inputs.includes(i));
      const isWayBack = writer !== undefined || answered.length > 0;
      return isWayBack ? [{ time, writer, answered, readers }] : [];
    });
  }

  /** Makes time wait for promises that are on their way. Call before a watermark moves. */
  awaitNext(): void {
    for (const way of this.#ways) if (way.time.hasAside) this.#awaitNext(way);
  }

  #awaitNext({ time, writer, answered, readers }: WayBack): void {
    for (const { watermark } of answered) {
      if (watermark.isAside) continue;
      time.awaitAside(leastOf(readers));
      return;
    }
    if (writer === undefined || writer.watermark.isAside || !time.isAside(this.#partition)) return;
    time.await(this.#partition, leastOf(readers));
  }
}

function leastOf(levels: readonly TimeLevel[]): number {
  let least = Number.POSITIVE_INFINITY;
  for (const { promised } of levels) least = Math.min(least, promised);
  return least;
}

/**
 * Puts aside the sources of a task that were aside at its last commit: only then was a way back
 * behind them aside. Call before the levels are created.
 * @param partition of the task
 */
export function restoreAside(
  { inputs, levels }: PartTime,
  queues: readonly SourceQueue[],
  partition: number,
): void {
  inputs.forEach((input, i) => {
    const time = queues[i]?.time;
    if (input.kind !== 'told' || !(time instanceof UpstreamTime)) return;
    const own = input.isOwn && time.isAside(partition) ? [input.level] : [];
    for (const level of time.hasAside ? [...own, ...input.answers] : []) {
      for (const from of levels[level]?.inputs ?? []) {
        const source = queues[from]?.time;
        if (source instanceof SourceTime) source.stepAside();
      }
    }
  });
}
