/** A worker that dies at any call, while records or time alone move the job: the same results. */
import { count, topic, topology, tumbling, utf8 } from 'millrace';
import { expect, test } from 'vitest';
import { MillraceError } from '../../engine/base/errors.ts';
import { MemoryLog } from '../../engine/log/memory.ts';
import { BatchBuilder } from '../../engine/record/batch.ts';
import { Runtime } from '../../engine/runtime/runtime.ts';
import { MemoryBackends } from '../../engine/storage/memory.ts';
import { type HostPort, TaskHost } from '../../engine/task/task-host.ts';
import { contentOf } from '../simulation/job.ts';

const words = topic<string, string>('words', { value: utf8, partitions: 1 });
const out = topic<string, string>('out', { value: utf8, partitions: 1 });

/** Windows that only the idle clock closes, whose results are counted in windows of the next part. */
const job = topology('recovery', (t) => {
  t.stream(words)
    .window(tumbling({ size: 10, grace: 0 }))
    .aggregate('per-ten', count(), { emit: 'close' })
    .changes()
    .map((n) => String(n))
    .keyBy('by-count', (n) => n, { key: utf8 })
    .window(tumbling({ size: 10, grace: 0 }))
    .aggregate('counts', count(), { emit: 'close' })
    .changes()
    .map((n) => `${n} windows`)
    .keyBy('all', () => 'all')
    .to(out);
  return {};
});

async function writtenLog(): Promise<MemoryLog> {
  const log = new MemoryLog();
  await log.createTopics([{ name: words.name, partitions: 1, settings: {} }]);
  const builder = new BatchBuilder();
  for (const [i, key] of ['a', 'b', 'b', 'c'].entries()) {
    builder.append(Buffer.from(key), Buffer.from('w'), i);
  }
  const appends = [{ topic: words.name, partition: 0, batch: builder.finishAt(0) }];
  await (await log.openWriter('feeder')).commit({ appends, offsets: [], commitId: 1 });
  return log;
}

/** @param diesAt the call of `process` or `commit`, over the whole run, at which the worker dies */
async function run(diesAt: number): Promise<{ content: string; calls: number }> {
  const [log, backends] = [await writtenLog(), new MemoryBackends()];
  let calls = 0;
  const dying = (host: TaskHost): HostPort => {
    const orDie = async () => {
      calls++;
      if (calls === diesAt) throw new MillraceError('WORKER_FAILED', { attempts: 1, problem: 'x' });
    };
    return {
      open: (assignment) => host.open(assignment),
      restore: (task, store, image, now) => host.restore(task, store, image, now),
      reset: (task, store) => host.reset(task, store),
      applyGlobal: (name, image) => host.applyGlobal(name, image),
      process: async (work) => orDie().then(() => host.process(work)),
      commit: async (task, id, ends, now) => orDie().then(() => host.commit(task, id, ends, now)),
      close: (task) => host.close(task),
      query: (task, store, keyId, limit) => host.query(task, store, keyId, limit),
      closeAll: () => host.closeAll(),
    };
  };
  const runtime = await Runtime.start({
    topology: job,
    application: 'recovery',
    log,
    partitions: 1,
    stateDirectory: 'state',
    startHosts: async (config) => [dying(new TaskHost(job, config, backends))],
  });
  await runtime.runUntilCaughtUp();
  await runtime.advanceIdle(1_000);
  await runtime.close();
  return { content: await contentOf(log), calls };
}

test('a worker that dies at each call in turn', async () => {
  const { content, calls } = await run(0);
  expect(content.split('\n').filter((line) => line.startsWith('out/'))).toHaveLength(2);
  expect(calls).toBeGreaterThan(8);
  for (let diesAt = 1; diesAt <= calls; diesAt++) {
    expect({ diesAt, content: (await run(diesAt)).content }).toEqual({ diesAt, content });
  }
});
