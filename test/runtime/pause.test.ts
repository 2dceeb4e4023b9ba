/**
 * Pause and resume: nothing is read, questions are answered, a restart keeps it, nothing is lost or
 * late.
 */

import { count, json, topic, topology, tumbling, utf8 } from 'millrace';
import {
  MemoryBackends,
  MemoryLog,
  Runtime,
  type SourceConnector,
  TaskHost,
} from 'millrace/engine';
import { expect, onTestFinished, test } from 'vitest';
import { VirtualClock } from '../../engine/base/clock.ts';
import type { Observer } from '../../engine/base/events.ts';
import { systemScheduler } from '../../engine/base/scheduler.ts';
import { HealthWatch } from '../../engine/http/health.ts';
import { append } from '../../engine/laws/index.ts';
import { checkPause, nothingPaused, pausedAfter } from '../../engine/runtime/pause.ts';

const left = topic<string, string>('left', { value: utf8, partitions: 2 });
const right = topic<string, string>('right', { value: utf8, partitions: 2 });
const other = topic<string, string>('other', { value: utf8, partitions: 1 });
const rows = topic<string, unknown>('rows', { value: json(), partitions: 1 });
const minute = 60_000;
const start = 1_700_000_000_000;

const job = topology('job', (t) => {
  t.stream(left).merge(t.stream(right)).count('both');
  t.stream(other)
    .window(tumbling({ size: minute, grace: 0 }))
    .aggregate('by-minute', count());
  t.stream(rows).count('rows-seen');
});

async function world() {
  const log = new MemoryLog();
  const clock = new VirtualClock(start);
  const backends = new MemoryBackends();
  const health = new HealthWatch(clock);
  const told: unknown[] = [];
  const observer: Observer = {
    on: (name, event) => {
      if (name === 'pauseChanged') told.push(event);
      health.observer.on(name, event);
    },
  };
  let n = 0;
  const begin = async (sources: readonly SourceConnector[] = []) => {
    const runtime = await Runtime.start({
      ...{ topology: job, application: 'job', log, stateDirectory: 'state', clock, sources },
      ...{ idleAfterMs: 1_000, observer },
      startHosts: async (config) => [new TaskHost(job, config, backends)],
      // Time passes where it is waited for.
      scheduler: {
        ...systemScheduler,
        sleep: (ms) => {
          clock.advance(ms);
          return systemScheduler.yieldNow();
        },
      },
    });
    let closed = false;
    const close = async () => {
      if (!closed) await runtime.close();
      closed = true;
    };
    onTestFinished(close);
    /** Runs for so many ms of the clock. */
    const runFor = async (ms: number) => {
      const stop = new AbortController();
      const until = clock.monotonic() + ms;
      const running = runtime.run(stop.signal);
      while (clock.monotonic() < until) await systemScheduler.yieldNow();
      stop.abort();
      await running;
    };
    const total = async (table: string) =>
      (await runtime.query(table)).reduce((sum, row) => sum + Number(row.value), 0);
    return { runtime, runFor, total, close };
  };
  const feed = async (name: string, partition: number, records: number, at = clock.now()) => {
    const writer = await log.openWriter('feeder');
    const pairs = Array.from({ length: records }, (): [string, string] => ['k', '1']);
    const appended = append(name, partition, pairs);
    appended.batch.timestamps.fill(at);
    await writer.commit({ appends: [appended], offsets: [], commitId: ++n });
  };
  return { log, clock, health, told, begin, feed };
}

test('the whole application: over a restart, and what came meanwhile is neither lost nor late', async () => {
  const { clock, health, begin, feed } = await world();
  const first = await begin();
  await feed('other', 0, 3);
  await first.runFor(100);
  expect(await first.total('by-minute')).toBe(3);
  expect(await first.runtime.pause({ pause: true })).toMatchObject({ all: true });
  expect(health.health).toMatchObject({ status: 'paused', paused: { all: true } });
  await feed('left', 0, 5);
  await feed('other', 0, 2);
  await first.runFor(5 * minute);
  expect(await first.total('both')).toBe(0);
  expect(await first.total('by-minute')).toBe(3);
  expect((await first.runtime.lag()).reduce((sum, { records }) => sum + records, 0)).toBe(7);
  await first.close();

  const second = await begin();
  expect(second.runtime.paused.all).toBe(true);
  expect(health.health.status).toBe('paused');
  await second.runFor(5 * minute);
  expect(await second.total('both')).toBe(0);
  expect(await second.runtime.pause({ pause: false })).toEqual(nothingPaused);
  await second.runFor(100);
  expect(await second.total('both')).toBe(5);
  // Ten minutes of the clock have gone by; by the records none has.
  expect(await second.total('by-minute')).toBe(5);
  expect(second.runtime.summary.counters.drops).toEqual({});
  expect(health.health.status).toBe('running');
  expect(clock.now()).toBeGreaterThan(start + 10 * minute);
});

