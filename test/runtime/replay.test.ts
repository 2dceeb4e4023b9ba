/** Replay of dead letters: as they were, each once, over crashes and younger replays; sums hold. */
import { json, type Topology, topic, topology } from 'millrace';
import {
  BatchBuilder,
  type Log,
  MemoryBackends,
  MemoryLog,
  Runtime,
  TaskHost,
} from 'millrace/engine';
import { expect, onTestFinished, test } from 'vitest';
import { decodeHeaders, encodeHeaders, encodePairs } from '../../engine/record/headers.ts';
import { type ReplayReport, replayLetters } from '../../engine/runtime/replay/replay.ts';
import { whereIn, whereOf } from '../../engine/runtime/replay/where.ts';

interface Row {
  readonly n: number;
}
const rows = topic<string, Row>('rows', { value: json() });
const out = topic<string, Row>('out', { value: json() });
const application = 'job';

/** Refuses what `bad` says; with a key of its own behind it. */
function job(bad: { refuses: (row: Row) => boolean }): Topology {
  return topology(application, (t) => {
    t.stream(rows)
      .map((row) => {
        if (row.n < 0) throw new Error(`${row.n} is negative`);
        return row;
      })
      .keyBy('by-n', (row) => `n${row.n % 2}`)
      .map((row) => {
        if (bad.refuses(row)) throw new Error(`no ${row.n}`);
        return row;
      })
      .to(out);
  });
}

async function started(log: Log, built: Topology): Promise<Runtime> {
  const backends = new MemoryBackends();
  const runtime = await Runtime.start({
    ...{ topology: built, application, log, stateDirectory: 'state', partitions: 2 },
    startHosts: async (config) => [new TaskHost(built, config, backends)],
  });
  onTestFinished(() => runtime.close());
  return runtime;
}

async function write(
  log: Log,
  values: readonly (string | null)[],
  headers: Record<string, string> = {},
): Promise<void> {
  const writer = await log.openWriter('feeder');
  const builder = new BatchBuilder();
  for (const [i, value] of values.entries()) {
    const bytes = value === null ? null : Buffer.from(value);
    builder.append(Buffer.from(`k${i}`), bytes, 1_000 + i, encodeHeaders(headers));
  }
  const appends = [{ topic: 'rows', partition: 1, batch: builder.finishAt(0) }];
  await writer.commit({ appends, offsets: [], commitId: writer.lastCommitId + 1 });
}

async function read(log: Log, name: string) {
  const found = [];
  const { partitions = 0 } = (await log.topics()).find((one) => one.name === name) ?? {};
  for (let partition = 0; partition < partitions; partition++) {
    const batch = await log.read({ topic: name, partition }, 0, { records: 1_000 });
    for (let i = 0; batch !== undefined && i < batch.count; i++) {
      found.push({
        partition,
        key: batch.key(i)?.toString(),
        value: batch.value(i)?.toString(),
        time: batch.timestamps[i],
        headers: decodeHeaders(batch.headerBytes(i)),
      });
    }
  }
  return found;
}

function sum({ replayed, skipped }: ReplayReport): number {
  return replayed + Object.values(skipped).reduce((all, one) => all + one, 0);
}

const letters = `${application}-dead-letters`;
const values = (n: readonly number[]) => n.map((one) => JSON.stringify({ n: one }));

