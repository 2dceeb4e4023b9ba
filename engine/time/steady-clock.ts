/**
 * A wall clock that never goes back, and that follows a jump ahead only if the jump lasts. The
 * monotonic clock measures how much time has really passed; if the wall clock shows more, it was
 * set, or it is temporarily wrong.
 */
import type { Clock } from '../base/clock.ts';

/**
 * A jump (after sleep, or a corrected clock) is trusted after this time, ms of the monotonic clock.
 */
const believedAfterMs = 60_000;
/** Tolerance within which the two clocks agree, ms. */
const toleranceMs = 100;

export class SteadyClock {
  readonly #clock: Clock;
  /** Expected wall time: the last agreement plus the monotonic time since. */
  #wall: number;
  #monotonic: number;
  /** Since when the wall clock has been ahead, and by how much at first. */
  #ahead: { readonly since: number; readonly by: number } | undefined;
  #last: number;

  constructor(clock: Clock) {
    this.#clock = clock;
    this.#wall = clock.now();
    this.#monotonic = clock.monotonic();
    this.#last = this.#wall;
  }

  /** Returns ms UTC, never less than before. */
  now(): number {
    const wall = this.#clock.now();
    const monotonic = this.#clock.monotonic();
    const expected = this.#wall + (monotonic - this.#monotonic);
    const by = wall - expected;
    if (by <= toleranceMs) this.#agree(wall, monotonic);
    else if (this.#ahead === undefined || Math.abs(by - this.#ahead.by) > toleranceMs) {
      this.#ahead = { since: monotonic, by };
    } else if (monotonic - this.#ahead.since >= believedAfterMs) this.#agree(wall, monotonic);
    const believed = this.#ahead === undefined ? wall : expected;
    this.#last = Math.max(this.#last, Math.floor(believed));
    return this.#last;
  }

  #agree(wall: number, monotonic: number): void {
    this.#wall = wall;
    this.#monotonic = monotonic;
    this.#ahead = undefined;
  }
}
