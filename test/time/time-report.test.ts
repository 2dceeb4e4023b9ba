/** What a runtime says of its time: sources, tasks, steps, and who holds whom back. */
import { count, minutes, type Topic, topic, topology, tumbling, utf8 } from 'millrace';
import { testDriver } from 'millrace/testing';
import { expect, it } from 'vitest';
import { liveText } from '../../engine/cli/live.ts';
import { metricsObserver } from '../../engine/runtime/observe.ts';

const orders = topic<string, string>('orders', { value: utf8, partitions: 2 });
const first = 1_700_000_000_000;

const perCustomer = topology('per-customer', (t) => {
  t.stream(orders)
    .keyBy('by-customer', (v) => v)
    .window(tumbling({ size: minutes(1), grace: 0 }))
    .aggregate('per-minute', count(), { emit: 'close' });
});

const row = (at: number, partition: number) => ({
  ...{ key: Buffer.from('o'), value: Buffer.from('c') },
  ...{ timestamp: first + at, partition },
});
const into =
  (to: Topic<string, string>, driver: Awaited<ReturnType<typeof testDriver>>) =>
  (...rows: ReturnType<typeof row>[]) =>
    driver.pipeBytes(to, rows);

it('the watermark and its lag, and the source partition that holds it back', async () => {
  const driver = await testDriver(perCustomer, { partitions: 2 });
  const pipe = into(orders, driver);
  await pipe(row(90_000, 0));
  const before = await driver.time();
  expect(before).toMatchObject({ application: 'test', newest: first + 90_000 });
  expect(before.sources.map((s) => [s.topic, s.partition, s.state, s.sourceTime])).toEqual([
    ['orders', 0, 'silent', first + 90_000],
    ['orders', 1, 'silent', null],
  ]);
  const held = { kind: 'source', topic: 'orders', partition: 1, state: 'silent', promise: null };
  const counting = before.tasks.filter(({ part }) => part === 1);
  expect(counting.map(({ by, watermark, heldBackBy }) => [by, watermark, heldBackBy])).toEqual([
    ['sources', null, [held]],
    ['sources', null, [held]],
  ]);
  await pipe(row(30_000, 1));
  const after = await driver.time();
  for (const task of after.tasks.filter(({ part }) => part === 1)) {
    expect(task).toMatchObject({
      ...{ watermark: first + 30_000, behindMs: 60_000 },
      heldBackBy: [{ ...held, promise: first + 30_000 }],
      steps: [{ step: 'per-minute', time: first + 30_000, behindMs: 60_000 }],
    });
  }
  const dues = after.tasks.flatMap(({ steps }) => steps.map(({ nextDue }) => nextDue));
  expect(dues.filter((due) => due !== null)).toEqual([first + 40_000]);
  const text = liveText(after);
  expect(text).toContain('orders/1 (silent)');
  expect(text).toContain('1m');
  await pipe(row(90_000, 1));
  const level = await driver.time();
  expect(level.tasks.flatMap(({ heldBackBy }) => heldBackBy)).toEqual([]);
  await driver.restart();
  const again = await driver.time();
  expect(again.tasks.map(({ watermark }) => watermark)).toEqual(
    level.tasks.map(({ watermark }) => watermark),
  );
  await driver.close();
});

it('records that the guard refuses are counted where they were read', async () => {
  const driver = await testDriver(perCustomer, { partitions: 2 });
  const year = 366 * 86_400_000;
  await into(orders, driver)(row(0, 1), row(3 * year, 1), row(1_000, 1), row(0, 0), row(2_000, 1));
  const { sources } = await driver.time();
  expect(sources.map(({ partition, refused }) => [partition, refused])).toEqual([
    [0, 0],
    [1, 1],
  ]);
  expect(sources[1]?.sourceTime).toBe(first + 2_000);
  await driver.close();
});

it('a record that waits for a witness of its time is told apart from silence', async () => {
  const driver = await testDriver(perCustomer, { partitions: 2 });
  const year = 366 * 86_400_000;
  const pipe = into(orders, driver);
  await pipe(row(0, 1));
  await pipe(row(3 * year, 1));
  const { sources } = await driver.time();
  expect(sources[1]).toMatchObject({ state: 'witness', records: 1, refused: 0 });
  await driver.close();
});

it('steps that go by their records tell their own time', async () => {
  const built = topology('by-records', (t) => {
    t.stream(orders)
      .window(tumbling({ size: minutes(1), grace: 0 }))
      .aggregate('per-minute', count(), { emit: 'close' });
  });
  const driver = await testDriver(built, { partitions: 2 });
  await into(orders, driver)(row(5_000, 0), row(7_000, 0));
  const { tasks } = await driver.time();
  expect(tasks.map(({ by, watermark, steps }) => [by, watermark, steps[0]?.time])).toEqual([
    ['records', first + 7_000, first + 7_000],
    ['records', null, null],
  ]);
  await driver.close();
});

it('metrics tell the same, and nothing of what runs here no more', async () => {
  const driver = await testDriver(perCustomer, { partitions: 2 });
  let isHere = true;
  const { registry } = metricsObserver(
    async () => [],
    async () => (isHere ? driver.time() : undefined),
  );
  await into(orders, driver)(row(90_000, 0), row(30_000, 1));
  const text = await registry.metrics();
  for (const line of [
    'millrace_source_time_seconds{topic="orders",partition="0"} 1700000090',
    'millrace_source_state{state="silent"} 2',
    'millrace_source_time_refused{topic="orders",partition="1"} 0',
    'millrace_watermark_seconds{task="1_0"} 1700000030',
    'millrace_watermark_behind_seconds{task="1_1"} 60',
    'millrace_step_time_behind_seconds{step="per-minute"} 60',
    'millrace_time_held_tasks{holder="orders/1"} 3',
  ]) {
    expect(text.split('\n')).toContain(line);
  }
  isHere = false;
  expect(await registry.metrics()).not.toMatch(/^millrace_(source|watermark|step|time_held)/m);
  await driver.close();
});
