/**
 * The wall clock as time goes by it: it never goes back, and a jump ahead is believed only when it
 * lasts. How much time has really passed, the monotonic clock says; where the wall clock says more,
 * it was set, or it is wrong for a moment.
 */
import type { Clock } from '../base/clock.ts';

/** A machine that slept, or was set right, is believed after so long, ms of the monotonic clock. */
const believedAfterMs = 60_000;
/** Within it the two clocks agree, ms. */
const toleranceMs = 100;

export class SteadyClock {
  readonly #clock: Clock;
  /**
   * Where the wall clock would be had it gone as the monotonic one does since the last agreement.
   */
  #wall: number;
  #monotonic: number;
  /** Since when the wall clock has been ahead, and by how much it was at first. */
  #ahead: { readonly since: number; readonly by: number } | undefined;
  #last: number;

  constructor(clock: Clock) {
    this.#clock = clock;
    this.#wall = clock.now();
    this.#monotonic = clock.monotonic();
    this.#last = this.#wall;
  }

  /** ms UTC; never less than before. */
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
