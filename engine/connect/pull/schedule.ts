/** When a source polls: by cron, or some time after its last poll. */
import { Cron } from 'croner';
import type { CommonSpec } from './common-spec.ts';

export class Schedule {
  readonly #cron: Cron | undefined;
  readonly #everyMs: number;

  /** @param everySeconds default pause of the source */
  constructor(spec: CommonSpec, everySeconds: number) {
    const { schedule, zone = 'UTC' } = spec;
    this.#cron =
      schedule === undefined ? undefined : new Cron(schedule, { paused: true, timezone: zone });
    this.#everyMs = (spec.everySeconds ?? everySeconds) * 1_000;
  }

  /** The time of a poll must be stored: a later start waits for the next one. */
  get isKept(): boolean {
    return this.#cron !== undefined;
  }

  /**
   * Time of the next poll, ms UTC; it may be in the past.
   * @param lastAt time of the last poll; undefined: none known
   */
  nextAt(lastAt: number | undefined, now: number): number {
    if (lastAt === undefined) return now;
    if (this.#cron === undefined) return lastAt + this.#everyMs;
    return this.#cron.nextRun(new Date(lastAt))?.getTime() ?? Number.POSITIVE_INFINITY;
  }
}
