/**
 * Reports when time stands still: a source partition, or a task that runs nowhere, has not raised
 * its promise for a minute although newer records were processed elsewhere. Each holder is reported
 * once, and once more when its time moves again.
 */

import type { Clock } from '../base/clock.ts';
import type { Observer } from '../base/events.ts';
import type { Scheduler } from '../base/scheduler.ts';
import { keyOf } from '../log/partition-key.ts';
import type { Holder, TimeReport } from './time-report.ts';

export interface TimeWatchOptions {
  readonly time: () => Promise<TimeReport>;
  readonly observer: Observer;
  readonly clock: Clock;
}

/** Interval between checks, ms; each asks every task. */
const lookEveryMs = 20_000;
/**
 * Longer than a silent partition holds others back, and than a dead member's partitions are
 * unassigned, ms.
 */
const toldAfterMs = 60_000;

interface Held {
  readonly promise: number | null;
  /** ms of the monotonic clock. */
  readonly since: number;
  isTold: boolean;
}

export class TimeWatch {
  readonly #options: TimeWatchOptions;
  readonly #held = new Map<string, Held>();
  readonly #closed = new AbortController();

  constructor(options: TimeWatchOptions) {
    this.#options = options;
  }

  /** Checks repeatedly until it is closed. */
  start(scheduler: Scheduler): void {
    void this.#look(scheduler, this.#closed.signal);
  }

  /** Does not wait for a check in progress: the brokers may be unavailable. */
  close(): void {
    this.#closed.abort();
  }

  async #look(scheduler: Scheduler, signal: AbortSignal): Promise<void> {
    for (;;) {
      await scheduler.sleep(lookEveryMs, signal);
      if (signal.aborted) return;
      // If the runtime is unavailable, the next check tries again.
      await this.look().catch(() => {});
    }
  }

  /** Checks once what holds time back, and reports changes. */
  async look(): Promise<void> {
    const { time, observer, clock } = this.#options;
    const waiting = new Map<string, { readonly holder: Holder; readonly tasks: string[] }>();
    for (const { task, heldBackBy } of (await time()).tasks) {
      for (const holder of heldBackBy) {
        const name = nameOf(holder);
        const one = waiting.get(name) ?? { holder, tasks: [] };
        waiting.set(name, one);
        one.tasks.push(task);
      }
    }
    const now = clock.monotonic();
    for (const [name, held] of this.#held) {
      if (waiting.get(name)?.holder.promise === held.promise) continue;
      this.#held.delete(name);
      if (held.isTold) observer.on('timeReleased', { holder: name, heldMs: now - held.since });
    }
    for (const [name, { holder, tasks }] of waiting) {
      const { promise } = holder;
      const held = this.#held.get(name) ?? { promise, since: now, isTold: false };
      this.#held.set(name, held);
      const heldMs = now - held.since;
      if (held.isTold || heldMs < toldAfterMs) continue;
      held.isTold = true;
      const state = holder.kind === 'source' ? holder.state : 'elsewhere or nowhere';
      observer.on('timeHeld', { holder: name, state, tasks: tasks.length, task: tasks[0], heldMs });
    }
  }
}

function nameOf(holder: Holder): string {
  return holder.kind === 'source' ? keyOf(holder) : `task ${holder.task}`;
}
