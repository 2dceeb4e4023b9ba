/** Segments of random subjects against a recomputation that keeps nothing between instants. */
import { testDriver } from 'millrace/testing';
import { expect, test } from 'vitest';
import { randomBelow, SeededRandom } from '../../engine/base/random.ts';
import { type Event, events, segmentChanges, segmentStates } from '../../topologies/event.ts';
import personalisation from '../../topologies/personalisation.ts';
import type { Expression, SegmentDefinition } from '../../topologies/segments/definition.ts';
import type { LogEvent } from '../verify/events.ts';
import { type Edge, edgesOf, settled } from '../verify/segment-intervals.ts';

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
      item: `${i}`,
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
  expect(found.size).toBeGreaterThan(subjects.length * 5);
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