test('records go back as they were, once; what fails again names its attempts', async () => {
  const log = new MemoryLog();
  const bad = { refuses: ({ n }: Row) => n === 3 };
  const runtime = await started(log, job(bad));
  await write(log, [...values([1, -2, 3]), 'broken'], { trace: 't1', reason: 'mine' });
  await runtime.runUntilCaughtUp();
  const first = await read(log, letters);
  expect(first.map(({ headers }) => headers['stage'])).toEqual([
    'process',
    'deserialise',
    'process',
  ]);
  // The author's headers, also one that is called as one of ours.
  expect(first[0]?.headers).toMatchObject({ 'header.trace': 't1', 'header.reason': 'mine' });

  const options = { log, application, now: 0 };
  const dry = await replayLetters({ ...options, dryRun: true });
  expect(dry).toMatchObject({
    ...{ letters: 3, replayed: 3, records: 3, skipped: {} },
    stages: { process: 2, deserialise: 1 },
    topics: { rows: 2, 'job-by-n-repartition': 1 },
  });
  expect(await read(log, 'rows')).toHaveLength(4);

  bad.refuses = () => false;
  const done = await replayLetters(options);
  expect({ ...done, dryRun: true }).toEqual(dry);
  const [again, broken] = (await read(log, 'rows')).slice(4);
  expect(again).toEqual({
    ...{ partition: 1, key: 'k1', value: '{"n":-2}', time: 1_001 },
    headers: { trace: 't1', reason: 'mine', 'millrace-tried': '1' },
  });
  expect(broken).toMatchObject({ key: 'k3', value: 'broken' });
  await runtime.runUntilCaughtUp();
  expect((await read(log, 'out')).map(({ value }) => value)).toEqual(values([1, 3]));

  const second = (await read(log, letters)).slice(3);
  expect(second.map(({ headers }) => [headers['stage'], headers['attempts']])).toEqual([
    ['process', '2'],
    ['deserialise', '2'],
  ]);
  expect(second[0]?.headers).toMatchObject({ 'header.trace': 't1' });
  // It does not go round: what failed again waits for a person.
  const loop = await replayLetters(options);
  expect(loop).toMatchObject({
    ...{ letters: 5, replayed: 0 },
    skipped: { 'replayed before': 3, 'tried before': 2 },
  });
  const fixed = await replayLetters({ ...options, afterFix: true });
  expect(fixed).toMatchObject({ letters: 5, replayed: 2, skipped: { 'replayed before': 3 } });
  await runtime.runUntilCaughtUp();
  const third = (await read(log, letters)).slice(5);
  expect(third.map(({ headers }) => headers['attempts'])).toEqual(['3', '3']);
  for (const report of [dry, done, loop, fixed]) expect(sum(report)).toBe(report.letters);
});

test('a re-keyed record goes back with what its topic says of time', async () => {
  const log = new MemoryLog();
  const bad = { refuses: () => true };
  const built = topology(application, (t) => {
    t.stream(rows)
      .keyBy('by-n', (row) => `n${row.n}`)
      .map((row) => {
        if (bad.refuses()) throw new Error('no');
        return row;
      })
      .count('seen');
  });
  const runtime = await started(log, built);
  await write(log, values([1, 2]));
  await runtime.runUntilCaughtUp();
  const at = (name: string) =>
    read(log, name).then((all) => all.filter(({ key }) => key !== undefined));
  const before = await at('job-by-n-repartition');
  await replayLetters({ log, application, now: 0 });
  const after = (await at('job-by-n-repartition')).filter(
    ({ headers }) => 'millrace-tried' in headers,
  );
  const plain = ({
    headers: { 'millrace-tried': _, ...headers },
    ...one
  }: (typeof after)[number]) => ({
    ...one,
    headers,
  });
  expect(after.map(plain)).toEqual(before);
  bad.refuses = () => false;
  await runtime.runUntilCaughtUp();
  expect(await runtime.query('seen')).toHaveLength(2);
});

test('a replay that dies in a commit, and a younger one, write nothing twice', async () => {
  const log = new MemoryLog();
  const runtime = await started(log, job({ refuses: () => true }));
  await write(log, values(Array.from({ length: 5 }, (_, i) => -1 - i)));
  await runtime.runUntilCaughtUp();
  const options = { log, application, now: 0 };
  const dying = new Proxy(log, {
    get: (of, name) => {
      if (name !== 'openWriter') {
        const value = Reflect.get(of, name, of);
        return typeof value === 'function' ? value.bind(of) : value;
      }
      return async (id: string) => {
        const writer = await of.openWriter(id);
        return { ...writer, commit: () => Promise.reject(new Error('the machine dies')) };
      };
    },
  });
  await expect(replayLetters({ ...options, log: dying })).rejects.toThrow('dies');
  expect(await read(log, 'rows')).toHaveLength(5);
  const where = whereOf(['text=-2', 'text=-3', 'topic=rows']);
  const two = await replayLetters({ ...options, where });
  expect(two).toMatchObject({ replayed: 2, skipped: { 'not selected': 3 } });
  const both = await Promise.allSettled([replayLetters(options), replayLetters(options)]);
  for (const one of both) {
    if (one.status === 'rejected') expect(one.reason).toMatchObject({ code: 'LOG_FENCED' });
  }
  await replayLetters(options);
  const keys = (await read(log, 'rows')).map(({ key }) => key);
  expect(keys.toSorted()).toEqual(['k0', 'k0', 'k1', 'k1', 'k2', 'k2', 'k3', 'k3', 'k4', 'k4']);
});

