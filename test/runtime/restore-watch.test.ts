/** How far a restore is, told once a second and at its end. */
import { expect, test } from 'vitest';
import { VirtualClock } from '../../engine/base/clock.ts';
import { RestoreWatch, restoreText } from '../../engine/runtime/restore-watch.ts';

test('records, rate and time left over all stores; a second restore begins anew', () => {
  const clock = new VirtualClock();
  const watch = new RestoreWatch(clock);
  const tell = (task: string, done: number, total: number) =>
    watch.advance({ task, store: 's', done, total });
  expect(tell('0_0', 0, 4_000)).toMatchObject({ done: 0, total: 4_000, secondsLeft: undefined });
  clock.advance(500);
  expect(tell('0_0', 1_000, 4_000)).toBeUndefined();
  clock.advance(500);
  const state = tell('0_1', 1_000, 2_000);
  expect(state).toEqual({ done: 2_000, total: 6_000, perSecond: 2_000, secondsLeft: 2 });
  expect(state && restoreText(state)).toBe(
    'restoring state: 2000 of 6000 changelog records, 2000/s, 2 s left',
  );
  clock.advance(100);
  expect(tell('0_0', 4_000, 4_000)).toBeUndefined();
  expect(tell('0_1', 2_000, 2_000)).toMatchObject({ done: 6_000, total: 6_000, secondsLeft: 0 });
  expect(watch.left).toBe(0);
  clock.advance(60_000);
  expect(tell('0_2', 0, 10)).toMatchObject({ done: 0, total: 10 });
});
