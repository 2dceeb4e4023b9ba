/**
 * Bounded input that ends while workers die: tasks that read what they have written close all of
 * it, too.
 */
import { count, topic, topology, tumbling, utf8 } from 'millrace';
import { expect, test } from 'vitest';
import { MillraceError } from '../../engine/base/errors.ts';
import { MemoryLog } from '../../engine/log/memory-log.ts';
import { BatchBuilder } from '../../engine/record/batch.ts';
import { Runtime } from '../../engine/runtime/runtime.ts';
import { MemoryBackends } from '../../engine/storage/memory-backend.ts';
import type { HostPort } from '../../engine/task/host-port.ts';
import { TaskHost } from '../../engine/task/task-host.ts';
import { portOf } from './shared-log.ts';

const partitions = 2;
const input = topic<string, string>('input', { value: utf8, partitions });
const out = topic<string, string>('out', { value: utf8, partitions: 1 });

/** Each record counts by its key and, sent round once, by its value. */
const job = topology('merged', (t) => {
  const read = t.stream(input);
  read
    .merge(read.keyBy('by-value', (v) => v))
    .window(tumbling({ size: 10, grace: 0 }))
    .aggregate('counts', count(), { emit: 'close' })
    .changes()
    .map((n, { key, start }) => `${key}@${start}=${n}`)
    .keyBy('out', () => 'all', { key: utf8, value: utf8 })
    .to(out);
});

/** @param diesAt the call of `process` or `commit`, over the whole run, at which the worker dies */
async function run(diesAt: number): Promise<{ results: string[]; calls: number }> {
  const [log, backends] = [new MemoryLog(), new MemoryBackends()];
  await log.createTopics([{ name: input.name, partitions, settings: {} }]);
  const appends = Array.from({ length: partitions }, (_, partition) => {
    const builder = new BatchBuilder();
    builder.append(Buffer.from(`k${partition}`), Buffer.from('v'), 3);
    return { topic: input.name, partition, batch: builder.finishAt(0) };
  });
  await (await log.openWriter('feeder')).commit({ appends, offsets: [], commitId: 1 });
  let calls = 0;
  const dying = (host: TaskHost): HostPort => {
    const orDie = async () => {
      calls++;
      if (calls === diesAt) throw new MillraceError('WORKER_FAILED', { attempts: 1, problem: 'x' });
    };
    return {
      ...portOf(host),
      process: async (work) => orDie().then(() => host.process(work)),
      commit: async (task, id, ends, now) => orDie().then(() => host.commit(task, id, ends, now)),
    };
  };
  const runtime = await Runtime.start({
    topology: job,
    application: 'end',
    log,
    partitions,
    stateDirectory: 'state',
    atEnd: 'close',
    startHosts: async (config) => [dying(new TaskHost(job, config, backends))],
  });
  await runtime.runUntilCaughtUp();
  await runtime.close();
  const batch = await log.read({ topic: out.name, partition: 0 }, 0, { records: 100 });
  const results = Array.from({ length: batch?.count ?? 0 }, (_, i) => String(batch?.value(i)));
  return { results: results.sort(), calls };
}

test('a worker that dies at each call in turn while the input ends', async () => {
  const { results, calls } = await run(0);
  expect(results).toEqual(['k0@0=1', 'k1@0=1', 'v@0=2']);
  for (let diesAt = 1; diesAt <= calls; diesAt++) {
    expect({ diesAt, results: (await run(diesAt)).results }).toEqual({ diesAt, results });
  }
});
