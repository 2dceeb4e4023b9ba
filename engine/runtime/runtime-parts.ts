/**
 * The parts of a runtime before it opens anything: its options with defaults, and its observers.
 */
import { type Clock, systemClock } from '../base/clock.ts';
import { allObservers, type Observer, silentObserver } from '../base/events.ts';
import { type Scheduler, systemScheduler } from '../base/scheduler.ts';
import { SteadyClock } from '../time/steady-clock.ts';
import { IdleWatch } from './idle-watch.ts';
import { PauseWatch } from './pause.ts';
import type { RuntimeOptions } from './runtime-options.ts';
import { Intake } from './source-intake.ts';
import { emptySummary, type Summary } from './summary.ts';
import { RefusedTimes } from './time-report.ts';

export interface RuntimeParts {
  readonly options: RuntimeOptions;
  readonly observer: Observer;
  readonly clock: Clock;
  readonly scheduler: Scheduler;
  /** The steady wall clock. */
  readonly wall: SteadyClock;
  readonly intake: Intake;
  readonly summary: Summary;
  readonly pause: PauseWatch;
  readonly idle: IdleWatch;
  readonly refusedTimes: RefusedTimes;
}

export function runtimeParts(options: RuntimeOptions): RuntimeParts {
  const { application, log, clock = systemClock, scheduler = systemScheduler } = options;
  const refusedTimes = new RefusedTimes();
  const observer = allObservers([refusedTimes, options.observer ?? silentObserver]);
  const intake = new Intake(options, observer);
  const wall = new SteadyClock(clock);
  return {
    ...{ options, observer, clock, scheduler, wall, intake, refusedTimes },
    summary: emptySummary(application, intake.progress),
    pause: new PauseWatch(log, application, clock, observer),
    idle: new IdleWatch(clock, wall, options.idleAfterMs),
  };
}
