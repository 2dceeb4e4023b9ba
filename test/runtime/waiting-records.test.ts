/**
 * What waits for a witness of its time, on a log that others write to as well: nobody waits for it
 * for ever.
 */

import { count, minutes, topic, topology, tumbling, utf8 } from 'millrace';
import { expect, test } from 'vitest';
import { commitIdOf } from '../../engine/base/commit-id.ts';
import { type Member, soleMember } from '../../engine/log/member.ts';
import { MemoryLog } from '../../engine/log/memory-log.ts';
import { BatchBuilder } from '../../engine/record/batch.ts';
import { firstUnread } from '../../engine/runtime/group-lag.ts';
import { decodeLedger, encodeLedger, offsetMetadata, timeOf } from '../../engine/runtime/ledger.ts';
import { Runtime } from '../../engine/runtime/runtime.ts';
import { MemoryBackends } from '../../engine/storage/memory-backend.ts';
import { TaskHost } from '../../engine/task/task-host.ts';

const left = topic<string, string>('left', { value: utf8, partitions: 1 });
const right = topic<string, string>('right', { value: utf8, partitions: 1 });
const out = topic<string, string>('out', { value: utf8, partitions: 1 });
const first = Date.UTC(2020, 0, 1);
const years = 3 * 366 * 86_400_000;

/** As Kafka's: it tells what is behind the positions, and may not know of a topic at first. */
function shared(log: MemoryLog, unknownAtFirst?: string): void {
  log.join = async (options): Promise<Member> => {
    const sole = soleMember(log, options);
    let isFirst = true;
    return {
      ...sole,
      sole: false,
      fetch: async (at, from, limits) => {
        if (at.topic !== unknownAtFirst || !isFirst) return sole.fetch(at, from, limits);
        isFirst = false;
        return { batches: [], end: false };
      },
      lag: (positions) =>
        Promise.all(positions.map(async (at) => (await log.endOffset(at)) - at.offset)),
    };
  };
}

async function feed(log: MemoryLog, name: string, times: readonly number[]): Promise<void> {
  const writer = await log.openWriter(`feed-${name}`);
  const builder = new BatchBuilder();
  for (const at of times) builder.append(Buffer.from('k'), Buffer.from('v'), at, new Uint8Array());
  const batch = builder.finishAt(0);
  const appends = [{ topic: name, partition: 0, batch }];
  await writer.commit({ appends, offsets: [], commitId: writer.lastCommitId + 1 });
}

test('a run on a shared log has caught up although a record waits', async () => {
  const built = topology('waits', (t) => {
    t.stream(left)
      .keyBy('again', (v) => v)
      .window(tumbling({ size: minutes(1), grace: 0 }))
      .aggregate('counts', count(), { emit: 'close' });
  });
  const log = new MemoryLog();
  shared(log);
  await log.createTopics([{ name: 'left', partitions: 1, settings: {} }]);
  await feed(log, 'left', [first, first + years]);
  const runtime = await Runtime.start({
    ...{ topology: built, application: 'waits', log, stateDirectory: '/state' },
    partitions: 1,
    startHosts: async (config) => [new TaskHost(built, config, new MemoryBackends())],
  });
  await runtime.runUntilCaughtUp();
  expect((await runtime.time()).sources[0]).toMatchObject({ state: 'witness', records: 1 });
  // Other members of the group know it from what is committed.
  const at = { topic: 'left', partition: 0 };
  expect((await log.committed('waits', at))?.offset).toBe(1);
  expect(await firstUnread(log, 'waits', [at])).toBeUndefined();
  await feed(log, 'left', [first + years + 1]);
  expect(await firstUnread(log, 'waits', [at])).toEqual(at);
  await runtime.runUntilCaughtUp();
  expect((await runtime.time()).sources[0]).toMatchObject({ state: 'silent', records: 0 });
  expect(runtime.summary.counters).toMatchObject({ failures: {}, drops: {} });
  await runtime.close();
});

test('a source that is known late does not hide the records of another one', async () => {
  const built = topology('two', (t) => {
    t.stream(left)
      .joinTable(t.table('rows', right), (a, b) => `${a}${b}`)
      .to(out);
  });
  const log = new MemoryLog();
  shared(log, 'right');
  const settings = { cleanup: 'compact' } as const;
  await log.createTopics([
    { name: 'left', partitions: 1, settings: {} },
    { name: 'right', partitions: 1, settings },
  ]);
  await feed(log, 'left', [first, first + 1, first + 2]);
  const runtime = await Runtime.start({
    ...{ topology: built, application: 'two', log, stateDirectory: '/state' },
    partitions: 1,
    startHosts: async (config) => [new TaskHost(built, config, new MemoryBackends())],
  });
  for (let i = 0; i < 5; i++) await runtime.cycle();
  expect(runtime.summary.counters.in).toBe(3);
  await runtime.close();
});

test('the ledger beside what waits', () => {
  const ledger = encodeLedger({ commitId: commitIdOf(7), stores: [commitIdOf(5)] }, ['counts']);
  for (const [text, given] of [
    [ledger, { time: 'sabc', waitsTo: 12 }],
    [ledger, { waitsTo: 12 }],
    [ledger, { time: 'sabc' }],
  ] as const) {
    const metadata = offsetMetadata(text, given);
    expect(decodeLedger(metadata, ['counts'])).toEqual({ commitId: 7, stores: [5] });
    expect(timeOf(metadata)).toBe('time' in given ? 'sabc' : '');
  }
  expect(offsetMetadata('', {})).toBeUndefined();
});

test.each([1, 2, 3, 40])(
  'a jump is judged alike with %i records a cycle',
  async (recordsPerCycle) => {
    const built = topology('judged', (t) => {
      t.stream(left).to(out);
    });
    const day = 86_400_000;
    const log = new MemoryLog();
    await log.createTopics([{ name: 'left', partitions: 1, settings: {} }]);
    // A wrong first row, a lone jump, then a gap that a straggler seems to contradict at first.
    const gap = first + years;
    const rows = [0, first, first + day, first + 2 * years, first + 2 * day, gap, first, gap + day];
    await feed(log, 'left', rows);
    const runtime = await Runtime.start({
      ...{ topology: built, application: 'judged', log, stateDirectory: '/state', recordsPerCycle },
      partitions: 1,
      startHosts: async (config) => [new TaskHost(built, config, new MemoryBackends())],
    });
    await runtime.runUntilCaughtUp();
    expect(runtime.summary.counters).toMatchObject({ failures: { 'left|future': 2 }, out: 6 });
    expect((await runtime.time()).sources[0]?.sourceTime).toBe(gap + day);
    await runtime.close();
  },
);
