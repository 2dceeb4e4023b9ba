/** One simulated run: the job over a seeded input, with the stops the caller asks for. */
import { SeededRandom } from '../../engine/base/random.ts';
import { Runtime } from '../../engine/runtime/runtime.ts';
import { TaskHost } from '../../engine/task/task-host.ts';
import { contentOf, job, writeInput } from './job.ts';
import { Stopped, World } from './world.ts';

export interface Simulated {
  readonly content: string;
  readonly trace: readonly string[];
  readonly calls: number;
}

/**
 * @param stops after how many port calls each process is stopped; the last process runs to the end
 */
export async function simulate(seed: number, stops: readonly number[]): Promise<Simulated> {
  const world = new World(seed);
  await writeInput(world.log, new SeededRandom(seed), 60);
  for (const stop of [...stops, Number.POSITIVE_INFINITY]) {
    try {
      await runOnce(world, stop);
      break;
    } catch (error) {
      if (!(error instanceof Stopped)) throw error;
      world.loseUnsynced();
      if (world.below(4) === 0) world.dropState();
    }
  }
  return { content: await contentOf(world.log), trace: world.trace, calls: world.calls };
}

async function runOnce(world: World, stop: number): Promise<void> {
  const { log, backends, scheduler, clock } = world.boot(stop);
  const [everyMs, restoredAfterMs] = [world.below(2) * 20, world.below(2) * 20];
  const saving = { everyMs, leastShare: 1 + world.below(4), restoredAfterMs };
  const runtime = await Runtime.start({
    topology: job,
    application: 'simulated',
    log,
    stateDirectory: 'state',
    partitions: 2,
    recordsPerCycle: 7,
    cacheBytes: [0, 4_096, 1_048_576][world.below(3)] as number,
    clock,
    scheduler,
    startHosts: async (config) => [
      new TaskHost(job, { ...config, saving }, backends),
      new TaskHost(job, { ...config, saving }, backends),
    ],
  });
  await runtime.runUntilCaughtUp();
  await runtime.advanceIdle(10_000);
  await runtime.close();
}
