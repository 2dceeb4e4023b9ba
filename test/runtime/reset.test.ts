/**
 * Reset: a run afterwards computes what the first one did, whatever state lies about; what is
 * broken off is refused.
 */
import { join } from 'node:path';
import { count, json, topic, topology, tumbling, utf8 } from 'millrace';
import {
  backendsOf,
  type Log,
  MemoryBackends,
  MemoryLog,
  openEmbeddedLog,
  Runtime,
  TaskHost,
} from 'millrace/engine';
import { describe, expect, onTestFinished, test } from 'vitest';
import { append } from '../../engine/laws/index.ts';
import { planReset, type ResetTo, reset } from '../../engine/runtime/reset.ts';
import { emptyFolder } from '../process/millrace.ts';

interface Row {
  readonly n: number;
}
const rows = topic<string, Row>('rows', { value: json(), partitions: 2 });
const names = topic<string, string>('names', { value: utf8, partitions: 1 });
const out = topic<string, unknown>('out', { value: json(), partitions: 1 });
const application = 'job';

const job = topology(application, (t) => {
  const named = t.globalTable(names);
  const read = t.stream(rows);
  const joined = read.joinGlobal(
    named,
    (row) => `n${row.n}`,
    (row, name) => ({ ...row, name }),
  );
  joined.to(out);
  joined
    .keyBy('by-n', (row) => `n${row.n}`)
    .window(tumbling({ size: 10, grace: 5 }))
    .aggregate('windows', count());
  read.count('totals');
});

async function feed(log: Log, from: number, records: number): Promise<void> {
  const writer = await log.openWriter('feeder');
  for (let i = from; i < from + records; i++) {
    const batch = append('rows', i % 2, [[`k${i % 3}`, JSON.stringify({ n: i % 4 })]]);
    batch.batch.timestamps.fill(i * 3);
    const commitId = writer.lastCommitId + 1 + i;
    await writer.commit({ appends: [batch], offsets: [], commitId });
  }
}

/** Runs until caught up; what the tables hold, and what was written to `out` since. */
async function ran(log: Log, backends: MemoryBackends) {
  const before = (await log.topics()).some(({ name }) => name === 'out')
    ? await log.endOffset({ topic: 'out', partition: 0 })
    : 0;
  const runtime = await Runtime.start({
    ...{ topology: job, application, log, stateDirectory: 'state' },
    startHosts: async (config) => [new TaskHost(job, config, backends)],
  });
  try {
    await runtime.runUntilCaughtUp();
    const batch = await log.read({ topic: 'out', partition: 0 }, before, { records: 1_000 });
    const written = [];
    for (let i = 0; batch !== undefined && i < batch.count; i++) {
      written.push([
        batch.key(i)?.toString('hex'),
        batch.value(i)?.toString(),
        batch.timestamps[i],
      ]);
    }
    const tables = {
      totals: await runtime.query('totals'),
      windows: await runtime.query('windows'),
    };
    return { written, tables, restored: runtime.summary.restored };
  } finally {
    await runtime.close();
  }
}

async function embedded(folder: string): Promise<Log> {
  return openEmbeddedLog({
    directory: folder,
    application,
    backends: backendsOf('rocksdb-native'),
  });
}

describe.each(['memory', 'embedded'])('on the %s log', (kind) => {
  test('results are those of the first run, state of before is nobody’s', async () => {
    const folder = join(await emptyFolder(), 'log');
    let log: Log = kind === 'memory' ? new MemoryLog() : await embedded(folder);
    onTestFinished(() => log.close());
    const again = async () => {
      if (kind === 'memory') return;
      await log.close();
      // What a reset leaves is whole: it is verified when the log is opened.
      log = await embedded(folder);
    };
    const backends = new MemoryBackends();
    await log.createTopics([
      { name: 'rows', partitions: 2, settings: {} },
      { name: 'names', partitions: 1, settings: {} },
    ]);
    const writer = await log.openWriter('namer');
    const pairs = [0, 1, 2, 3].map((n): [string, string] => [`n${n}`, `name ${n}`]);
    await writer.commit({ appends: [append('names', 0, pairs)], offsets: [], commitId: 1 });
    await feed(log, 0, 40);
    const first = await ran(log, backends);
    expect(first.written.length).toBeGreaterThan(0);
    const given = (to: ResetTo) => ({ log, application, topology: job, to });
    const shown = await planReset(given('earliest'));
    expect(shown.inputs).toEqual([
      { topic: 'rows', partition: 0, committed: 20, next: 0 },
      { topic: 'rows', partition: 1, committed: 20, next: 0 },
    ]);
    const emptied = shown.internal.map(({ topic: name }) => name);
    expect(emptied).toEqual([
      ...['job-by-n-repartition', 'job-totals-changelog', 'job-windows-changelog'],
    ]);
    expect(shown.kept).toEqual(expect.arrayContaining(['out', 'job-dead-letters', 'job-cursors']));
    // Nothing was done yet.
    expect(await ran(log, backends)).toMatchObject({ written: [], tables: first.tables });

    await reset(given('earliest'));
    await again();
    const second = await ran(log, backends);
    expect(second).toEqual({ ...first, restored: 0 });
    // It is restored and goes on, as any application does.
    await again();
    expect((await ran(log, new MemoryBackends())).tables).toEqual(first.tables);
    await feed(log, 40, 10);
    const third = await ran(log, backends);
    await reset(given('earliest'));
    await again();
    expect((await ran(log, backends)).tables).toEqual(third.tables);

    await reset({ ...given(120), log });
    expect(
      (await ran(log, backends)).tables.totals.reduce((n, { value }) => n + Number(value), 0),
    ).toBe(10);
    await reset({ ...given('latest'), log });
    expect((await ran(log, backends)).tables).toEqual({ totals: [], windows: [] });
  });
});

test('a reset that is broken off refuses every start until it is finished', async () => {
  const log = new MemoryLog();
  const backends = new MemoryBackends();
  await log.createTopics([{ name: 'rows', partitions: 2, settings: {} }]);
  await feed(log, 0, 8);
  const first = await ran(log, backends);
  const given = { log, application, topology: job, to: 'earliest' as const };
  const forget = log.forget.bind(log);
  log.forget = async (what) => {
    await forget(what);
    throw new Error('the machine dies');
  };
  await expect(reset(given)).rejects.toThrow('dies');
  await expect(ran(log, backends)).rejects.toMatchObject({ code: 'RESET_UNFINISHED' });
  log.forget = forget;
  await reset(given);
  expect((await ran(log, backends)).tables).toEqual(first.tables);
});
