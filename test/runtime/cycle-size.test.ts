/** How many records a cycle takes. */
import { topic, topology, utf8 } from 'millrace';
import { expect, test } from 'vitest';
import { VirtualClock } from '../../engine/base/clock.ts';
import { append } from '../../engine/laws/index.ts';
import { MemoryLog } from '../../engine/log/memory-log.ts';
import { PackedBatch } from '../../engine/record/batch.ts';
import { CycleSize } from '../../engine/runtime/cycle-size.ts';
import { Runtime } from '../../engine/runtime/runtime.ts';
import { MemoryBackends } from '../../engine/storage/memory-backend.ts';
import { TaskHost } from '../../engine/task/task-host.ts';

test('it grows while cycles are short of the interval, and shrinks when they take two', () => {
  const size = new CycleSize(undefined, 100);
  const after = (ms: number) => {
    size.took(ms);
    return size.records;
  };
  expect(size.records).toBe(16_384);
  expect([59, 0, 0].map(after)).toEqual([32_768, 65_536, 65_536]);
  expect([60, 100, 200].map(after)).toEqual([65_536, 65_536, 65_536]);
  expect([201, 900, 900].map(after)).toEqual([32_768, 16_384, 16_384]);
  // What is a backlog does not depend on it: else cycles that grew would find none.
  expect(size.backlog).toBe(8_192);
});

test.each([
  ['one that was asked for', 5_000, 100],
  ['without an interval', undefined, 0],
])('%s stays', (_, asked, interval) => {
  const size = new CycleSize(asked, interval);
  const before = size.records;
  for (const ms of [0, 50, 1_000]) {
    size.took(ms);
    expect(size.records).toBe(before);
  }
});

test('a backlog is read in cycles that grow', async () => {
  const words = topic<string, string>('words', { value: utf8, partitions: 1 });
  const job = topology('growing', (t) => {
    t.stream(words).count('counts');
  });
  const log = new MemoryLog();
  await log.createTopics([{ name: 'words', partitions: 1, settings: {} }]);
  const writer = await log.openWriter('feeder');
  const records = Array.from({ length: 200_000 }, (): [string, string] => ['k', 'v']);
  await writer.commit({ appends: [append('words', 0, records)], offsets: [], commitId: 1 });
  const took: number[] = [];
  const runtime = await Runtime.start({
    topology: job,
    application: 'growing',
    log,
    stateDirectory: 'state',
    startHosts: async (config) => {
      const host = new TaskHost(job, config, new MemoryBackends());
      const process = host.process.bind(host);
      host.process = (work) => {
        for (const { image } of work.batches) took.push(new PackedBatch(image).count);
        return process(work);
      };
      return [host];
    },
    commitIntervalMs: 100,
    clock: new VirtualClock(),
  });
  await runtime.runUntilCaughtUp();
  expect(runtime.summary.counters.in).toBe(200_000);
  // How long the first took is not known: there is none before it.
  expect(took).toEqual([16_384, 16_384, 32_768, 65_536, 65_536, 3_392]);
  await runtime.close();
});
