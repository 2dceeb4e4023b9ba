/**
 * Lets a thread serve queries between two records. Without pauses a query waits for a round, which
 * may be a whole cycle. Without queries this costs nothing. While there are many, tasks also keep
 * committed cells that their cycles change (state/kept-cells.ts).
 */
import type { Clock } from '../base/clock.ts';
import type { Scheduler } from '../base/scheduler.ts';
import type { Steps } from '../state/steps.ts';

/** How long after a query pauses are made for the next one, ms. */
const openMs = 1_000;
/** Interval between pauses, ms. */
const everyMs = 1;
/** Records between two reads of the clock, if they take less than a pause's time. */
const lookEvery = 8;
/** Queries a second from which on they count as many. */
const many = 50;

export class Pauses {
  /** True if there was a recent query. */
  isOpen = false;
  readonly #clock: Clock;
  readonly #scheduler: Scheduler;
  #begin = 0;
  #until = 0;
  #lookedAt = 0;
  #every = lookEvery;
  /** Queries in the current second, its start, and the number in the previous second. */
  #count = 0;
  #countedFrom = 0;
  #before = 0;

  constructor(clock: Clock, scheduler: Scheduler) {
    this.#clock = clock;
    this.#scheduler = scheduler;
  }

  /** Notes a query. */
  asked(): void {
    const now = this.#clock.monotonic();
    this.isOpen = true;
    this.#until = now + openMs;
    this.#turn(now);
    this.#count++;
  }

  /** True if there are many queries. */
  get isBusy(): boolean {
    if (!this.isOpen) return false;
    this.#turn(this.#clock.monotonic());
    return this.#count >= many || this.#before >= many;
  }

  /** A round begins. */
  begin(): void {
    if (!this.isOpen) return;
    this.#begin = this.#clock.monotonic();
    this.#lookedAt = this.#begin;
  }

  /**
   * True if a pause is due. Call only while `isOpen`.
   * @param taken records processed in the round
   */
  isDue(taken: number): boolean {
    if (taken % this.#every > 0) return false;
    const now = this.#clock.monotonic();
    const eachMs = (now - this.#lookedAt) / this.#every;
    this.#every = eachMs * lookEvery < everyMs ? lookEvery : 1;
    this.#lookedAt = now;
    if (now > this.#until) this.isOpen = false;
    return now - this.#begin >= everyMs;
  }

  /**
   * Records to process before the next check: of the clock, or the one that comes every `otherwise`
   * records.
   */
  room(taken: number, otherwise: number): number {
    const every = this.isOpen ? this.#every : otherwise;
    return every - (taken % every);
  }

  /** Does work in steps, and lets messages in between them while somebody asks. */
  async through<T>(steps: Steps<T>): Promise<T> {
    this.begin();
    for (;;) {
      const step = steps.next();
      if (step.done === true) return step.value;
      if (this.isOpen && this.#clock.monotonic() - this.#begin >= everyMs) await this.give();
    }
  }

  /** Makes a pause: lets messages arrive. */
  async give(): Promise<void> {
    await this.#scheduler.yieldNow();
    this.begin();
  }

  #turn(now: number): void {
    const passed = now - this.#countedFrom;
    if (passed < openMs) return;
    this.#before = passed < 2 * openMs ? this.#count : 0;
    this.#count = 0;
    this.#countedFrom = now;
  }
}
