/**
 * Grace and closing by their definition: which windows still take a record in, and when they are
 * final.
 */
import {
  calendar,
  collect,
  count,
  hopping,
  json,
  topic,
  topology,
  tumbling,
  utf8,
  type WindowSpec,
} from 'millrace';
import { testDriver } from 'millrace/testing';
import { expect, test } from 'vitest';
import { randomBelow, SeededRandom } from '../../engine/base/random.ts';

const input = topic<string, string>('input', { value: utf8 });
const late = topic<string, string>('late', { value: utf8 });
const out = topic<string, string>('out', { value: utf8 });
const dayMs = 86_400_000;

/** Windows that hold an instant, and their grace, written down anew. */
interface Definition {
  readonly spec: WindowSpec;
  windows(at: number): [start: number, end: number][];
  readonly grace: number;
  /** Milliseconds in a step of the random clock. */
  readonly scale: number;
}

const definitions: Record<string, Definition> = {
  tumbling: {
    spec: tumbling({ size: 20, grace: 7 }),
    windows: (at) => [[at - (at % 20), at - (at % 20) + 20]],
    grace: 7,
    scale: 1,
  },
  'hopping, 30 every 10': {
    spec: hopping({ size: 30, advance: 10, grace: 12 }),
    windows: (at) => starts(at, 30, 10),
    grace: 12,
    scale: 1,
  },
  'hopping, 25 every 10, without grace': {
    spec: hopping({ size: 25, advance: 10, grace: 0 }),
    windows: (at) => starts(at, 25, 10),
    grace: 0,
    scale: 1,
  },
  'days of UTC': {
    spec: calendar({ unit: 'day', timeZone: 'UTC', grace: dayMs / 4 }),
    windows: (at) => [[at - (at % dayMs), at - (at % dayMs) + dayMs]],
    grace: dayMs / 4,
    scale: 3_600_000,
  },
};

function starts(at: number, size: number, advance: number): [number, number][] {
  const found: [number, number][] = [];
  for (let start = 0; start <= at; start += advance) {
    if (start + size > at) found.push([start, start + size]);
  }
  return found;
}

test.each(Object.entries(definitions))('%s', async (_, { spec, windows, grace, scale }) => {
  for (const seed of [1, 2, 3]) {
    const built = topology('lateness', (t) => {
      const records = t.stream(input).window(spec);
      records
        .aggregate('collected', collect<string>(), { emit: 'close', late })
        .changes()
        .map((values, { key, start, end }) => `${key} ${start}..${end} ${values?.join()}`)
        .keyBy('out', () => 'all', { value: utf8 })
        .to(out);
      return {};
    });
    const driver = await testDriver(built, { cacheBytes: 0 });
    const random = new SeededRandom(seed);
    const open = new Map<string, { start: number; end: number; values: string[] }>();
    let [now, streamTime] = [0, 0];
    for (let i = 0; i < 200; i++) {
      now += randomBelow(random, 4) * scale;
      const at = Math.max(0, now - randomBelow(random, 40) * scale);
      const [key, value] = [`k${randomBelow(random, 3)}`, `v${i}`];
      streamTime = Math.max(streamTime, at);
      let taken = false;
      for (const [start, end] of windows(at)) {
        if (end <= streamTime - grace) continue;
        taken = true;
        const name = `${key} ${start}..${end}`;
        const window = open.get(name) ?? { start, end, values: [] };
        open.set(name, window);
        window.values.push(value);
      }
      const closed = [...open]
        .filter(([, { end }]) => end + grace <= streamTime)
        .sort(([a, x], [b, y]) => x.start - y.start || (a < b ? -1 : 1));
      for (const [name] of closed) open.delete(name);
      await driver.pipe(input, key, value, at);
      if (i % 40 === 39) await driver.restart({ dropState: i % 80 === 39 });
      expect((await driver.read(out)).map((record) => record.value)).toEqual(
        closed.map(([name, { values }]) => `${name} ${values.join()}`),
      );
      expect((await driver.read(late)).map((record) => record.value)).toEqual(taken ? [] : [value]);
    }
    await driver.close();
  }
});

test('a record that fails leaves no trace: it moves no time, also not over a restart', async () => {
  const counted = topic<string, number>('counted', { value: json<number>() });
  const built = topology('failing', (t) => {
    const refusing = { ...count<string>(), add: (n: number, value: string) => checked(n, value) };
    t.stream(input)
      .window(tumbling({ size: 10, grace: 0 }))
      .aggregate('counts', refusing, { emit: 'close' })
      .changes()
      .keyBy('by-key', (_, { key }) => key)
      .to(counted);
    return {};
  });
  const driver = await testDriver(built, { cacheBytes: 0 });
  await driver.pipe(input, 'a', 'good', 60);
  await driver.pipe(input, 'b', 'bad', 100);
  expect(await driver.read(counted)).toEqual([]);
  await driver.restart();
  await driver.pipe(input, 'c', 'good', 65);
  expect(await driver.read(counted)).toEqual([]);
  await driver.pipe(input, 'd', 'good', 100);
  expect((await driver.read(counted)).map(({ key, value }) => [key, value])).toEqual([
    ['a', 1],
    ['c', 1],
  ]);
  await driver.close();
});

function checked(n: number, value: string): number {
  if (value === 'bad') throw new Error('refused');
  return n + 1;
}
