import { deepEqual, equal } from 'node:assert/strict';
import { afterEach, beforeEach, test } from 'node:test';
import { type TestDriver, testDriver } from 'millrace/testing';
import topology, { large, orders } from '../src/orders.ts';

/** 2026-01-31, 09:00 UTC, in ms. */
const nine = Date.UTC(2026, 0, 31, 9);
const minute = 60_000;
let driver: TestDriver;

beforeEach(async () => {
  driver = await testDriver(topology);
});
afterEach(() => driver.close());

test('a large order is written to its topic, a small one is not', async () => {
  await driver.pipe(orders, 'o1', { customer: 'ann', amount: 1_200 }, nine);
  await driver.pipe(orders, 'o2', { customer: 'ann', amount: 999 }, nine);
  deepEqual(
    (await driver.read(large)).map(({ key, value }) => [key, value?.amount]),
    [['o1', 1_200]],
  );
});

test('orders are counted by customer and hour', async () => {
  await driver.pipe(orders, 'o1', { customer: 'ann', amount: 10 }, nine);
  await driver.pipe(orders, 'o2', { customer: 'ann', amount: 5 }, nine + 59 * minute);
  await driver.pipe(orders, 'o3', { customer: 'ann', amount: 7 }, nine + 60 * minute);
  const rows = await driver.rows(topology.exports.perHour);
  deepEqual(
    rows.map(({ key, value, window }) => [key, window?.start, value]),
    [
      ['ann', nine, { orders: 2, cents: 15 }],
      ['ann', nine + 60 * minute, { orders: 1, cents: 7 }],
    ],
  );
});

test('an order that comes too late is dropped, and counted as such', async () => {
  await driver.pipe(orders, 'o1', { customer: 'ann', amount: 10 }, nine + 71 * minute);
  await driver.pipe(orders, 'o2', { customer: 'ann', amount: 10 }, nine);
  equal((await driver.rows(topology.exports.perHour)).length, 1);
});
