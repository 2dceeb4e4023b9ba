/** Clean-up of the log while a job runs: topics shrink, and nothing that is needed goes. */
import { expect, test } from 'vitest';
import { SeededRandom } from '../../engine/base/random.ts';
import { MemoryLog } from '../../engine/log/memory-log.ts';
import { Runtime } from '../../engine/runtime/runtime.ts';
import { MemoryBackends } from '../../engine/storage/memory-backend.ts';
import { TaskHost } from '../../engine/task/task-host.ts';
import { job, partitions, writeInput } from '../simulation/job.ts';

const stores = ['totals', 'silence', 'hops', 'slides', 'sessions', 'final-sessions'];

async function start(log: MemoryLog, backends: MemoryBackends, maintainEveryMs: number) {
  return Runtime.start({
    topology: job,
    application: 'upkeep',
    log,
    stateDirectory: 'state',
    partitions,
    recordsPerCycle: 20,
    maintainEveryMs,
    startHosts: async (config) => [new TaskHost(job, config, backends)],
  });
}

async function rowsOf(runtime: Runtime): Promise<string> {
  const rows = await Promise.all(stores.map((store) => runtime.query(store)));
  return JSON.stringify(rows);
}

async function recordsIn(log: MemoryLog, matching: RegExp): Promise<number> {
  let records = 0;
  for (const { name, partitions: n } of await log.topics()) {
    for (let partition = 0; matching.test(name) && partition < n; partition++) {
      const at = { topic: name, partition };
      const batch = await log.read(at, await log.startOffset(at), { records: 1e6 });
      records += batch?.count ?? 0;
    }
  }
  return records;
}

/** The job over seeded input, the log cleaned so often. */
async function ran(maintainEveryMs: number) {
  const [log, backends] = [new MemoryLog(), new MemoryBackends()];
  await writeInput(log, new SeededRandom(9), 1_000);
  const runtime = await start(log, backends, maintainEveryMs);
  await runtime.runUntilCaughtUp();
  const rows = await rowsOf(runtime);
  await runtime.close();
  return { log, backends, rows };
}

test('changelogs are compacted, repartition topics emptied; results are the same', async () => {
  const [kept, cleaned] = [await ran(Number.POSITIVE_INFINITY), await ran(0)];
  expect(cleaned.rows).toBe(kept.rows);
  const changelogs = /changelog$/;
  expect(await recordsIn(cleaned.log, changelogs)).toBeLessThan(
    (await recordsIn(kept.log, changelogs)) / 3,
  );
  expect(await recordsIn(kept.log, /repartition$/)).toBeGreaterThan(500);
  expect(await recordsIn(cleaned.log, /repartition$/)).toBeLessThan(100);
  expect(await recordsIn(cleaned.log, /^(timed|counts)$/)).toBe(
    await recordsIn(kept.log, /^(timed|counts)$/),
  );
});

test('state that is lost, or older than the compaction, is rebuilt whole', async () => {
  const { log, rows } = await ran(0);
  const lost = await start(log, new MemoryBackends(), 0);
  expect(await rowsOf(lost)).toBe(rows);
  await lost.close();
  // A state folder from an early copy: it holds keys whose deletion is no longer in the changelog.
  const [early, backends] = [new MemoryLog(), new MemoryBackends()];
  await writeInput(early, new SeededRandom(9), 1_000);
  const first = await start(early, backends, Number.POSITIVE_INFINITY);
  for (let cycle = 0; cycle < 8; cycle++) await first.cycle();
  await first.close();
  const old = await start(log, backends, 0);
  expect(await rowsOf(old)).toBe(rows);
  await old.close();
});
