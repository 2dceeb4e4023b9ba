/** Partitions chosen by the author's own function. */
import { count, joinWindow, topic, topology, utf8 } from 'millrace';
import { testDriver } from 'millrace/testing';
import { expect, test } from 'vitest';

/** 'eu-7' to the partition of its region. */
const byRegion = (key: string | null, _value: string | null, partitions: number) =>
  (key ?? '').startsWith('eu-') ? 0 : partitions - 1;
const orders = topic<string, string>('orders', {
  value: utf8,
  partitions: 3,
  partitioner: byRegion,
});
const out = topic<string, string>('out', { value: utf8, partitions: 4, partitioner: byRegion });

test('a sink and a keyBy put records where it says', async () => {
  const job = topology('regions', (t) => {
    const stream = t.stream(orders);
    stream.to(out);
    const byItem = stream.keyBy('by-item', (item) => item, {
      partitioner: (item, _order, partitions) => Number(item) % partitions,
    });
    return { items: byItem.aggregate('items', count()) };
  });
  const driver = await testDriver(job, { partitions: 3 });
  const records = ['eu-1', 'us-1', 'eu-2', 'us-2'].map((key, i) => ({
    key,
    value: `${i}`,
    timestamp: i,
  }));
  await driver.pipeAll(orders, records);
  const written = await driver.read(out);
  const placed = written.map(({ key, partition }) => `${key}@${partition}`).sort();
  expect(placed).toEqual(['eu-1@0', 'eu-2@0', 'us-1@3', 'us-2@3']);
  const rows = await driver.rows(job.exports.items);
  expect(rows.map(({ key, value }) => [key, value]).sort()).toEqual([
    ['0', 1],
    ['1', 1],
    ['2', 1],
    ['3', 1],
  ]);
});

test('an answer that is no partition is an error of the record, with what was answered', async () => {
  const wrong = topic<string, string>('wrong', { value: utf8, partitioner: () => 1.5 });
  const job = topology('wrong-job', (t) => {
    t.stream(topic<string, string>('words', { value: utf8 })).to(wrong);
  });
  const driver = await testDriver(job);
  await driver.pipe(topic<string, string>('words', { value: utf8 }), 'k', 'v', 1);
  const [letter] = await driver.deadLetters();
  expect(letter?.headers).toMatchObject({
    reason: expect.stringMatching(/partitioner of topic wrong answers 1.5, not a whole number/),
  });
});

test('topics that meet in a store must share it', () => {
  const plain = topic<string, string>('plain', { value: utf8, partitions: 3 });
  const window = joinWindow({ before: 1, after: 1, grace: 1 });
  const build = () =>
    topology('apart', (t) => {
      t.stream(orders).join('pairs', t.stream(plain), window, (a, b) => a + b);
    });
  expect(build).toThrow(/topic 'plain' has another partitioner than 'orders' .*bring one to/);
  const same = topic<string, string>('same', {
    value: utf8,
    partitions: 3,
    partitioner: byRegion,
  });
  topology('together', (t) => {
    t.stream(orders).join('pairs', t.stream(same), window, (a, b) => a + b);
  });
});
