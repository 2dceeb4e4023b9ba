/** Golden runs: what a file keeps, and how a difference is told. */
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { count, hours, msgpack, type Topic, topic, topology, tumbling } from 'millrace';
import { type TestDriver, testDriver } from 'millrace/testing';
import { afterEach, expect, test } from 'vitest';
import { firstDifference, plainOf } from '../../engine/testing/golden/plain-values.ts';
import { emptyFolder } from '../process/millrace.ts';

interface Order {
  readonly customer: string;
  readonly amount: number;
}

const orders = topic<string, Order>('orders');
const large = topic<string, Order>('large-orders');
const at = Date.UTC(2026, 0, 1);

function job(least = 1_000) {
  return topology('orders', (t) => {
    const paid = t.stream(orders).filter((order) => {
      if (order.amount < 0) throw new Error('an amount below 0');
      return true;
    });
    paid.filter(({ amount }) => amount >= least).to(large);
    const perHour = paid
      .keyBy('by-customer', ({ customer }) => customer)
      .window(tumbling({ size: hours(1), grace: 0 }))
      .aggregate('per-hour', count());
    return { perHour };
  });
}

const variable = 'MILLRACE_UPDATE_GOLDEN';
afterEach(() => {
  delete process.env[variable];
});

/** Runs, and compares with the file or writes it. */
async function run(
  file: string,
  least?: number,
  amounts: readonly number[] = [1_200, 5, -1],
): Promise<void> {
  const driver = await testDriver(job(least));
  try {
    const golden = await driver.record(file);
    for (const [i, amount] of amounts.entries()) {
      await driver.pipe(orders, `o${i}`, { customer: 'ann', amount }, at + i);
    }
    await driver.advanceTo(at + 7_200_000);
    // Reading takes nothing from the recording.
    await driver.read(large);
    await golden.check();
  } finally {
    await driver.close();
  }
}

async function written(): Promise<string> {
  const file = join(await emptyFolder(), 'golden/orders.jsonl');
  process.env[variable] = '1';
  await run(file);
  delete process.env[variable];
  return file;
}

test('a file that can be read, and a later run like it', async () => {
  const file = await written();
  const time = (ms: number) => new Date(at + ms).toISOString();
  const value = (amount: number) => ({ customer: 'ann', amount });
  const window = { from: time(0), to: time(3_600_000) };
  const row = (at: number, value: number) => {
    return { row: 'perHour', time: time(at), ...window, key: 'ann', value };
  };
  const lines = (await readFile(file, 'utf8')).trim().split('\n');
  expect(lines.map((line) => JSON.parse(line))).toEqual([
    { golden: 1, topology: 'orders' },
    { in: 'orders', time: time(0), key: 'o0', value: value(1_200) },
    { out: 'large-orders', time: time(0), key: 'o0', value: value(1_200) },
    row(0, 1),
    { in: 'orders', time: time(1), key: 'o1', value: value(5) },
    row(1, 2),
    { in: 'orders', time: time(2), key: 'o2', value: value(-1) },
    {
      out: 'test-dead-letters',
      time: time(2),
      key: 'o2',
      value: value(-1),
      headers: expect.objectContaining({ reason: 'an amount below 0', topic: 'orders' }),
    },
    { do: 'advanceTo', time: time(7_200_000) },
    { gone: 'perHour', ...window, key: 'ann' },
  ]);
  await run(file);
});

