/**
 * The ports of steps that call outside services, so that tests can control time and randomness.
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

/** The real implementation; its randomness has a new seed in every process. */
export const systemWorld: World = {
  clock: systemClock,
  scheduler: systemScheduler,
  random: new SeededRandom(randomInt(2 ** 32)),
};
