/** Segments of random subjects against a recomputation that keeps nothing between instants. */
import { testDriver } from 'millrace/testing';
import { expect, test } from 'vitest';
import { randomBelow, SeededRandom } from '../../engine/base/random.ts';
import { type Event, events, segmentChanges, segmentStates } from '../../topologies/event.ts';
import personalisation, { profileLogic } from '../../topologies/personalisation.ts';
import type { Profile } from '../../topologies/profile.ts';
import type { Expression, SegmentDefinition } from '../../topologies/segments/definition.ts';
import { type Edge, edgesOf, type LogEvent, settled } from '../verify/segment-intervals.ts';

const classes = ['email_open', 'email_click', 'purchase'];
const span = 400;

const twoOpens: Expression = { count: ['email_open'], op: 'ge', value: 2, withinMs: 60 };
const noPurchase: Expression = { absent: ['purchase'], forMs: 45, knownSince: 'firstSeen' };
const onPlan: Expression = { trait: 'plan', op: 'in', value: ['gold', 'silver'] };
const expressions: Readonly<Record<string, Expression>> = {
  'two-opens': twoOpens,
  'any-three': { count: classes, op: 'ge', value: 3, withinMs: 30 },
  'at-most-one': { count: ['email_click'], op: 'le', value: 1, withinMs: 50 },
  'no-purchase': noPurchase,
  'no-open-ever': { absent: ['email_open'], forMs: 70, knownSince: 'any' },
  'on-plan': onPlan,
  'has-plan': { trait: 'plan', op: 'exists' },
  both: { and: [twoOpens, noPurchase] },
  either: { or: [twoOpens, onPlan] },
  neither: { not: { or: [twoOpens, onPlan] } },
  'two-opens-held': { held: twoOpens, forMs: 20 },
  'no-purchase-held': { held: noPurchase, forMs: 33 },
  latched: { latch: { enter: twoOpens, exit: noPurchase } },
  once: { once: twoOpens },
  'once-again': { once: noPurchase, reentryAfterMs: 37 },
  'spent-100': { sum: ['purchase'], of: 'amount', op: 'ge', value: 100, withinMs: 80 },
  'spent-little': { sum: ['purchase'], of: 'amount', op: 'lt', value: 5, withinMs: 40 },
  'average-30': { avg: classes, of: 'amount', op: 'gt', value: 30, withinMs: 70 },
  'all-above-10': { min: ['purchase'], of: 'amount', op: 'ge', value: 10, withinMs: 90 },
  'one-above-60': { max: classes, of: 'amount', op: 'gt', value: 60, withinMs: 25 },
  'left-behind': {
    abandoned: { start: ['email_click'], unless: ['purchase'], by: 'item', afterMs: 15, forMs: 50 },
  },
  'left-behind-altogether': {
    abandoned: {
      start: ['email_click'],
      unless: ['purchase'],
      by: 'subject',
      afterMs: 15,
      forMs: 50,
    },
  },
  'a-third': { bucket: 'test', from: 0, to: 3_333 },
  'third-and-opens': { and: [{ bucket: 'test', from: 0, to: 3_333 }, { not: twoOpens }] },
  'latched-held': { held: { latch: { enter: twoOpens, exit: noPurchase } }, forMs: 10 },
};
const segments: SegmentDefinition[] = Object.entries(expressions).map(([id, when]) => ({
  id,
  version: 1,
  when,
}));

/** Events of a subject in the order of their instants, many of them at the same instant. */
function randomEvents(random: SeededRandom, subject: string): LogEvent[] {
  const instants = Array.from({ length: 1 + randomBelow(random, 14) }, () =>
    randomBelow(random, span),
  );
  return instants
    .sort((a, b) => a - b)
    .map((at, i) => ({
      subject,
      at,
      id: `${subject}-${i}`,
      item: `${randomBelow(random, 3)}`,
      numbers: randomBelow(random, 4) === 0 ? {} : { amount: randomBelow(random, 90) - 20 },
      class: classes[randomBelow(random, classes.length)] as string,
      traits: randomBelow(random, 4) > 0 ? {} : plan(random),
    }));
}

function plan(random: SeededRandom): { plan: string } {
  return { plan: ['gold', 'silver', 'none'][randomBelow(random, 3)] as string };
}

