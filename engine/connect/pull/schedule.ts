/** When a source looks for more: by cron, or some time after it has looked last. */
import { Cron } from 'croner';
import type { CommonSpec } from './common-spec.ts';

export class Schedule {
  readonly #cron: Cron | undefined;
  readonly #everyMs: number;

  /** @param everySeconds where the source does not say */
  constructor(spec: CommonSpec, everySeconds: number) {
    const { schedule, zone = 'UTC' } = spec;
    this.#cron =
      schedule === undefined ? undefined : new Cron(schedule, { paused: true, timezone: zone });
    this.#everyMs = (spec.everySeconds ?? everySeconds) * 1_000;
  }

  /** A look is worth keeping: a later start waits for the next one. */
  get isKept(): boolean {
    return this.#cron !== undefined;
  }

  /**
   * When to look next, ms UTC; it may have passed.
   * @param lastAt when it has looked last; undefined: never, as far as is known
   */
  nextAt(lastAt: number | undefined, now: number): number {
    if (lastAt === undefined) return now;
    if (this.#cron === undefined) return lastAt + this.#everyMs;
    return this.#cron.nextRun(new Date(lastAt))?.getTime() ?? Number.POSITIVE_INFINITY;
  }
}
