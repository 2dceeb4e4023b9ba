/** Windows against brute force on random input, and the ways to compute them against each other. */
import {
  type Aggregate,
  collect,
  hopping,
  session,
  sessionWindowed,
  sliding,
  timeWindowed,
  topic,
  topology,
  utf8,
  type Windowed,
  type WindowSpec,
} from 'millrace';
import { testDriver } from 'millrace/testing';
import { expect, test } from 'vitest';
import { randomBelow, SeededRandom } from '../../engine/base/random.ts';
import { type Arrived, hoppingWindows, sessions, slidingWindows } from './brute-force.ts';

const input = topic<string, string>('input', { value: utf8 });

/** Random records: `spread` is the range of times, so a small one makes many ties and overlaps. */
function randomRecords(seed: number, keys: number, perKey: number, spread: number): Arrived[] {
  const random = new SeededRandom(seed);
  return Array.from({ length: keys * perKey }, (_, i) => ({
    key: `k${randomBelow(random, keys)}`,
    value: `v${i}`,
    timestamp: randomBelow(random, spread),
  }));
}

async function windowed(
  spec: WindowSpec,
  records: readonly Arrived[],
  options: {
    readonly merge?: boolean;
    readonly ordered?: boolean;
    readonly cacheBytes?: number;
    readonly emit?: 'update' | 'close';
  } = {},
) {
  const { merge: _, ...unmerged } = collect<string>();
  const { emit = 'update' } = options;
  const aggregate: Aggregate<string, readonly string[]> =
    options.merge === false ? unmerged : { ...collect<string>(), ordered: options.ordered ?? true };
  const key = spec.type === 'hopping' ? timeWindowed(utf8, spec.sizeMs) : sessionWindowed(utf8);
  const windows = topic<Windowed<string>, readonly string[]>('windows', { key });
  const built = topology('windows-test', (t) => {
    t.stream(input).window(spec).aggregate('collected', aggregate, { emit }).to(windows);
    return {};
  });
  const { cacheBytes } = options;
  const driver = await testDriver(built, cacheBytes === undefined ? {} : { cacheBytes });
  try {
    await driver.pipeAll(input, records);
    return await driver.read(windows);
  } finally {
    await driver.close();
  }
}

type Results = Awaited<ReturnType<typeof windowed>>;

/** The last value of each window of each key; a deleted window is gone. */
function finalRows(results: Results, nameOf: (window: Windowed<string>) => string | number) {
  const rows = new Map<string, Map<string | number, string[]>>();
  for (const { key, value } of results) {
    const window = key as Windowed<string>;
    const ofKey = rows.get(window.key) ?? new Map();
    rows.set(window.key, ofKey);
    if (value === null) ofKey.delete(nameOf(window));
    else ofKey.set(nameOf(window), [...value].sort());
  }
  return rows;
}

function compare(
  results: Results,
  records: readonly Arrived[],
  nameOf: (window: Windowed<string>) => string | number,
  expected: (records: readonly Arrived[]) => Map<string | number, string[]>,
  hint: string,
): void {
  const rows = finalRows(results, nameOf);
  for (const key of new Set(records.map((r) => r.key))) {
    const own = records.filter((r) => r.key === key);
    const [actual, wanted] = [rows.get(key) ?? new Map(), expected(own)].map((map) =>
      Object.fromEntries([...map].sort(([a], [b]) => (a < b ? -1 : 1))),
    );
    expect(actual, `${hint} key ${key}: ${JSON.stringify(own)}`).toEqual(wanted);
  }
}

/** 300 keys of about seven records each: two thousand and more random inputs over the seeds. */
const seeds = [1, 2, 3, 4, 5, 6, 7, 8];
const grace = 1_000;

test.each(seeds)('sliding windows equal brute force, seed %i', async (seed) => {
  for (const [size, spread] of [
    [10, 60],
    [25, 40],
    [3, 30],
  ] as const) {
    const records = randomRecords(seed, 300, 7, spread);
    const results = await windowed(sliding({ size, grace }), records);
    const brute = (own: readonly Arrived[]) => slidingWindows(own, size);
    compare(results, records, (w) => w.start, brute, `seed ${seed}, size ${size}`);
  }
});