test.each([1, 2, 3, 4])('every entry and exit is at its exact instant (seed %i)', async (seed) => {
  const random = new SeededRandom(seed);
  const subjects = Array.from({ length: 150 }, (_, i) => randomEvents(random, `s${i}`));
  const driver = await testDriver(personalisation({ segments }), { partitions: 2 });
  const records = subjects
    .flat()
    .sort((a, b) => a.at - b.at)
    .map(({ subject, at, ...event }) => ({
      key: subject,
      value: event as Event,
      timestamp: at,
    }));
  for (let i = 0; i < records.length; i += 97) {
    await driver.pipeAll(events, records.slice(i, i + 97));
  }
  const end = 2 * span;
  await driver.advanceTo(end);
  const found = new Map<string, Edge[]>();
  for (const { value } of await driver.read(segmentChanges)) {
    const { user, segment, effectiveAt: at, type } = value as NonNullable<typeof value>;
    const name = `${user} ${segment}`;
    found.set(name, [...(found.get(name) ?? []), { at, in: type === 'entered' }]);
  }
  for (const own of subjects) {
    for (const segment of segments) {
      const name = `${own[0]?.subject} ${segment.id}`;
      const expected = edgesOf(segment, own, end);
      expect({ name, edges: settled(found.get(name) ?? []) }).toEqual({ name, edges: expected });
    }
  }
  const logic = profileLogic({ segments });
  for (const row of (await driver.rows({ store: 'profiles' })).slice(0, 20)) {
    const profile = row.value as Profile;
    for (const { id } of segments) {
      // Also of an instant far ahead, when all windows are empty and all waits are over.
      const [now, later] = [end, end + 500].map(
        (at) => logic.explain(String(row.key), profile, id, at).holds,
      );
      expect({ id, now }).toEqual({ id, now: profile.segments[id]?.state.in });
      if (id === 'two-opens' || id === 'both') expect({ id, later }).toEqual({ id, later: false });
      if (id === 'no-purchase') expect({ id, later }).toEqual({ id, later: true });
    }
  }
  expect(found.size).toBeGreaterThan(subjects.length * 5);
  await driver.close();
});

test('a segment of segments follows them at the same instant, whatever their order', async () => {
  const twice: SegmentDefinition[] = [
    { id: 'both', version: 1, when: { and: [{ inSegment: 'two-opens' }, { inSegment: 'late' }] } },
    { id: 'late', version: 1, when: { not: { inSegment: 'two-opens' } } },
    { id: 'either', version: 1, when: { or: [{ inSegment: 'two-opens' }, { inSegment: 'late' }] } },
    { id: 'two-opens', version: 1, when: twoOpens },
  ];
  const driver = await testDriver(personalisation({ segments: twice }));
  for (const [i, at] of [1_000, 1_010, 1_020].entries()) {
    await driver.pipe(events, 'ann', { id: `${i}`, class: 'email_open' }, at);
  }
  await driver.advanceTo(5_000);
  const changes = (await driver.read(segmentChanges)).map(({ value }) => value);
  const edges = changes.map((one) => `${one?.segment} ${one?.type} ${one?.effectiveAt}`);
  expect(edges).toEqual([
    'late entered 1000',
    'either entered 1000',
    'two-opens entered 1010',
    'late exited 1010',
    'two-opens exited 1070',
    'late entered 1070',
  ]);
  await driver.close();
});

test('explain says which part holds, and when it may change', async () => {
  const driver = await testDriver(personalisation({ segments }));
  await driver.pipe(events, 'ann', { id: '1', class: 'email_open' }, 1_000);
  await driver.pipe(events, 'ann', { id: '2', class: 'email_open' }, 1_010);
  const [row] = await driver.rows({ store: 'profiles' });
  const logic = profileLogic({ segments });
  const why = (at: number) => logic.explain('ann', row?.value as Profile, 'both', at);
  expect(why(1_010)).toEqual({
    condition: 'and',
    holds: false,
    changesAt: 1_045,
    parts: [
      { condition: JSON.stringify(twoOpens), holds: true, changesAt: 1_060, parts: [] },
      { condition: JSON.stringify(noPurchase), holds: false, changesAt: 1_045, parts: [] },
    ],
  });
  expect([1_044, 1_045, 1_059, 1_060].map((at) => why(at).holds)).toEqual([
    false,
    true,
    true,
    false,
  ]);
  expect(() => logic.explain('ann', row?.value as Profile, 'bth', 1_010)).toThrow('there is none');
  await driver.close();
});

test('the state topic holds the last state of each subject in each segment', async () => {
  const driver = await testDriver(personalisation({ segments: segments.slice(0, 1) }));
  const opened = (id: string): Event => ({ id, class: 'email_open' });
  await driver.pipe(events, 'ann', opened('1'), 1_000);
  await driver.pipe(events, 'ann', opened('2'), 1_010);
  await driver.advanceTo(2_000);
  const states = await driver.read(segmentStates);
  expect(states.map(({ key, value }) => [key, value])).toEqual([
    ['ann|two-opens', { in: true, since: 1_010, version: 1, seq: 1 }],
    ['ann|two-opens', { in: false, since: 1_060, version: 1, seq: 2 }],
  ]);
  const changes = await driver.read(segmentChanges);
  expect(changes.map(({ value }) => [value?.cause, value?.witness])).toEqual([
    ['event', ['2']],
    ['time', []],
  ]);
  await driver.close();
});
