/**
 * Progress of the restore of all tasks: records, rate, time left, from the events of the stores.
 */
import type { Clock } from '../base/clock.ts';
import type { TelemetryEvents } from '../base/events.ts';

export interface RestoreState {
  /** Changelog records applied so far, over all stores that have started. */
  readonly done: number;
  readonly total: number;
  readonly perSecond: number;
  /** Time left for the started stores, seconds; undefined until a rate is known. */
  readonly secondsLeft: number | undefined;
}

/** Interval between reports, ms. */
const reportEveryMs = 1_000;

export class RestoreWatch {
  readonly #clock: Clock;
  readonly #stores = new Map<string, { done: number; total: number }>();
  #begin = 0;
  #reportedAt = Number.NEGATIVE_INFINITY;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /**
   * Processes an event; returns the total state once a second, and when all started stores are
   * done.
   */
  advance(event: TelemetryEvents['restoreProgress']): RestoreState | undefined {
    const now = this.#clock.monotonic();
    if (this.left === 0) {
      this.#stores.clear();
      this.#begin = now;
    }
    this.#stores.set(`${event.task} ${event.store}`, event);
    if (now - this.#reportedAt < reportEveryMs && this.left > 0) return undefined;
    this.#reportedAt = now;
    return this.#state(now);
  }

  /** Records left to apply in the started stores. */
  get left(): number {
    let left = 0;
    for (const { done, total } of this.#stores.values()) left += Math.max(0, total - done);
    return left;
  }

  #state(now: number): RestoreState {
    let [done, total] = [0, 0];
    for (const store of this.#stores.values())
      [done, total] = [done + store.done, total + store.total];
    const seconds = (now - this.#begin) / 1_000;
    const perSecond = seconds > 0 ? Math.round(done / seconds) : 0;
    const secondsLeft = perSecond > 0 ? Math.ceil((total - done) / perSecond) : undefined;
    return { done, total, perSecond, secondsLeft };
  }
}

/** One line for people. */
export function restoreText({ done, total, perSecond, secondsLeft }: RestoreState): string {
  const left = secondsLeft === undefined ? '' : `, ${secondsLeft} s left`;
  return `restoring state: ${done} of ${total} changelog records, ${perSecond}/s${left}`;
}
