/**
 * Time that moves only as a test wants it, for what waits by the Clock and Scheduler ports; sockets
 * stay real.
 */
import { VirtualClock } from '../../../engine/base/clock.ts';
import type { Scheduler } from '../../../engine/base/scheduler.ts';
import type { Timing } from '../../../engine/base/timing.ts';

interface Sleeper {
  readonly at: number;
  readonly wake: () => void;
}

export class VirtualTime implements Timing {
  readonly clock = new VirtualClock();
  readonly scheduler: Scheduler = {
    sleep: (ms, signal) => this.#sleep(ms, signal),
    yieldNow: () => turn(),
  };
  readonly #sleepers = new Set<Sleeper>();

  get now(): number {
    return this.clock.now();
  }

  /** Moves on by `ms`, and wakes in their order who sleeps until then. */
  async advance(ms: number): Promise<void> {
    await turn();
    const end = this.now + ms;
    for (let next = this.#next(end); next !== undefined; next = this.#next(end)) {
      await this.#wake(next);
    }
    this.clock.advance(end - this.now);
    await turn();
  }

  /**
   * Moves from one who sleeps to the next until a promise is settled, and answers it. Who sleeps
   * longer than `mostMs` in all is never woken: what its time is for must come by a socket.
   */
  async settled<T>(promise: Promise<T>, mostMs = 60_000): Promise<T> {
    let isSettled = false;
    const note = () => {
      isSettled = true;
    };
    promise.then(note, note);
    const end = this.now + mostMs;
    while (!isSettled) {
      await turn();
      const next = this.#next(end);
      if (next !== undefined && !isSettled) await this.#wake(next);
    }
    return promise;
  }

  /** As `settled`, until something is so. */
  async until(isSo: () => boolean, mostMs = 60_000): Promise<void> {
    const end = this.now + mostMs;
    while (!isSo()) {
      await turn();
      const next = this.#next(end);
      if (next !== undefined && !isSo()) await this.#wake(next);
    }
  }

  #next(end: number): Sleeper | undefined {
    let first: Sleeper | undefined;
    for (const one of this.#sleepers) {
      if (one.at <= end && (first === undefined || one.at < first.at)) first = one;
    }
    return first;
  }

  async #wake(sleeper: Sleeper): Promise<void> {
    this.clock.advance(Math.max(0, sleeper.at - this.now));
    sleeper.wake();
    await turn();
  }

  #sleep(ms: number, signal?: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      if (signal?.aborted) return resolve();
      const sleeper: Sleeper = {
        at: this.now + ms,
        wake: () => {
          this.#sleepers.delete(sleeper);
          signal?.removeEventListener('abort', sleeper.wake);
          resolve();
        },
      };
      this.#sleepers.add(sleeper);
      signal?.addEventListener('abort', sleeper.wake);
    });
  }
}

/** Lets sockets and promises go on. */
function turn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}
