/**
 * Troubles of partitions: told when they last, and once; what passes within seconds is not worth a
 * word.
 */
import { expect, test } from 'vitest';
import { Troubles } from '../../../engine/log/kafka/adapter/troubles.ts';
import { VirtualTime } from './virtual-time.ts';

const orders = { topic: 'orders', partition: 0 };

function troubled() {
  const timing = new VirtualTime();
  const told: string[] = [];
  const troubles = new Troubles({
    timing,
    onStalled: ({ partition }, problem) => told.push(`${partition} stalled: ${problem}`),
    onResumed: ({ partition }, stalledMs) => told.push(`${partition} after ${stalledMs}`),
  });
  return { timing, told, troubles };
}

test('a trouble of five seconds is told with its last problem, and its end with how long it was', async () => {
  const { timing, told, troubles } = troubled();
  troubles.met(orders, 'no leader');
  await timing.advance(4_999);
  expect(told).toEqual([]);
  troubles.met(orders, 'refused');
  await timing.advance(1);
  await timing.advance(60_000);
  expect(told).toEqual(['0 stalled: refused']);
  troubles.over(orders);
  expect(told.slice(1)).toEqual(['0 after 65000']);
});

test('a trouble that is over before is not told, nor is its end', async () => {
  const { timing, told, troubles } = troubled();
  troubles.met(orders, 'no leader');
  await timing.advance(4_000);
  troubles.over(orders);
  await timing.advance(10_000);
  expect(told).toEqual([]);
});

test('while no broker answers nothing is told; five seconds after one does, what is left is', async () => {
  const { timing, told, troubles } = troubled();
  troubles.met(orders, 'no leader');
  troubles.isAway = true;
  await timing.advance(30_000);
  expect(told).toEqual([]);
  troubles.isAway = false;
  await timing.advance(5_000);
  expect(told).toEqual(['0 stalled: no leader']);
});

test('a closed log tells nothing more', async () => {
  const { timing, told, troubles } = troubled();
  troubles.met(orders, 'no leader');
  troubles.close();
  await timing.advance(10_000);
  expect(told).toEqual([]);
});
