/** Clock and Scheduler together: what a part needs that waits and measures. */
import { type Clock, systemClock } from './clock.ts';
import { type Scheduler, systemScheduler } from './scheduler.ts';

export interface Timing {
  readonly clock: Clock;
  readonly scheduler: Scheduler;
}

export const systemTiming: Timing = { clock: systemClock, scheduler: systemScheduler };

/**
 * Calls `act` when `ms` milliseconds have passed.
 * @returns calls it off, when it has not happened yet
 */
export function after(scheduler: Scheduler, ms: number, act: () => void): () => void {
  const off = new AbortController();
  void scheduler.sleep(ms, off.signal).then(() => {
    if (!off.signal.aborted) act();
  });
  return () => off.abort();
}