test.each([
  [1_300, undefined, /line 3: expected\n {2}.*large-orders.*\nis\n {2}\{"row":"perHour"/],
  [1, undefined, /line 6: expected\n {2}\{"row":"perHour".*\nis\n {2}\{"out":"large-orders".*"o1"/],
  [
    1_000,
    [1_201, 5, -1],
    /line 2: in orders, key "o0", time "2026.*": value\.amount was 1200, is 1201/,
  ],
  [1_000, [1_200, 5, -1, 5], /line 9: expected\n.*advanceTo.*\nis\n.*"o3"/],
])('from %d on with %o the first difference is told', async (least, amounts, told) => {
  const file = await written();
  const before = await readFile(file, 'utf8');
  await expect(run(file, least, amounts)).rejects.toThrow(told);
  await expect(run(file, least, amounts)).rejects.toMatchObject({ code: 'GOLDEN_DIFFERS' });
  expect(await readFile(file, 'utf8')).toBe(before);
});

test('a file that is missing, damaged, cut or too long is told of', async () => {
  const file = await written();
  const text = await readFile(file, 'utf8');
  const [cut, more] = [text.split('\n').slice(0, -2).join('\n'), `${text}{"out":"large-orders"}\n`];
  await writeFile(file, cut);
  await expect(run(file)).rejects.toThrow(/line 10: the file ends here; there is also\n.*perHour/);
  await writeFile(file, more);
  await expect(run(file)).rejects.toThrow(/line 11: nothing more came; expected\n.*large-orders/);
  await writeFile(file, `${cut}\n{"row":`);
  await expect(run(file)).rejects.toThrow(/line 10 is no JSON/);
  await expect(run(`${file}.not-there`)).rejects.toThrow(/there is no such file/);
  process.env[variable] = '0';
  await expect(run(`${file}.not-there`)).rejects.toThrow(/there is no such file/);
});

async function withDriver<T>(
  partitions: number,
  work: (driver: TestDriver, all: Topic<string, unknown>) => Promise<T>,
): Promise<T> {
  const all = topic<string, unknown>('all', { value: msgpack<unknown>() });
  const copy = topic<string, unknown>('copy', { value: msgpack<unknown>() });
  const copied = topology('copy', (t) => {
    t.stream(all).to(copy);
    return {};
  });
  const driver = await testDriver(copied, { partitions });
  try {
    return await work(driver, all);
  } finally {
    await driver.close();
  }
}

test('values that JSON has no word for are told apart', async () => {
  const file = join(await emptyFolder(), 'all.jsonl');
  const values = [null, undefined, 0, -0, Number.NaN, Number.POSITIVE_INFINITY, 12n, ''];
  const nested = [{ a: undefined }, {}, { $date: 'x' }, new Date(at), Buffer.from([0, 255]), [[]]];
  const all = [...values, ...nested, new Map([['a', 1n]]), new Set([-0]), { ['__proto__']: 1 }];
  const plain = all.map((value) => plainOf(value, 'value'));
  expect(new Set(plain.map((one) => JSON.stringify(one))).size).toBe(all.length);
  for (const [i, one] of plain.entries()) {
    for (const [j, other] of plain.entries()) {
      expect([i, j, firstDifference(one, other) === undefined]).toEqual([i, j, i === j]);
    }
  }
  expect(plainOf({ $date: 'x' }, 'value')).toEqual({ $object: { $date: 'x' } });
  process.env[variable] = '1';
  const recorded = async (value: unknown) => {
    await withDriver(3, async (driver, topic) => {
      const golden = await driver.record(file);
      await driver.pipe(topic, 'k', value, at, { trace: 'abc' });
      await driver.pipe(topic, null, null, at);
      await golden.check();
    });
  };
  await recorded({ n: Number.NaN, z: -0, big: 12n });
  delete process.env[variable];
  await recorded({ big: 12n, z: -0, n: Number.NaN });
  await expect(recorded({ n: Number.NaN, z: 0, big: 12n })).rejects.toThrow(
    /value\.z\.\$number was "-0"|value\.z was \{"\$number":"-0"\}, is 0 now/,
  );
  expect(await readFile(file, 'utf8')).toMatch(/"out":"copy","partition":\d.*"trace":"abc"/);
});

test.each([
  ['a function', () => () => 1, /value of all\.one: it is a function/],
  ['a symbol', () => Symbol('x'), /value of all\.one: it is a symbol/],
  ['an instance of a class', () => new URL('http://a.example'), /is an instance of URL/],
  ['a circle', circle, /it holds itself/],
])('%s is refused', (_, make, told) => {
  expect(() => plainOf({ one: make() }, 'value of all')).toThrow(told);
});

function circle(): unknown {
  const one: { inner?: unknown } = {};
  one.inner = one;
  return one;
}

test('a setting that makes no sense is refused', async () => {
  await withDriver(1, async (driver) => {
    await expect(driver.record('')).rejects.toMatchObject({ code: 'CONFIG_INVALID' });
    const options = { row: false } as object;
    await expect(driver.record('x', options)).rejects.toThrow(/record\.row: there is no such/);
  });
});
