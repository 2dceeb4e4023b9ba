/**
 * The log need not keep what a task takes whole; a task that leaves records of a batch is given
 * copies from then on.
 */
import { topic, topology, utf8 } from 'millrace';
import { expect, test } from 'vitest';
import { append } from '../../engine/laws/index.ts';
import { soleMember } from '../../engine/log/member.ts';
import { MemoryLog } from '../../engine/log/memory-log.ts';
import { Runtime, type RuntimeOptions } from '../../engine/runtime/runtime.ts';
import { MemoryBackends } from '../../engine/storage/memory-backend.ts';
import { TaskHost } from '../../engine/task/task-host.ts';

const words = topic<string, string>('words', { value: utf8, partitions: 1 });
const others = topic<string, string>('others', { value: utf8, partitions: 1 });
const counted = topology('counted', (t) => {
  t.stream(words).count('counts');
});
const merged = topology('merged', (t) => {
  t.stream(words).merge(t.stream(others)).count('counts');
});
const records = 1_000;

/** `once` of each read that brought records, in order. */
async function readsOf(
  job: typeof counted,
  options: Pick<RuntimeOptions, 'dirtyBytesMax'> = {},
): Promise<(boolean | undefined)[]> {
  const log = new MemoryLog();
  const reads: (boolean | undefined)[] = [];
  log.join = async (join) => {
    const member = soleMember(log, join);
    return {
      ...member,
      fetch: async (at, from, limits) => {
        const fetched = await member.fetch(at, from, limits);
        if (fetched.batches.length > 0) reads.push(limits.once);
        return fetched;
      },
    };
  };
  const feeder = await log.openWriter('feeder');
  const settings = { partitions: 1, settings: {} };
  await log.createTopics(['words', 'others'].map((name) => ({ name, ...settings })));
  const rows = Array.from({ length: records }, (_, i): [string, string] => [`k${i}`, 'v']);
  await feeder.commit({ appends: [append('words', 0, rows)], offsets: [], commitId: 1 });
  const runtime = await Runtime.start({
    topology: job,
    application: 'given',
    log,
    stateDirectory: 'state',
    startHosts: async (config) => [new TaskHost(job, config, new MemoryBackends())],
    ...options,
  });
  await runtime.runUntilCaughtUp();
  expect(runtime.summary.counters.in).toBe(records);
  await runtime.close();
  return reads;
}

test('a task with one source takes what it is given', async () => {
  expect(await readsOf(counted)).toEqual([true]);
});

test('one that had to commit in the middle of a batch is given copies from then on', async () => {
  const [first, ...later] = await readsOf(counted, { dirtyBytesMax: 1_000 });
  expect(first).toBe(true);
  expect(later.length).toBeGreaterThan(2);
  expect(new Set(later)).toEqual(new Set([false]));
});

test('one with several sources is given copies', async () => {
  expect(new Set(await readsOf(merged))).toEqual(new Set([false]));
});
