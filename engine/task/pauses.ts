/**
 * Lets a thread answer questions between two records. Without it whoever asks waits for a round,
 * which is all that a cycle takes. Nothing is paid while nobody asks; while many do, tasks also
 * keep what their cycles change as it was committed (state/kept-cells.ts).
 */
import type { Clock } from '../base/clock.ts';
import type { Scheduler } from '../base/scheduler.ts';
import type { Steps } from '../state/steps.ts';

/** For so long after a question there may be another, ms. */
const openMs = 1_000;
/** From one pause to the next, ms. */
const everyMs = 1;
/** Records between two looks at the clock, where so many take less than a pause's time. */
const lookEvery = 8;
/** So many questions a second are many. */
const many = 50;

export class Pauses {
  /** Somebody has asked just now. */
  isOpen = false;
  readonly #clock: Clock;
  readonly #scheduler: Scheduler;
  #begin = 0;
  #until = 0;
  #lookedAt = 0;
  #every = lookEvery;
  /** Questions of the second at hand, when it began, and how many the one before had. */
  #count = 0;
  #countedFrom = 0;
  #before = 0;

  constructor(clock: Clock, scheduler: Scheduler) {
    this.#clock = clock;
    this.#scheduler = scheduler;
  }

  /** A question has come. */
  asked(): void {
    const now = this.#clock.monotonic();
    this.isOpen = true;
    this.#until = now + openMs;
    this.#turn(now);
    this.#count++;
  }

  /** Many ask. */
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
   * Whether it is time for a pause. Ask only while it is open.
   * @param taken records of the round
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
   * Records from here to the next look: at the clock, or of those that come every `otherwise`
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

  /** Lets messages in. */
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
