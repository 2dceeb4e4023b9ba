/** Windows on the key's clock: each key as if it were alone. */
import {
  calendar,
  collect,
  hopping,
  session,
  sliding,
  topic,
  topology,
  tumbling,
  utf8,
  type WindowSpec,
} from 'millrace';
import { testDriver } from 'millrace/testing';
import { describe, expect, test } from 'vitest';
import { randomBelow, SeededRandom } from '../../engine/base/random.ts';

const input = topic<string, string>('input', { value: utf8 });
const late = topic<string, string>('late', { value: utf8 });
const out = topic<string, string>('out', { value: utf8 });

interface Arriving {
  readonly key: string;
  readonly value: string;
  readonly at: number;
}

interface Way {
  readonly spec: WindowSpec;
  readonly emit: 'update' | 'close';
  readonly clock: 'stream' | 'key';
  /** Whether slices may be used. */
  readonly ordered: boolean;
}

/** What is said of each key, in its order, and which records were late. */
async function run(
  { spec, emit, clock, ordered }: Way,
  records: readonly Arriving[],
  restarts: boolean,
) {
  const built = topology('key-clock', (t) => {
    const sorted = (a: readonly string[], b: readonly string[]) => [...a, ...b].sort();
    t.stream(input)
      .window(spec)
      .aggregate(
        'collected',
        { ...collect<string>(), merge: sorted, add: (a, v) => sorted(a, [v]), ordered },
        { emit, clock, late },
      )
      .changes()
      .process<string, string>('said', {
        record: (context, value) => {
          const { key, start, end } = context.key;
          context.emit(`${key} ${start}..${end} ${value?.join('') ?? '-'}`);
        },
      })
      .keyBy('out', () => 'all')
      .to(out);
    return {};
  });
  const driver = await testDriver(built, restarts ? { cacheBytes: 0 } : {});
  let end = 0;
  for (const [i, { key, value, at }] of records.entries()) {
    await driver.pipe(input, key, value, at);
    end = Math.max(end, at);
    if (restarts && i % 17 === 0) await driver.restart({ dropState: i % 2 === 0 });
  }
  await driver.advanceTo(1e12);
  await driver.pipe(input, 'a', 'too late', end);
  const results = {
    said: (await driver.read(out)).map(({ value }) => value ?? ''),
    late: (await driver.read(late)).map(({ value }) => value ?? ''),
  };
  await driver.close();
  return results;
}

describe.each<[string, WindowSpec, boolean]>([
  ['tumbling', tumbling({ size: 20, grace: 5 }), false],
  ['hopping', hopping({ size: 30, advance: 10, grace: 0 }), true],
  ['hopping on slices', hopping({ size: 30, advance: 10, grace: 5 }), false],
  ['sliding', sliding({ size: 12, grace: 3 }), false],
  ['session', session({ gap: 6, grace: 4 }), false],
  ['calendar', calendar({ unit: 'day', timeZone: 'UTC', grace: 5 }), false],
])('%s windows', (_, spec, ordered) => {
  test.each(['update', 'close'] as const)('emitted on %s', async (emit) => {
    const random = new SeededRandom(3);
    const scale = spec.type === 'calendar' ? 5_000_000 : 1;
    let now = 0;
    const records = Array.from({ length: 120 }, (_, i): Arriving => {
      now += randomBelow(random, 3) * scale;
      const at = Math.max(0, now - randomBelow(random, 25) * scale);
      return { key: 'abc'[randomBelow(random, 3)] as string, value: `v${i},`, at };
    });
    const together = await run({ spec, emit, clock: 'key', ordered }, records, true);
    const keyOf = new Map(records.map(({ key, value }) => [value, key]));
    for (const key of ['a', 'b', 'c']) {
      const own = records.filter((record) => record.key === key);
      const alone = await run({ spec, emit, clock: 'stream', ordered }, own, false);
      const said = together.said.filter((text) => text.startsWith(key));
      expect(said).toEqual(alone.said.filter((text) => text.startsWith(key)));
      expect(said.length).toBeGreaterThan(spec.type === 'calendar' ? 0 : 5);
      expect(together.late.filter((value) => keyOf.get(value) === key)).toEqual(
        alone.late.filter((value) => value !== 'too late'),
      );
    }
    expect(together.late).toContain('too late');
    // On the stream's clock other keys' records make some of them late.
    const partition = await run({ spec, emit, clock: 'stream', ordered }, records, false);
    expect(partition.late.length).toBeGreaterThanOrEqual(together.late.length);
  });
});

test('what knows only the time of the stream is refused', () => {
  const build = (options: object, held: boolean) => () =>
    topology('refused', (t) => {
      const windows = t.stream(input).window(tumbling({ size: 1, grace: 0 }));
      const table = windows.aggregate('a', collect<string>(), { clock: 'key', ...options });
      if (held) table.suppress('held', { untilClosed: true });
      return {};
    });
  expect(build({ retentionMs: 10 }, false)).toThrow('a.retentionMs');
  expect(build({}, true)).toThrow("held.untilClosed: windows on the key's clock");
});

test('a key whose first record is late has a time, and no windows', async () => {
  const built = topology('late-first', (t) => {
    const spec = hopping({ size: 30, advance: 10, grace: 0 });
    const windows = t.stream(input).window(spec).count('counted', { clock: 'key', late });
    return { windows };
  });
  const driver = await testDriver(built, { cacheBytes: 0 });
  await driver.advanceTo(1_000);
  await driver.pipe(input, 'a', 'late', 10);
  await driver.restart({ dropState: true });
  await driver.pipe(input, 'a', 'in time', 1_001);
  expect((await driver.read(late)).map(({ value }) => value)).toEqual(['late']);
  expect((await driver.rows(built.exports.windows)).map(({ value }) => value)).toEqual([1, 1, 1]);
  await driver.close();
});
