/** Windows of so many records of a key. */
import {
  collect,
  hoppingCount,
  timeWindowed,
  topic,
  topology,
  tumblingCount,
  utf8,
  type Windowed,
} from 'millrace';
import { testDriver } from 'millrace/testing';
import { describe, expect, test } from 'vitest';
import { randomBelow, SeededRandom } from '../../engine/base/random.ts';

const input = topic<string, string>('input', { value: utf8 });

function counted(spec: ReturnType<typeof hoppingCount>, emit: 'update' | 'close') {
  const key = timeWindowed(utf8, spec.size);
  const out = topic<Windowed<string>, readonly string[]>('out', { key });
  const built = topology('counted', (t) => {
    const table = t.stream(input).window(spec).aggregate('counted', collect<string>(), { emit });
    table.to(out);
    return { table };
  });
  return { built, out };
}

test('each change is a result, the full window the last of it', async () => {
  const { built, out } = counted(hoppingCount({ size: 3, advance: 2 }), 'update');
  const driver = await testDriver(built);
  for (const [i, at] of [50, 10, 30, 40].entries()) await driver.pipe(input, 'k', `v${i}`, at);
  const said = (await driver.read(out)).map(
    ({ key, value, timestamp }) => `${key?.start}..${key?.end} ${value?.join('')} @${timestamp}`,
  );
  expect(said).toEqual([
    '0..3 v0 @50',
    '0..3 v0v1 @50',
    '0..3 v0v1v2 @50',
    '2..5 v2 @30',
    '2..5 v2v3 @40',
  ]);
  expect((await driver.rows(built.exports.table)).map(({ window }) => window?.start)).toEqual([2]);
  await driver.advanceTo(10_000);
  expect(await driver.read(out)).toEqual([]);
  await driver.close();
});

describe.each([
  [1, 1],
  [4, 4],
  [5, 2],
  [6, 1],
  [7, 7],
])('%i records, one window every %i', (size, advance) => {
  test.each([1, 2])('equals the definition, whatever the times, seed %i', async (seed) => {
    const spec = size === advance ? tumblingCount({ size }) : hoppingCount({ size, advance });
    const { built, out } = counted(spec, 'close');
    const driver = await testDriver(built, { partitions: 2, cacheBytes: 0 });
    const random = new SeededRandom(seed);
    const all = new Map<string, { value: string; at: number }[]>();
    for (let i = 0; i < 120; i++) {
      const [key, at] = [`k${randomBelow(random, 4)}`, randomBelow(random, 1_000)];
      all.set(key, [...(all.get(key) ?? []), { value: `v${i}`, at }]);
      await driver.pipe(input, key, `v${i}`, at);
      if (randomBelow(random, 10) === 0) await driver.restart({ dropState: i % 2 === 0 });
    }
    const expected: string[] = [];
    for (const [key, records] of all) {
      for (let start = 0; start + size <= records.length; start += advance) {
        const inside = records.slice(start, start + size);
        const newest = Math.max(...inside.map(({ at }) => at));
        expected.push(`${key} ${start}: ${inside.map(({ value }) => value).join()} @${newest}`);
      }
    }
    const results = (await driver.read(out)).map(
      ({ key, value, timestamp }) => `${key?.key} ${key?.start}: ${value?.join()} @${timestamp}`,
    );
    expect(results.sort()).toEqual(expected.sort());
    await driver.close();
  });
});

test('what depends on time is refused when the topology is built', () => {
  const build = (options: object) =>
    topology('wrong', (t) => {
      t.stream(input)
        .window(tumblingCount({ size: 2 }))
        .aggregate('two', collect<string>(), options);
      return {};
    });
  expect(() => build({ late: input })).toThrow('two.late: a count window does not depend on time');
  expect(() => build({ retentionMs: 5 })).toThrow('two.retentionMs');
  expect(() =>
    topology('wrong', (t) => {
      const table = t
        .stream(input)
        .window(tumblingCount({ size: 2 }))
        .count('two');
      table.suppress('held', { untilClosed: true });
      return {};
    }),
  ).toThrow("aggregate with emit 'close' instead");
  expect(() => tumblingCount({ size: 0 })).toThrow('window.size: must be a whole number from 1');
  expect(() => hoppingCount({ size: 2, advance: 3 })).toThrow('must not be greater than size');
});