test('what cannot be written back is counted by reason', async () => {
  const log = new MemoryLog();
  await started(log, job({ refuses: () => false }));
  const builder = new BatchBuilder();
  const letter = (headers: Record<string, string>, value = 'x') =>
    builder.append(null, Buffer.from(value), 0, encodeHeaders({ step: 's', ...headers }));
  const place = { stage: 'process', topic: 'rows', partition: '1', offset: '0', timestamp: '9' };
  letter({ ...place, topic: '', offset: '-1' });
  letter({ ...place, topic: 'gone' });
  letter({ ...place, topic: '__proto__' });
  letter({ ...place, partition: '7' });
  letter({ ...place, timestamp: '5000' });
  letter(place, 'y'.repeat(1_000));
  letter({ stage: 'source', topic: 'file.csv' });
  letter({ ...place, attempts: 'many' });
  builder.append(null, null, 0, encodePairs([['stage', Buffer.from('process')]]));
  const writer = await log.openWriter('feeder');
  const appends = [{ topic: letters, partition: 0, batch: builder.finishAt(0) }];
  await writer.commit({ appends, offsets: [], commitId: 1 });
  const limited = Object.assign(Object.create(log), { limits: { bytes: 500, aheadMs: 100 } });
  const report = await replayLetters({ log: bound(limited, log), application, now: 1_000 });
  expect(report).toMatchObject({
    ...{ letters: 9, replayed: 1, records: 1 },
    skipped: {
      ...{ 'no record': 2, 'topic gone': 3, 'too far ahead': 1, 'too large': 1, 'no mapping': 1 },
    },
  });
  expect(sum(report)).toBe(9);
});

/** Methods of `log` with the limits of another. */
function bound({ limits }: Log, log: MemoryLog): Log {
  return new Proxy(log, {
    get: (of, name) => {
      if (name === 'limits') return limits;
      const value = Reflect.get(of, name, of);
      return typeof value === 'function' ? value.bind(of) : value;
    },
  }) as Log;
}

test('a selection is checked', async () => {
  const log = new MemoryLog();
  await started(log, job({ refuses: () => false }));
  expect(() => whereOf(['step'])).toThrow(/name=value/);
  expect(() => whereOf(['stpe=x'])).toThrow(/there is no stpe; there are stage, step/);
  expect(() => whereIn({ step: { a: 1 } })).toThrow(/a text, or a list of texts/);
  const where = whereIn({ from: 'yesterday' });
  await expect(replayLetters({ log, application, where, now: 0 })).rejects.toThrow(/ISO 8601/);
  const nobody = replayLetters({ log, application: 'nobody', now: 0 });
  await expect(nobody).rejects.toMatchObject({ code: 'TOPIC_UNKNOWN' });
});

test('keys and times select as well', async () => {
  const log = new MemoryLog();
  const runtime = await started(log, job({ refuses: () => true }));
  await write(log, values([-1, -2, -3, -4]));
  await runtime.runUntilCaughtUp();
  const count = async (...texts: string[]) =>
    (await replayLetters({ log, application, now: 0, dryRun: true, where: whereOf(texts) }))
      .replayed;
  expect(await count('key=k0', 'key=k3')).toBe(2);
  expect(await count('from=1001', 'to=1003')).toBe(2);
  expect(await count('from=1970-01-01T00:00:01.003Z')).toBe(1);
  expect(await count('stage=process', 'partition=1', 'reason=-2 is negative')).toBe(1);
  expect(await count('partition=0')).toBe(0);
});