/** Final windows by their definition: each holds the records that came before it was closed. */
function finalSliding(records: readonly Arrived[], key: string, size: number, graceMs: number) {
  const windows = new Map<number, string[]>();
  let streamTime = 0;
  const own: (Arrived & { readonly seenAt: number })[] = [];
  for (const record of records) {
    streamTime = Math.max(streamTime, record.timestamp);
    const isLate = record.timestamp + size < streamTime - graceMs;
    if (record.key === key && !isLate) own.push({ ...record, seenAt: streamTime });
  }
  const open = (start: number, seenAt: number) => start + size >= seenAt - graceMs;
  const starts = own.flatMap(({ timestamp, seenAt }) => {
    const left = Math.max(0, timestamp - size);
    return [...(open(left, seenAt) ? [left] : []), timestamp + 1];
  });
  for (const start of starts.sort((a, b) => a - b)) {
    const held = own.filter(
      ({ timestamp, seenAt }) =>
        timestamp >= start && timestamp <= start + size && open(start, seenAt),
    );
    // The window right after a record is there for the sake of one that came in time for both.
    if (held.length > 0 && start + size + graceMs < streamTime)
      windows.set(start, held.map(({ value }) => value).sort());
  }
  return windows;
}

test.each(seeds)(
  'final sliding windows equal their definition, late records included, seed %i',
  async (seed) => {
    const random = new SeededRandom(seed);
    for (const [size, graceMs] of [
      [12, 5],
      [30, 0],
      [7, 40],
      [25, 10],
    ] as const) {
      let now = randomBelow(random, 3) === 0 ? 0 : 100;
      const records = randomRecords(seed, 5, 60, 1).map((record) => {
        now += randomBelow(random, 6);
        return {
          ...record,
          timestamp: Math.max(0, now - randomBelow(random, size + graceMs + 10)),
        };
      });
      const spec = sliding({ size, grace: graceMs });
      for (const cacheBytes of [undefined, 0]) {
        const results = await windowed(spec, records, {
          emit: 'close',
          ordered: false,
          ...(cacheBytes === undefined ? {} : { cacheBytes }),
        });
        const nameOf = (w: Windowed<string>) => w.start;
        compare(
          results,
          records,
          nameOf,
          (own) => finalSliding(records, own[0]?.key ?? '', size, graceMs),
          `size ${size} grace ${graceMs}`,
        );
        expect(results.length).toBe(new Set(results.map(({ key }) => JSON.stringify(key))).size);
      }
    }
  },
);

test.each(seeds)('hopping windows and sessions equal brute force, seed %i', async (seed) => {
  const records = randomRecords(seed, 200, 6, 90);
  for (const [size, advance] of [
    [30, 10],
    [30, 7],
    [12, 12],
  ] as const) {
    const results = await windowed(hopping({ size, advance, grace }), records);
    const brute = (own: readonly Arrived[]) => hoppingWindows(own, size, advance);
    compare(results, records, (w) => w.start, brute, `seed ${seed}, ${size} by ${advance}`);
  }
  const results = await windowed(session({ gap: 5, grace }), records);
  const name = (w: Windowed<string>) => `${w.start}..${w.end}`;
  compare(results, records, name, (own) => sessions(own, 5), `seed ${seed}, sessions`);
});

test.each(seeds)('slices equal plain windows, late records included, seed %i', async (seed) => {
  const random = new SeededRandom(seed);
  let now = 100;
  const records = randomRecords(seed, 12, 25, 1).map((record) => {
    now += randomBelow(random, 6);
    return { ...record, timestamp: Math.max(0, now - randomBelow(random, 80)) };
  });
  for (const spec of [
    hopping({ size: 60, advance: 10, grace: 15 }),
    hopping({ size: 35, advance: 15, grace: 0 }),
  ]) {
    const sliced = await windowed(spec, records);
    expect(await windowed(spec, records, { merge: false })).toEqual(sliced);
    expect(await windowed(spec, records, { cacheBytes: 0 })).toEqual(sliced);
  }
});
