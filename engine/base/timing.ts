/** Clock and Scheduler together, for parts that wait and measure. */
import { type Clock, systemClock } from './clock.ts';
import { type Scheduler, systemScheduler } from './scheduler.ts';

export interface Timing {
  readonly clock: Clock;
  readonly scheduler: Scheduler;
}

export const systemTiming: Timing = { clock: systemClock, scheduler: systemScheduler };

/**
 * Calls `act` after `ms` milliseconds.
 * @returns a function that cancels the call
 */
export function after(scheduler: Scheduler, ms: number, act: () => void): () => void {
  const off = new AbortController();
  void scheduler.sleep(ms, off.signal).then(() => {
    if (!off.signal.aborted) act();
  });
  return () => off.abort();
}