test('a start tells what is paused now, not what was', async () => {
  const { told, begin } = await world();
  const first = await begin();
  await first.runtime.pause({ pause: true });
  await first.runtime.pause({ pause: false });
  await first.close();
  expect(told).toMatchObject([{ all: true }, { all: false }]);
  const second = await begin();
  await second.runFor(10);
  expect(told).toHaveLength(2);
  await second.runtime.pause({ pause: true });
  await second.close();
  await begin();
  expect(told.slice(2)).toMatchObject([{ all: true }, { all: true }]);
});

test('a topic or a partition: what is read together waits, other tasks go on', async () => {
  const { begin, feed } = await world();
  const { runtime, runFor, total } = await begin();
  await runtime.pause({ pause: true, topic: 'left' });
  await feed('right', 0, 1);
  await feed('other', 0, 1);
  await runFor(100);
  expect([await total('both'), await total('by-minute')]).toEqual([0, 1]);
  await runtime.pause({ pause: true, topic: 'right', partition: 1 });
  await runtime.pause({ pause: false, topic: 'left' });
  await feed('left', 1, 1);
  await runFor(100);
  expect(await total('both')).toBe(1);
  expect(runtime.paused.partitions).toEqual(['right/1']);
  await runtime.pause({ pause: false });
  await runFor(100);
  expect(await total('both')).toBe(2);
});

test('a run until caught up waits for the end of a pause', async () => {
  const { begin, feed, log } = await world();
  const { runtime, total } = await begin();
  await runtime.pause({ pause: true });
  await feed('left', 0, 4);
  let done = false;
  const running = runtime.runUntilCaughtUp().then(() => {
    done = true;
  });
  for (let i = 0; i < 200; i++) await systemScheduler.yieldNow();
  expect(done).toBe(false);
  // Another process says it, in the log.
  const { writePause } = await import('../../engine/runtime/pause.ts');
  await writePause(log, 'job', { pause: false });
  await running;
  expect(await total('both')).toBe(4);
});

test('a source that is paused brings nothing', async () => {
  const { begin } = await world();
  let asked = 0;
  const source: SourceConnector = {
    name: 'taps',
    topics: [rows],
    open: async () => {},
    next: async () => {
      asked++;
      const nothing = { outputs: [], records: 0, bytes: 0, deadLettered: 0, eventTime: 0 };
      return { ...nothing, cursor: asked, done: false, idle: true };
    },
    close: async () => {},
  };
  const { runtime, runFor } = await begin([source]);
  await runFor(100);
  expect(asked).toBeGreaterThan(0);
  await runtime.pause({ pause: true, source: 'taps' });
  const before = asked;
  await runFor(1_000);
  expect(asked).toBe(before);
  await runtime.pause({ pause: false, source: 'taps' });
  await runFor(100);
  expect(asked).toBeGreaterThan(before);
});

test('what there is not is refused', () => {
  const known = { topics: new Map([['left', 2]]), sources: ['taps'] };
  const check = (change: Parameters<typeof checkPause>[0]) => () => checkPause(change, known);
  expect(check({ pause: true })).not.toThrow();
  expect(check({ pause: true, topic: 'left', partition: 1 })).not.toThrow();
  expect(check({ pause: true, topic: 'lefft' })).toThrow(/no lefft is read; there are: left/);
  expect(check({ pause: true, topic: 'left', partition: 2 })).toThrow(/has 2, there is no 2/);
  expect(check({ pause: true, partition: 2 })).toThrow(/name that, too/);
  expect(check({ pause: true, source: 'tap' })).toThrow(/there are: taps/);
  expect(check({ pause: true, source: 'taps', topic: 'left' })).toThrow(/not both/);
  const whole = pausedAfter(nothingPaused, { pause: true, topic: 'left' });
  const part = { topic: 'left', partition: 0 };
  expect(pausedAfter(whole, { pause: true, ...part })).toEqual(whole);
  expect(() => pausedAfter(whole, { pause: false, ...part })).toThrow(/resume the topic/);
});
