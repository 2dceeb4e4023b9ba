/**
 * History in perfect order loses nothing behind keyBy, at any width, and equals a batch
 * recomputation.
 */
import { topic, topology, utf8 } from 'millrace';
import { testDriver } from 'millrace/testing';
import { describe, expect, test } from 'vitest';
import { history, historyJobs, orderCount, perHour } from './history-jobs.ts';

const orders = topic<string, string>('orders', { value: utf8 });
const out = topic<string, string>('out', { value: utf8 });
const named = (name: string) => name;

describe.each(Object.entries(historyJobs))('%s', (_, { build, define }) => {
  test.each([
    [1, 1_000],
    [4, 50],
    [16, 65_536],
  ])('%i partitions, %i records a cycle', async (partitions, recordsPerCycle) => {
    const built = topology('ordered', (t) => {
      build(t.stream(orders), named)
        .keyBy('out', () => 'all', { key: utf8, value: utf8 })
        .to(out);
      return {};
    });
    const driver = await testDriver(built, { partitions, recordsPerCycle });
    await driver.pipeAll(orders, history);
    await driver.endInput();
    expect(driver.summary.counters.drops).toEqual({});
    const told = (await driver.read(out)).map(({ value }) => value ?? '').sort();
    expect(told).toEqual(define().sort());
    await driver.close();
  });
});

test('Kafka Streams loses most of the same history; the switch keeps its rule', async () => {
  const built = topology(
    'as-kafka-streams',
    (t) => {
      perHour(
        t.stream(orders).keyBy('by-customer', (v) => v),
        named,
      )
        .keyBy('out', () => 'all', { key: utf8, value: utf8 })
        .to(out);
      return {};
    },
    { asKafkaStreams: true },
  );
  const driver = await testDriver(built, { partitions: 4 });
  await driver.pipeAll(orders, history);
  expect(driver.summary.counters.drops['per-hour|late']).toBeGreaterThan(orderCount / 2);
  await driver.close();
});
