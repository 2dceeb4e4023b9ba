/**
 * A job's tasks of two partitions on the main thread, state in memory, no log: several checkouts of
 * Millrace in one process, cycle by cycle in turn, so that whatever the machine does meanwhile
 * befalls all of them. They also share its caches: where much memory is touched, all are slower
 * than alone. Arguments: job, events, folders of the checkouts. Prints a table; see README.md.
 */

import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { commitIdOf } from '../engine/base/commit-id.ts';
import { table } from '../engine/cli/output.ts';
import { BatchBuilder } from '../engine/record/batch.ts';
import type { HostPort } from '../engine/task/host-port.ts';
import { type Events, eventsOf, partitions } from './compare/events.ts';
import type { JobName } from './compare/jobs.ts';
import { hostOf } from './other-checkout.ts';

const [job = 'count', events = '1000000', ...folders] = process.argv.slice(2);
/** Records of a partition in a cycle: twice what one takes unless told otherwise. */
const perCycle = 32_768;
/** A thread's, where there are two. */
const own = [0, 2];
const input = 'events';

interface Side {
  readonly folder: string;
  readonly host: HostPort;
  readonly stores: readonly string[];
  ms: number;
  /** Of outputs and changelogs: all sides must have written the same. */
  bytes: number;
}

interface Cycle {
  readonly partition: number;
  readonly image: ArrayBuffer;
  readonly count: number;
}

async function sideOf(folder: string): Promise<Side> {
  const host = await hostOf(
    folder,
    async (from) => {
      const { jobTopology } =
        await from<typeof import('./compare/jobs.ts')>('bench/compare/jobs.ts');
      return jobTopology(job as JobName, input, 'out');
    },
    () => ({ out: partitions }),
    2 ** 26,
  );
  let stores: readonly string[] = [];
  for (const partition of own) {
    const positions = [{ topic: input, offset: 0 }];
    const opened = await host.open({
      taskId: taskId(partition),
      subTopology: 0,
      partition,
      positions,
    });
    stores = opened.map(({ store }) => store);
  }
  return { folder, host, stores, ms: 0, bytes: 0 };
}

function taskId(partition: number): string {
  return `0_${partition}`;
}

/** The events of the partitions, as their cycles get them; partition after partition in turn. */
function cyclesOf({ batches }: Events): Cycle[] {
  const cycles: Cycle[] = [];
  const offsets = new Map(own.map((partition) => [partition, 0]));
  const builders = new Map(own.map((partition) => [partition, new BatchBuilder(perCycle, 200)]));
  const flush = (partition: number, builder: BatchBuilder): void => {
    const { count } = builder;
    if (count === 0) return;
    const offset = offsets.get(partition) ?? 0;
    cycles.push({ partition, image: builder.finishAt(offset).image, count });
    offsets.set(partition, offset + count);
  };
  for (const { partition, batch } of batches) {
    const builder = builders.get(partition);
    if (builder === undefined) continue;
    for (let i = 0; i < batch.count; i++) {
      builder.copy(batch, i);
      if (builder.count === perCycle) flush(partition, builder);
    }
  }
  for (const [partition, builder] of builders) flush(partition, builder);
  return cycles;
}

async function run(
  side: Side,
  { partition, image, count }: Cycle,
  commitId: number,
): Promise<number> {
  const batches = [{ topic: input, image: image.slice(0) }];
  const begin = process.cpuUsage();
  const { outputs, changelogs, counters } = await side.host.process({
    taskId: taskId(partition),
    commitId: commitIdOf(commitId),
    batches,
    caughtUp: [input],
  });
  const ends = side.stores.map((store) => ({ store, offset: commitId }));
  await side.host.commit(taskId(partition), commitIdOf(commitId), ends, 100 * commitId);
  // Of all threads of the process: a machine that others use does not slow it as it slows a clock.
  const { user, system } = process.cpuUsage(begin);
  const ms = (user + system) / 1_000;
  // A job with a second source would wait for it.
  if (counters.in !== count) throw new Error(`${job}: took ${counters.in} records of ${count}`);
  for (const { image: written } of [...outputs, ...changelogs]) side.bytes += written.byteLength;
  return ms;
}

const spec = { events: Number(events), keys: 100_000, skew: 1, perMs: 5, tooLate: true };
const cycles = cyclesOf(await eventsOf(spec, join(tmpdir(), 'millrace-bench-events')));
const sides: Side[] = [];
for (const folder of folders.length > 0 ? folders : [join(import.meta.dirname, '..')]) {
  sides.push(await sideOf(folder));
}
let counted = 0;
for (const [i, cycle] of cycles.entries()) {
  // The first quarter is for V8's compiler.
  const counts = i >= cycles.length / 4;
  if (counts) counted += cycle.count;
  for (const side of i % 2 === 0 ? sides : [...sides].reverse()) {
    const ms = await run(side, cycle, i + 1);
    if (counts) side.ms += ms;
  }
}
const [first] = sides;
if (sides.some(({ bytes }) => bytes !== first?.bytes)) {
  throw new Error(
    `they do not write the same: ${sides.map(({ bytes }) => bytes).join(', ')} bytes`,
  );
}
const rows = sides.map(({ folder, ms }) => [
  folder,
  Math.round((ms * 1e6) / counted),
  (ms / (first?.ms ?? ms)).toFixed(2),
]);
console.log(table([job, 'ns an event', 'of the first'], rows));
process.exit(0);
