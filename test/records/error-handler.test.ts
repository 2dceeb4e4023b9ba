/**
 * Error handlers of the author: fail, skip, dead letter, or another attempt later; with order,
 * state and time kept.
 */
import { type ErrorAnswer, json, type TopologyBuilder, topic, topology } from 'millrace';
import { testDriver } from 'millrace/testing';
import { expect, onTestFinished, test } from 'vitest';

interface Row {
  readonly n: number;
}
const rows = topic<string, Row>('rows', { value: json() });
const out = topic<string, Row>('out', { value: json() });

interface Asked {
  readonly step: string;
  readonly stage: string;
  readonly offset: number;
  readonly attempt: number;
  readonly value: string | undefined;
}

/** A row of n below 0 fails while `broken`; what was counted before it fails, too. */
async function started(
  answer: (attempt: number) => ErrorAnswer,
  more: (t: TopologyBuilder) => void = () => {},
  partitions = 1,
) {
  const world = { broken: true, asked: [] as Asked[] };
  const job = topology('job', (t) => {
    t.onError((error, { step, stage, offset, value }, attempt) => {
      expect(error).toBeInstanceOf(Error);
      world.asked.push({ step, stage, offset, attempt, value: value?.toString() });
      return answer(attempt);
    });
    more(t);
    const read = t.stream(rows);
    read.count('seen');
    read
      .map((row) => {
        if (row.n < 0 && world.broken) throw new Error(`${row.n}`);
        return row;
      })
      .to(out);
  });
  const driver = await testDriver(job, { partitions });
  onTestFinished(() => driver.close());
  const pipe = (...ns: number[]) =>
    driver.pipeAll(
      rows,
      ns.map((n) => ({ key: 'k', value: { n }, timestamp: 1_000 })),
    );
  const written = async () => (await driver.read(out)).map(({ value }) => value?.n);
  const seen = async () => (await driver.rows({ store: 'seen' } as never)) as { value: number }[];
  return { driver, world, pipe, written, seen };
}

test('a record is tried again after its time; the order of its partition stays, nothing counts twice', async () => {
  const { driver, world, pipe, written, seen } = await started((attempt) => ({
    retryAfterMs: 100 * attempt,
  }));
  await pipe(1, -2, 3);
  expect(await written()).toEqual([1]);
  expect(world.asked.at(-1)).toEqual({
    ...{ step: 'map', stage: 'process', offset: 1, attempt: 1, value: '{"n":-2}' },
  });
  await driver.advanceWallClock(99);
  await pipe(4);
  expect(world.asked.at(-1)?.attempt).toBe(1);
  await driver.advanceWallClock(1);
  expect(world.asked.at(-1)?.attempt).toBe(2);
  await driver.advanceWallClock(199);
  expect(world.asked.at(-1)?.attempt).toBe(2);
  expect(await written()).toEqual([]);
  world.broken = false;
  await driver.advanceWallClock(1);
  expect(await written()).toEqual([-2, 3, 4]);
  expect((await seen()).map(({ value }) => value)).toEqual([4]);
  expect(driver.summary.counters).toMatchObject({
    ...{ in: 4, processed: 4, dropped: 0, deadLettered: 0 },
  });
  expect(await driver.deadLetters()).toEqual([]);
});

test('a handler gives up after some attempts; a restart counts from the first one', async () => {
  const { driver, world, pipe, written } = await started((attempt) =>
    attempt < 3 ? { retryAfterMs: 10 } : 'deadLetter',
  );
  await pipe(-1, 2);
  await driver.advanceWallClock(10);
  expect(world.asked.at(-1)?.attempt).toBe(2);
  await driver.restart();
  await driver.advanceWallClock(0);
  expect(world.asked.at(-1)?.attempt).toBe(1);
  await driver.advanceWallClock(10);
  await driver.advanceWallClock(10);
  expect(world.asked.at(-1)?.attempt).toBe(3);
  expect(await written()).toEqual([2]);
  expect((await driver.deadLetters()).map(({ headers }) => headers['reason'])).toEqual(['-1']);
});

