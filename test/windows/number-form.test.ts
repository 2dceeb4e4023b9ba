/** Windows say the same whether they keep their accumulators as numbers or as values. */
import {
  type Aggregate,
  average,
  calendar,
  combined,
  count,
  decayedSum,
  hopping,
  hoppingCount,
  json,
  max,
  min,
  session,
  sliding,
  sum,
  topic,
  topology,
  tumbling,
  type WindowSpec,
} from 'millrace';
import { testDriver } from 'millrace/testing';
import { describe, expect, test } from 'vitest';
import { randomBelow, SeededRandom } from '../../engine/base/random.ts';
import { numberFormOf } from '../../operators/aggregates/number-form.ts';

const input = topic<string, number>('input', { value: json<number>() });
const out = topic<string, unknown>('out', { value: json() });

/** Some records have no such number. */
const measure = (n: number) => (n % 3 === 0 ? Number.NaN : n);

/** Some records end among the dead letters, when other parts have taken them in already. */
function refusing(n: number): number {
  if (n % 10 === 7) throw new Error('not that one');
  return n;
}

interface Everything {
  readonly n: number;
  readonly total: number;
  readonly mean: { readonly total: number; readonly count: number };
  readonly least: number | null;
  readonly most: number | null;
  readonly faded: { readonly sum: number; readonly at: number };
  readonly checked: number;
}

const everything: Aggregate<number, Everything> = combined({
  n: count<number>(),
  total: sum((n: number) => n),
  mean: average((n: number) => n),
  least: min(measure),
  most: max(measure),
  faded: decayedSum((n: number) => n, { halfLife: 10 }),
  checked: sum(refusing),
});

interface Arriving {
  readonly key: string;
  readonly value: number;
  readonly at: number;
}

interface Way {
  readonly spec: WindowSpec;
  readonly emit: 'update' | 'close';
  readonly clock?: 'stream' | 'key';
}

/** All that goes out, and what rows there are in between. */
async function run(
  { spec, ...options }: Way,
  aggregate: Aggregate<number, Everything>,
  records: readonly Arriving[],
  cacheBytes: number,
) {
  const built = topology('numbers', (t) => {
    const windows = t.stream(input).window(spec).aggregate('windows', aggregate, options);
    windows
      .changes()
      .map((value, { key, start, end }) => ({ key, start, end, value }))
      .keyBy('out', () => 'all')
      .to(out);
    return { windows };
  });
  const driver = await testDriver(built, { cacheBytes });
  const rows: unknown[] = [];
  for (const [i, { key, value, at }] of records.entries()) {
    await driver.pipe(input, key, value, at);
    if (i % 17 !== 0) continue;
    rows.push(await driver.rows(built.exports.windows));
    await driver.restart({ dropState: i % 2 === 0 });
  }
  await driver.advanceTo(1e12);
  const said = (await driver.read(out)).map(({ value }) => value);
  await driver.close();
  return { said, rows };
}

describe.each<[string, WindowSpec]>([
  ['tumbling', tumbling({ size: 20, grace: 5 })],
  ['hopping', hopping({ size: 30, advance: 10, grace: 5 })],
  ['sliding', sliding({ size: 12, grace: 3 })],
  ['session', session({ gap: 6, grace: 4 })],
  ['calendar', calendar({ unit: 'day', timeZone: 'UTC', grace: 5 })],
  ['count', hoppingCount({ size: 5, advance: 2 })],
])('%s windows', (_, spec) => {
  const random = new SeededRandom(5);
  const scale = spec.type === 'calendar' ? 5_000_000 : 1;
  let now = 0;
  const records = Array.from({ length: 150 }, (): Arriving => {
    now += randomBelow(random, 3) * scale;
    const at = Math.max(0, now - randomBelow(random, 25) * scale);
    return { key: 'abc'[randomBelow(random, 3)] as string, value: randomBelow(random, 50), at };
  });
  const ways = (['update', 'close'] as const).flatMap((emit): Way[] =>
    spec.type === 'count'
      ? [{ spec, emit }]
      : (['stream', 'key'] as const).map((clock) => ({ spec, emit, clock })),
  );

  test.each(ways)('emitted on $emit, on the clock $clock', async (way) => {
    // A copy keeps no such form.
    const values = { ...everything };
    expect(numberFormOf(values)).toBeUndefined();
    expect(numberFormOf(everything)).toMatchObject({ width: 9 });
    expect(records.some(({ value }) => value % 10 === 7)).toBe(true);
    for (const cacheBytes of [0, 1_000_000]) {
      const numbers = await run(way, everything, records, cacheBytes);
      expect(numbers.said.length).toBeGreaterThan(10);
      expect(numbers.rows.flat().length).toBeGreaterThan(10);
      expect(numbers).toEqual(await run(way, values, records, cacheBytes));
    }
  });
});
