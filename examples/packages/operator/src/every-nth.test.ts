import assert from 'node:assert/strict';
import { test } from 'node:test';
import { topic, topology, utf8 } from 'millrace';
import { testDriver } from 'millrace/testing';
import { everyNth } from './every-nth.js';

const input = topic<string, string>('in', { value: utf8 });
const output = topic<string, string>('out', { value: utf8 });
const thirds = topology('thirds', (t) => {
  t.stream(input).apply(everyNth('third', 3)).to(output);
});

test('every third record of a key, over restarts', async () => {
  const driver = await testDriver(thirds, { partitions: 2 });
  for (let i = 1; i <= 10; i++) {
    await driver.pipe(input, i % 2 === 0 ? 'even' : 'odd', `${i}`, i);
    await driver.restart({ dropState: i % 3 === 0 });
  }
  const found = await driver.read(output);
  assert.deepEqual(found.map(({ key, value }) => `${key} ${value}`).sort(), ['even 6', 'odd 5']);
  await driver.close();
});

test('a null key is dropped and counted', async () => {
  const driver = await testDriver(thirds);
  await driver.pipe(input, null, 'x', 1);
  assert.deepEqual(driver.summary.counters.drops, { 'third|null_key': 1 });
  await driver.close();
});

test('a wrong n is refused with the field', () => {
  for (const n of [0, -1, 1.5, Number.NaN]) {
    assert.throws(() => everyNth('third', n), /third\.n/);
  }
});
