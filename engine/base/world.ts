/**
 * What a step that asks the world outside is given: ports, so that a test can stand in for time and
 * chance.
 */
import { randomInt } from 'node:crypto';
import { type Clock, systemClock } from './clock.ts';
import { type Random, SeededRandom } from './random.ts';
import { type Scheduler, systemScheduler } from './scheduler.ts';

export interface World {
  readonly clock: Clock;
  readonly scheduler: Scheduler;
  readonly random: Random;
}

/** The real one; its chance is seeded anew in every process. */
export const systemWorld: World = {
  clock: systemClock,
  scheduler: systemScheduler,
  random: new SeededRandom(randomInt(2 ** 32)),
};