test('other partitions go on, and time waits with the record', async () => {
  const { driver, world, written } = await started(() => ({ retryAfterMs: 1_000 }), undefined, 2);
  const bytes = (n: number) => ({
    ...{ key: Buffer.from('k'), value: Buffer.from(JSON.stringify({ n })), timestamp: 1_000 },
  });
  await driver.pipeBytes(rows as never, [
    { ...bytes(-1), partition: 0 },
    { ...bytes(2), partition: 0 },
    { ...bytes(3), partition: 1 },
    { ...bytes(4), partition: 1 },
  ]);
  expect(await written()).toEqual([3, 4]);
  world.broken = false;
  await driver.advanceWallClock(1_000);
  expect(await written()).toEqual([-1, 2]);
});

test('skip counts the record, fail ends the run', async () => {
  const skipping = await started(() => 'skip');
  await skipping.pipe(1, -2, 3);
  expect(await skipping.written()).toEqual([1, 3]);
  expect(skipping.driver.summary.counters).toMatchObject({
    ...{ in: 3, processed: 2, dropped: 1, deadLettered: 0, drops: { 'map|skipped': 1 } },
  });
  expect((await skipping.seen()).map(({ value }) => value)).toEqual([2]);
  const failing = await started(() => 'fail');
  await expect(failing.pipe(1, -2)).rejects.toMatchObject({ code: 'RECORD_FAILED' });
});

test('what cannot be read is asked about as well; a step may have a handler of its own', async () => {
  const { driver, pipe, world } = await started(
    () => 'deadLetter',
    (t) => t.onError(() => 'skip', { step: 'map' }),
  );
  await driver.pipeBytes(rows as never, [
    { key: null, value: Buffer.from('broken'), timestamp: 1 },
  ]);
  expect(world.asked).toEqual([
    { step: 'rows', stage: 'deserialise', offset: 0, attempt: 1, value: 'broken' },
  ]);
  await pipe(-1);
  expect(world.asked).toHaveLength(1);
  expect(await driver.deadLetters()).toHaveLength(1);
});

test('calls to the world outside are tried again as a record', async () => {
  let fails = 2;
  const asking = topology('asking', (t) => {
    t.onError(() => ({ retryAfterMs: 50 }));
    const read = t.stream(rows);
    read.count('seen');
    read
      .asyncMap(async (row) => {
        if (row.n === 2 && fails-- > 0) throw new Error('it is away');
        return row;
      })
      .to(out);
  });
  const driver = await testDriver(asking);
  onTestFinished(() => driver.close());
  await driver.pipeAll(
    rows,
    [1, 2, 3].map((n) => ({ key: 'k', value: { n }, timestamp: n })),
  );
  for (let i = 0; i < 5; i++) await driver.advanceWallClock(50);
  expect((await driver.read(out)).map(({ value }) => value?.n)).toEqual([1, 2, 3]);
  expect(await driver.deadLetters()).toEqual([]);
});

test('wrong settings and wrong answers are refused', async () => {
  const build = (define: (t: TopologyBuilder) => void) => () =>
    topology('wrong', (t) => {
      t.stream(rows).to(out);
      define(t);
    });
  expect(build((t) => t.onError('skip' as never))).toThrow(/onError\.handler/);
  expect(build((t) => t.onError(() => 'skip', { step: 'mpa' }))).toThrow(/no step or topic mpa/);
  expect(build((t) => t.onError(() => 'skip', { stpe: 'map' } as never))).toThrow(/stpe/);
  for (const wrong of ['retry', undefined, { retryAfterMs: -1 }, Promise.resolve('skip')]) {
    const { pipe } = await started(() => wrong as never);
    await expect(pipe(-1)).rejects.toMatchObject({
      ...{ code: 'CONFIG_INVALID', context: { field: 'onError of map' } },
    });
  }
  const throwing = await started(() => {
    throw new Error('no');
  });
  await expect(throwing.pipe(-1)).rejects.toThrow(/the handler failed of no/);
});
