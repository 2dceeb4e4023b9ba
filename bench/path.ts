/**
 * One job of the whole path: an embedded log is filled, then a topology runs over it on the main
 * thread, with RocksDB state and a commit every cycle. Prints one JSON line. Argument: job.
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { randomBelow, SeededRandom } from '../engine/base/random.ts';
import { openEmbeddedLog } from '../engine/log/embedded/open-embedded-log.ts';
import type { Log } from '../engine/log/log.ts';
import { BatchBuilder } from '../engine/record/batch.ts';
import { Runtime } from '../engine/runtime/runtime.ts';
import { rocksBackends } from '../engine/storage/rocksdb.ts';
import { TaskHost } from '../engine/task/task-host.ts';
import { type JobName, jobs, views } from './jobs/page-views.ts';

const events = Number(process.env['MILLRACE_BENCH_EVENTS'] ?? 400_000);
const users = 10_000;
const pages = 200;
const partitions = 4;
/** Between two events, ms of event time: 400 000 events are about two hours. */
const step = 18;
const batch = 2_000;

/** What one job cost; times are of the whole process, after the log was filled. */
export interface PathResult {
  readonly job: JobName;
  readonly events: number;
  readonly seconds: number;
  readonly cpuSeconds: number;
  /** Records in the output topic, or in the changelogs when there is none. */
  readonly written: number;
  readonly rssMiB: number;
}

async function fill(log: Log): Promise<void> {
  await log.createTopics([{ name: views.name, partitions, settings: views.settings }]);
  const writer = await log.openWriter('filler');
  const random = new SeededRandom(1);
  let time = Date.UTC(2026, 0, 1);
  for (let written = 0, commitId = 1; written < events; commitId++) {
    const builders = Array.from({ length: partitions }, () => new BatchBuilder());
    for (let i = 0; i < batch * partitions && written < events; i++, written++) {
      const user = randomBelow(random, users);
      const value = Buffer.from(`/page/${randomBelow(random, pages)}`);
      time += randomBelow(random, 2 * step);
      builders[user % partitions]?.append(Buffer.from(`user-${user}`), value, time);
    }
    const appends = builders.map((builder, partition) => ({
      topic: views.name,
      partition,
      batch: builder.finishAt(0),
    }));
    await writer.commit({ appends, offsets: [], commitId });
  }
}

export async function measure(job: JobName): Promise<PathResult> {
  const folder = await mkdtemp(join(tmpdir(), 'millrace-bench-'));
  const topology = jobs[job];
  const log = await openEmbeddedLog({
    directory: join(folder, 'log'),
    application: topology.name,
    backends: rocksBackends,
  });
  try {
    await fill(log);
    const runtime = await Runtime.start({
      topology,
      application: topology.name,
      log,
      partitions,
      stateDirectory: join(folder, 'state'),
      startHosts: async (config) => [new TaskHost(topology, config, rocksBackends)],
    });
    const [begin, cpu] = [performance.now(), process.cpuUsage()];
    const { counters } = await runtime.runUntilCaughtUp();
    const seconds = (performance.now() - begin) / 1_000;
    const { user, system } = process.cpuUsage(cpu);
    await runtime.close();
    if (counters.in !== events || counters.processed !== events) {
      throw new Error(`${job}: took ${counters.in}, processed ${counters.processed} of ${events}`);
    }
    return {
      job,
      events,
      seconds,
      cpuSeconds: (user + system) / 1e6,
      written: counters.out,
      rssMiB: Math.round(process.memoryUsage.rss() / 2 ** 20),
    };
  } finally {
    await log.close();
    await rm(folder, { recursive: true });
  }
}

if (process.argv[1] === import.meta.filename) {
  const job = process.argv[2] as JobName;
  if (jobs[job] === undefined) throw new Error(`jobs are ${Object.keys(jobs).join(', ')}`);
  console.log(JSON.stringify(await measure(job)));
}
