/** History in perfect order loses nothing behind keyBy, at any width, and equals a batch recomputation. */
import {
  count,
  hopping,
  hours,
  joinWindow,
  minutes,
  type Stream,
  session,
  type TopologyBuilder,
  topic,
  topology,
  tumbling,
  utf8,
} from 'millrace';
import { testDriver } from 'millrace/testing';
import { describe, expect, test } from 'vitest';
import { type Arrival, hoppingWindows, joinedPairs, sessions } from './sources.ts';

const orders = topic<string, string>('orders', { value: utf8 });
const out = topic<string, string>('out', { value: utf8 });
const [orderCount, customers] = [1_200, 25];
const every = 75_000;

/** One order each 75 s; the value names its customer. */
const history = Array.from({ length: orderCount }, (_, i) => ({
  key: `o${i}`,
  value: `c${(i * 7) % customers}`,
  timestamp: 1_700_000_000_000 + i * every,
}));

const inOrder = history.map(
  ({ value, timestamp }): Arrival => ({ key: value, at: timestamp, stand: timestamp }),
);

const shown = (key: string, start: number, end: number, n: number) =>
  `${key} ${start}..${end}=${n}`;

type Build = (input: Stream<string, string>, t: TopologyBuilder) => Stream<unknown, string>;

const hour = { size: hours(1), advance: minutes(20), grace: 0 };
const wholeHour = { size: hours(1), advance: hours(1), grace: 0 };
const perHour = (
  input: Stream<string, string>,
  window: { size: number; advance: number; grace: number } = hour,
) =>
  input
    .window(hopping(window))
    .aggregate('per-hour', count(), { emit: 'close' })
    .changes()
    .map((n, { key, start, end }) => shown(key, start, end, n ?? 0));

const jobs: Record<string, { build: Build; define: () => string[] }> = {
  'one keyBy, hopping windows': {
    build: (input) => perHour(input.keyBy('by-customer', (v) => v)),
    define: () => hoppingWindows(inOrder, hour).map((w) => shown(w.key, w.start, w.end, w.count)),
  },
  'three keyBys in a row': {
    build: (input) =>
      perHour(
        input
          .keyBy('by-last', (v) => v.slice(-1))
          .keyBy('by-length', (v) => String(v.length))
          .keyBy('by-customer', (v) => v),
      ),
    define: () => hoppingWindows(inOrder, hour).map((w) => shown(w.key, w.start, w.end, w.count)),
  },
  'windows of windows': {
    build: (input) =>
      perHour(
        input.keyBy('by-customer', (v) => v),
        wholeHour,
      )
        .keyBy('all', () => 'all', { key: utf8, value: utf8 })
        .window(tumbling({ size: hours(2), grace: 0 }))
        .aggregate('per-two-hours', count(), { emit: 'close' })
        .changes()
        .map((n, { key, start, end }) => shown(key, start, end, n ?? 0)),
    define: () =>
      hoppingWindows(
        hoppingWindows(inOrder, wholeHour).map((w) => ({ ...w, key: 'all' })),
        { size: hours(2), advance: hours(2), grace: 0 },
      ).map((w) => shown(w.key, w.start, w.end, w.count)),
  },
  'sessions behind a keyBy': {
    build: (input) =>
      input
        .keyBy('by-customer', (v) => v)
        .filter((v) => v.length === 2)
        .window(session({ gap: minutes(9), grace: 0 }))
        .aggregate('visits', count(), { emit: 'close' })
        .changes()
        .map((n, { key, start, end }) => shown(key, start, end, n ?? 0)),
    define: () =>
      sessions(
        inOrder.filter(({ key }) => key.length === 2),
        { gap: minutes(9), grace: 0 },
      ).map((w) => shown(w.key, w.start, w.end, w.count)),
  },
  'a join behind a keyBy': {
    build: (input) => {
      const keyed = input
        .map((v, key) => `${v}/${key}`)
        .keyBy('by-customer', (v) => v.split('/')[0] ?? '', { value: utf8 });
      const isEven = (v: string) => Number(v.split('o')[1]) % 2 === 0;
      return keyed.filter(isEven).join(
        'pairs',
        keyed.filter((v) => !isEven(v)),
        joinWindow({ before: minutes(30), after: minutes(20), grace: 0 }),
        (a, b) => `${a}+${b}`,
      );
    },
    define: () => {
      const all = inOrder.map((one, i) => ({ ...one, i, shown: `${one.key}/o${i}` }));
      return joinedPairs(
        all.filter(({ i }) => i % 2 === 0),
        all.filter(({ i }) => i % 2 === 1),
        { before: minutes(30), after: minutes(20), grace: 0 },
      ).map(([a, b]) => `${a.shown}+${b.shown}`);
    },
  },
};

describe.each(Object.entries(jobs))('%s', (_, { build, define }) => {
  test.each([
    [1, 1_000],
    [4, 50],
    [16, 65_536],
  ])('%i partitions, %i records a cycle', async (partitions, recordsPerCycle) => {
    const built = topology('ordered', (t) => {
      build(t.stream(orders), t)
        .keyBy('out', () => 'all', { key: utf8, value: utf8 })
        .to(out);
      return {};
    });
    const driver = await testDriver(built, { partitions, recordsPerCycle });
    await driver.pipeAll(orders, history);
    await driver.endInput();
    expect(driver.summary.counters.drops).toEqual({});
    const told = (await driver.read(out)).map(({ value }) => value ?? '').sort();
    expect(told).toEqual(define().sort());
    await driver.close();
  });
});

test('Kafka Streams loses most of the same history; the switch keeps its rule', async () => {
  const built = topology(
    'as-kafka-streams',
    (t) => {
      perHour(t.stream(orders).keyBy('by-customer', (v) => v))
        .keyBy('out', () => 'all', { key: utf8, value: utf8 })
        .to(out);
      return {};
    },
    { asKafkaStreams: true },
  );
  const driver = await testDriver(built, { partitions: 4 });
  await driver.pipeAll(orders, history);
  expect(driver.summary.counters.drops['per-hour|late']).toBeGreaterThan(orderCount / 2);
  await driver.close();
});
