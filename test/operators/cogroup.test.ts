/** cogroup: several streams in one aggregate, as a table and in every kind of window. */
import {
  hopping,
  json,
  session,
  sliding,
  topic,
  topology,
  tumbling,
  type Windowed,
  type WindowSpec,
} from 'millrace';
import { testDriver } from 'millrace/testing';
import { describe, expect, test } from 'vitest';
import { randomBelow, SeededRandom } from '../../engine/base/random.ts';

const orders = topic<string, { amount: number }>('orders');
const payments = topic<string, number>('payments');
const returns = topic<string, string>('returns');

interface Account {
  readonly owed: number;
  readonly paid: number;
  readonly said: readonly string[];
}

const empty: Account = { owed: 0, paid: 0, said: [] };
const account = {
  init: () => empty,
  merge: (a: Account, b: Account): Account => ({
    owed: a.owed + b.owed,
    paid: a.paid + b.paid,
    said: [...a.said, ...b.said],
  }),
};

function accounts(spec?: WindowSpec) {
  const late = topic<string, { amount: number } | number | string>('late', { value: json() });
  const built = topology('accounts', (t) => {
    const all = t
      .stream(orders)
      .cogroup(account, (a, order) => ({ ...a, owed: a.owed + order.amount }))
      .with(t.stream(payments), (a, paid) => ({ ...a, paid: a.paid + paid }))
      .with(t.stream(returns), (a, text, at) => ({ ...a, said: [...a.said, `${text}@${at}`] }));
    const table =
      spec === undefined
        ? all.aggregate('accounts')
        : all.window(spec).aggregate('accounts', { late });
    return { table };
  });
  return { built, late };
}

test('one cell a key takes in the records of all streams, each in its own way', async () => {
  const { built } = accounts();
  const driver = await testDriver(built, { partitions: 2 });
  await driver.pipe(orders, 'ann', { amount: 30 }, 1);
  await driver.pipe(payments, 'ann', 10, 2);
  await driver.pipe(payments, 'bob', 5, 2);
  await driver.restart({ dropState: true });
  await driver.pipe(returns, 'ann', 'broken', 3);
  await driver.pipe(orders, 'ann', { amount: 12 }, 4);
  await driver.pipe(orders, null, { amount: 12 }, 4);
  await driver.pipe(payments, 'bob', null, 5);
  const rows = await driver.rows(built.exports.table);
  expect(Object.fromEntries(rows.map(({ key, value }) => [key, value]))).toEqual({
    ann: { owed: 42, paid: 10, said: ['broken@3'] },
    bob: { owed: 0, paid: 5, said: [] },
  });
  expect(driver.summary.counters.drops).toEqual({
    'accounts|null_key': 1,
    'payments|null_value': 1,
  });
  await driver.close();
});

test('a late record goes to the late topic as it came', async () => {
  const { built, late } = accounts(tumbling({ size: 10, grace: 0 }));
  const driver = await testDriver(built);
  await driver.pipe(payments, 'ann', 1, 25);
  await driver.pipe(orders, 'ann', { amount: 7 }, 3);
  await driver.pipe(returns, 'bob', 'old', 4);
  expect((await driver.read(late)).map(({ key, value }) => [key, value])).toEqual([
    ['ann', { amount: 7 }],
    ['bob', 'old'],
  ]);
  await driver.close();
});

test('sessions without merge are refused when the topology is built', () => {
  expect(() =>
    topology('no-merge', (t) => {
      const all = t.stream(payments).cogroup({ init: () => 0 }, (a, paid) => a + paid);
      all.window(session({ gap: 5, grace: 0 })).aggregate('sessions');
      return {};
    }),
  ).toThrow('needs an aggregate with merge');
});

describe.each<[string, WindowSpec]>([
  ['tumbling', tumbling({ size: 20, grace: 1_000 })],
  ['hopping', hopping({ size: 30, advance: 10, grace: 1_000 })],
  ['sliding', sliding({ size: 15, grace: 1_000 })],
  ['session', session({ gap: 6, grace: 1_000 })],
])('%s windows', (_, spec) => {
  test.each([1, 2, 3])('equal those of one stream of all records, seed %i', async (seed) => {
    const { built } = accounts(spec);
    const merged = topology('merged', (t) => {
      const add = (a: Account, value: { amount: number } | number | string, at: number): Account =>
        typeof value === 'number'
          ? { ...a, paid: a.paid + value }
          : typeof value === 'string'
            ? { ...a, said: [...a.said, `${value}@${at}`] }
            : { ...a, owed: a.owed + value.amount };
      const all = t.stream(orders).merge(t.stream(payments)).merge(t.stream(returns));
      return { table: all.window(spec).aggregate('accounts', { ...account, add }) };
    });
    const [one, other] = [await testDriver(built), await testDriver(merged, { cacheBytes: 0 })];
    const random = new SeededRandom(seed);
    for (let i = 0; i < 60; i++) {
      const [key, at] = [`k${randomBelow(random, 3)}`, randomBelow(random, 120)];
      const topics = [
        () => [orders, { amount: i }] as const,
        () => [payments, i] as const,
        () => [returns, `r${i}`] as const,
      ];
      const [to, value] = (topics[randomBelow(random, 3)] as (typeof topics)[number])();
      for (const driver of [one, other]) await driver.pipe(to as never, key, value as never, at);
    }
    const rowsOf = async (driver: typeof one, table: { store: string }) =>
      (await driver.rows(table)).map((row) => JSON.stringify(row));
    const rows = await rowsOf(one, built.exports.table);
    expect(rows.length).toBeGreaterThan(10);
    expect(rows).toEqual(await rowsOf(other, merged.exports.table));
    await Promise.all([one.close(), other.close()]);
  });
});

test('the types of keys, values and results follow from the streams', () => {
  topology('types', (t) => {
    const all = t
      .stream(orders)
      .cogroup({ init: () => 0 }, (sum, order) => sum + order.amount)
      .with(t.stream(payments), (sum, paid) => sum - paid);
    // @ts-expect-error a payment is a number
    all.with(t.stream(returns), (sum, value: number) => sum + value);
    const table = all.window(tumbling({ size: 1, grace: 0 })).aggregate('all');
    table.filter((value: number, window: Windowed<string>) => value > window.end);
    // @ts-expect-error the result is a number
    table.map((value: string) => value);
    return {};
  });
});
