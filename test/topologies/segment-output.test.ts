/**
 * What `segment-changes` tells of random histories, at random instants, is what the definition
 * says.
 */
import { testDriver } from 'millrace/testing';
import { expect, test } from 'vitest';
import { events, segmentChanges } from '../../topologies/event.ts';
import personalisation from '../../topologies/personalisation.ts';
import type { SegmentText } from '../../topologies/segments/builder.ts';
import { compareHistories, kinds, modes } from '../verify/output-histories.ts';

const subjects = 12;
const rounds = 4;

test.each(modes)('every kind of node, %s: 0 differences in segment-changes', async (mode) => {
  const names = Object.keys(kinds);
  let [ends, superseded] = [0, 0];
  for (let seed = 1; seed <= rounds; seed++) {
    for (const [kind, row] of await compareHistories(names, mode, subjects, seed)) {
      const [first] = row.differing;
      expect({ kind, seed, mode, first }).toEqual({ kind, seed, mode, first: undefined });
      ends += row.ends;
      superseded += row.superseded;
    }
  }
  expect(ends).toBeGreaterThan(10 * subjects * rounds);
  if (mode === 'late within the grace') expect(superseded).toBeGreaterThan(subjects * rounds);
});

const minute = 60_000;
const active = { count: { event: 'page_view', op: 'ge', n: 1, within: '10m' } };
/**
 * Each view comes before the ten minutes of the one before are over: the truth only grows longer.
 */
const views = [0, 9, 18, 27];

test.each<[string, object, [type: string, at: number][]]>([
  ['held', { when: { held: { expr: active, for: '15m' } } }, [['entered', 15]]],
  [
    'held within another node',
    { when: { and: [{ held: { expr: active, for: '15m' } }, active] } },
    [['entered', 15]],
  ],
  [
    'held of held',
    { when: { held: { expr: { held: { expr: active, for: '11m' } }, for: '11m' } } },
    [['entered', 22]],
  ],
  [
    'latch that held sets',
    { when: { latch: { enter: { held: { expr: active, for: '15m' } }, exit: { not: active } } } },
    [['entered', 15]],
  ],
  [
    'once of held',
    { when: { once: { expr: { held: { expr: active, for: '15m' } } } } },
    [['entered', 15]],
  ],
  [
    'once again',
    {
      when: {
        once: { expr: { not: { held: { expr: active, for: '15m' } } }, reentryAfter: '12m' },
      },
    },
    [
      ['entered', 0],
      ['exited', 24],
    ],
  ],
  [
    'not held',
    { when: { not: { held: { expr: active, for: '15m' } } } },
    [
      ['entered', 0],
      ['exited', 15],
    ],
  ],
])(
  '%s is told when it falls due, though events only lengthen the truth underneath',
  async (_, segment, expected) => {
    const text = { id: 's', version: 1, ...segment } as unknown as SegmentText;
    const driver = await testDriver(personalisation({ segments: [text] }));
    for (const at of views) {
      await driver.pipe(events, 'ann', { id: `${at}`, class: 'page_view' }, at * minute);
    }
    const told = (await driver.read(segmentChanges)).map(({ value }) => [
      value?.type,
      (value?.effectiveAt ?? 0) / minute,
      (value?.decidedAt ?? 0) / minute,
    ]);
    await driver.close();
    expect(told).toEqual(expected.map(([type, at]) => [type, at, at]));
  },
);

test('cooldown: an entry that waits is told though events only lengthen the truth underneath', async () => {
  const text = { id: 's', version: 1, cooldown: '20m', when: active } as unknown as SegmentText;
  const driver = await testDriver(personalisation({ segments: [text] }));
  for (const at of [0, 11, 20, 29, 38]) {
    await driver.pipe(events, 'ann', { id: `${at}`, class: 'page_view' }, at * minute);
  }
  const told = (await driver.read(segmentChanges)).map(({ value }) => [
    value?.type,
    (value?.decidedAt ?? 0) / minute,
  ]);
  await driver.close();
  expect(told).toEqual([
    ['entered', 0],
    ['exited', 10],
    ['entered', 30],
  ]);
});
