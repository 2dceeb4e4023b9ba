/**
 * A runtime on a clock that is wrong for a moment, and on source partitions that are silent or far
 * behind.
 */
import {
  count,
  days,
  hours,
  minutes,
  type Stream,
  seconds,
  type Topology,
  topic,
  topology,
  tumbling,
  utf8,
} from 'millrace';
import { expect, it, onTestFinished } from 'vitest';
import { type Clock, systemClock } from '../../engine/base/clock.ts';
import { MemoryLog } from '../../engine/log/memory-log.ts';
import { BatchBuilder } from '../../engine/record/batch.ts';
import type { RuntimeSettings } from '../../engine/runtime/run-settings.ts';
import { Runtime } from '../../engine/runtime/runtime.ts';
import { MemoryBackends } from '../../engine/storage/memory-backend.ts';
import type { StepHook } from '../../engine/task/commit.ts';
import { TaskHost } from '../../engine/task/task-host.ts';

const orders = topic<string, string>('orders', { value: utf8, partitions: 2 });
const closed = topic<string, string>('closed', { value: utf8, partitions: 1 });

const perCustomer = (size: number, grace = 0) =>
  topology('per-customer', (t) => {
    const counted: Stream<unknown, string> = t
      .stream(orders)
      .keyBy('by-customer', (v) => v)
      .window(tumbling({ size, grace }))
      .aggregate('counts', count(), { emit: 'close' })
      .changes()
      .map((n, { key, start }) => `${key} ${start}: ${n}`);
    counted.keyBy('out', () => 'all', { key: utf8, value: utf8 }).to(closed);
  });

interface Order {
  readonly partition: number;
  readonly at: number;
  readonly customer?: string;
}

async function feeder(log: MemoryLog): Promise<(orders: readonly Order[]) => Promise<void>> {
  const writer = await log.openWriter('feeder');
  let commitId = 0;
  return async (list) => {
    const appends = [0, 1].flatMap((partition) => {
      const own = list.filter((order) => order.partition === partition);
      if (own.length === 0) return [];
      const builder = new BatchBuilder();
      for (const { at, customer = 'c' } of own) {
        builder.append(Buffer.from('o'), Buffer.from(customer), at, new Uint8Array());
      }
      return [{ topic: orders.name, partition, batch: builder.finishAt(0) }];
    });
    await writer.commit({ appends, offsets: [], commitId: ++commitId });
  };
}

interface Given extends RuntimeSettings {
  readonly topology: Topology;
  readonly log: MemoryLog;
  readonly clock?: Clock;
  readonly at?: StepHook;
}

async function start({ topology: built, ...given }: Given): Promise<Runtime> {
  const runtime = await Runtime.start({
    ...{ topology: built, application: 'clocks', stateDirectory: '/state' },
    startHosts: async (config) => [new TaskHost(built, config, new MemoryBackends())],
    guardByClock: true,
    partitions: 2,
    ...given,
  });
  onTestFinished(() => runtime.close());
  return runtime;
}

async function valuesOf(log: MemoryLog): Promise<string[]> {
  const values: string[] = [];
  for (let from = 0; ; ) {
    const batch = await log.read({ topic: closed.name, partition: 0 }, from, { records: 1_000 });
    if (batch === undefined) return values.sort();
    for (let i = 0; i < batch.count; i++) values.push(batch.value(i)?.toString() ?? '');
    from = batch.nextOffset;
  }
}

async function until(is: () => Promise<boolean>): Promise<void> {
  while (!(await is())) await new Promise((done) => setTimeout(done, 5));
}

it('a wall clock an hour ahead for a moment makes nothing late', { timeout: 60_000 }, async () => {
  let wrongMs = 0;
  const clock: Clock = {
    now: () => systemClock.now() + wrongMs,
    monotonic: () => systemClock.monotonic(),
  };
  const log = new MemoryLog();
  const built = perCustomer(seconds(1));
  const runtime = await start({ topology: built, log, clock, idleAfterMs: 100 });
  const feed = await feeder(log);
  const stop = new AbortController();
  const running = runtime.run(stop.signal);
  const standOf = async (partition: number) =>
    (await runtime.time()).sources[partition]?.stand ?? Number.NEGATIVE_INFINITY;
  const order = async () => {
    const at = systemClock.now();
    await feed([{ partition: 0, at }]);
    await until(async () => (await standOf(0)) >= at);
  };
  await order();
  // Partition 1 is idle and goes by the wall clock.
  await until(async () => (await standOf(1)) > 0);
  const before = await standOf(1);
  wrongMs = hours(1);
  // It promises several times while the clock is wrong.
  await until(async () => (await standOf(1)) > before + 1_500);
  expect(await standOf(1)).toBeLessThan(systemClock.now() + 1);
  wrongMs = 0;
  for (let i = 0; i < 5; i++) await order();
  stop.abort();
  const { counters } = await running;
  expect(counters.drops).toEqual({});
  expect(counters.failures).toEqual({});
});

it('an idle partition beside a busy one goes by the wall clock', { timeout: 60_000 }, async () => {
  const log = new MemoryLog();
  const built = perCustomer(seconds(1));
  const runtime = await start({ topology: built, log, idleAfterMs: 100 });
  const feed = await feeder(log);
  const stop = new AbortController();
  const running = runtime.run(stop.signal);
  const at = systemClock.now();
  await feed([{ partition: 1, at, customer: 'alone' }]);
  // Its window closes while the neighbour's records never pause.
  await until(async () => {
    await feed([{ partition: 0, at: systemClock.now(), customer: 'busy' }]);
    return (await valuesOf(log)).some((value) => value.startsWith('alone'));
  });
  const start1 = Math.floor(at / 1_000) * 1_000;
  expect(await valuesOf(log)).toContain(`alone ${start1}: 1`);
  stop.abort();
  expect((await running).counters.drops).toEqual({});
});

const first = Date.UTC(2024, 0, 1);

/** Greatest number of open windows during a replay, sampled after every commit. */
async function mostOpen(behindMs: number, settings: RuntimeSettings = {}) {
  const log = new MemoryLog();
  const built = perCustomer(hours(1), days(1));
  const samples: Promise<number>[] = [];
  let runtime: Runtime | undefined;
  const at: StepHook = (step) => {
    if (step !== 'done' || runtime === undefined) return;
    samples.push(runtime.query('counts').then((rows) => rows.length));
  };
  runtime = await start({ topology: built, log, at, recordsPerCycle: 60, ...settings });
  const feed = await feeder(log);
  const ofPartition = (partition: number, from: number) =>
    Array.from({ length: (first + days(20) - from) / minutes(30) }, (_, i) => ({
      ...{ partition, at: from + i * minutes(30) },
      customer: `c${i % 4}`,
    }));
  await feed([...ofPartition(0, first), ...ofPartition(1, first - behindMs)]);
  await runtime.runUntilCaughtUp();
  await runtime.closeInput();
  expect(runtime.summary.counters.drops).toEqual({});
  return { most: Math.max(...(await Promise.all(samples))), values: await valuesOf(log) };
}

it('a replay in which one partition is 30 days behind keeps as little state', async () => {
  const aligned = await mostOpen(0);
  const behind = await mostOpen(days(30));
  expect(behind.most).toBeLessThanOrEqual(2 * aligned.most);
  // As they come, what the fast partition brings waits for the slow one.
  const asTheyCome = await mostOpen(days(30), { maxDriftMs: Number.POSITIVE_INFINITY });
  expect(asTheyCome.most).toBeGreaterThan(4 * behind.most);
  expect(asTheyCome.values).toEqual(behind.values);
});
