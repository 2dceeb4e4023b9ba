/** Segments in the engine: random subjects against a recomputation, and what a change tells. */

import { testDriver } from 'millrace/testing';
import { expect, test } from 'vitest';
import { SeededRandom } from '../../engine/base/random.ts';
import {
  type Event,
  events,
  type SegmentChange,
  segmentChanges,
  segmentStates,
} from '../../topologies/event.ts';
import personalisation, {
  checkPersonalisation,
  type PersonalisationConfig,
  profileLogic,
} from '../../topologies/personalisation.ts';
import {
  absent,
  all,
  any,
  type Condition,
  count,
  inSegment,
  type SegmentText,
} from '../../topologies/segments/builder.ts';
import type { Profile } from '../../topologies/subject/profile.ts';
import { edgesOf } from '../verify/segment-intervals.ts';
import { standing } from '../verify/standing.ts';
import { nodes } from './segment-draws.ts';
import { oracleEvents, randomHistory, span } from './segment-histories.ts';

const twoOpens = count({ event: 'email_open', op: 'ge', n: 2, within: 60 });
const noPurchase = absent({ event: 'purchase', for: 45 });

function segmentsOf(conditions: Readonly<Record<string, Condition>>): SegmentText[] {
  return Object.entries(conditions).map(([id, when]) => ({ id, version: 1, when }));
}

const day = 86_400_000;
/** Written as plain data, so that worker threads can be told it. */
function randomConfig(seed: number): PersonalisationConfig {
  const random = new SeededRandom(seed);
  const segments = Object.entries(nodes).map(([name, node]) => ({
    id: name.replaceAll(' ', '-'),
    version: 1,
    when: node(random, 1),
  }));
  return { engagement: { graceMs: 100 * day }, segments };
}

function recordsOf(seed: number, subjects: number) {
  const random = new SeededRandom(seed);
  const arrivals = Array.from({ length: subjects }, (_, i) => ({
    subject: `s${i}`,
    arrivals: randomHistory(random),
  }));
  const records = arrivals.flatMap(({ subject, arrivals: own }) =>
    own.map(({ event, at }) => ({ key: subject, value: event, timestamp: at })),
  );
  return { arrivals, records };
}

async function changesOver(config: PersonalisationConfig, seed: number, partitions: number) {
  const { arrivals, records } = recordsOf(seed, 40);
  const driver = await testDriver(personalisation(config), { partitions });
  for (let i = 0; i < records.length; i += 97) {
    await driver.pipeAll(events, records.slice(i, i + 97));
  }
  const end = 2 * span;
  await driver.advanceTo(end);
  const told = new Map<string, SegmentChange[]>();
  for (const { value } of await driver.read(segmentChanges)) {
    const change = value as SegmentChange;
    const name = `${change.user} ${change.segment}`;
    told.set(name, [...(told.get(name) ?? []), change]);
  }
  await driver.close();
  return { arrivals, told, end };
}

test.each([1, 2])('every entry and exit is at its exact instant (seed %i)', async (seed) => {
  const config = randomConfig(seed);
  const { segments } = checkPersonalisation(config);
  const { arrivals, told, end } = await changesOver(config, seed, 2);
  for (const { subject, arrivals: own } of arrivals) {
    for (const segment of segments) {
      const name = `${subject} ${segment.id}`;
      const expected = edgesOf(segment, oracleEvents(own, subject), end);
      expect({ name, edges: standing(told.get(name) ?? []) }).toEqual({ name, edges: expected });
    }
  }
  expect(told.size).toBeGreaterThan(arrivals.length * 5);
});

// Timers fire by the time of their partition, so what comes late corrects more or fewer of them;
// what stands after the corrections is the same.
test('with 1, 4 and 16 partitions the same stands of each subject', async () => {
  const config = randomConfig(3);
  const outcomes = await Promise.all(
    [1, 4, 16].map(async (partitions) => {
      const { told } = await changesOver(config, 3, partitions);
      const stands = [...told].map(([name, changes]) => [name, standing(changes)] as const);
      const ever = stands.filter(([, edges]) => edges.length > 0);
      return JSON.stringify(ever.sort(([a], [b]) => (a < b ? -1 : 1)));
    }),
  );
  expect(new Set(outcomes).size).toBe(1);
});

test('a segment of segments follows them at the same instant, whatever their order', async () => {
  const segments = segmentsOf({
    both: all(inSegment('two-opens'), inSegment('late')),
    late: inSegment('two-opens').not(),
    either: any(inSegment('two-opens'), inSegment('late')),
    'two-opens': twoOpens,
  });
  const driver = await testDriver(personalisation({ segments }));
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

test('explain says which part holds, when it changes, and what it is owed to', async () => {
  const segments = segmentsOf({ both: twoOpens.and(noPurchase) });
  const driver = await testDriver(personalisation({ segments }));
  await driver.pipe(events, 'ann', { id: '1', class: 'email_open' }, 1_000);
  await driver.pipe(events, 'ann', { id: '2', class: 'email_open' }, 1_010);
  const [row] = await driver.rows({ store: 'profiles' });
  const logic = profileLogic({ segments });
  const why = (at: number) => logic.explain('ann', row?.value as Profile, 'both', at);
  expect(why(1_010)).toMatchObject({
    condition: 'and',
    holds: false,
    changesAt: 1_045,
    parts: [
      { holds: true, changesAt: 1_060, parts: [] },
      { holds: false, changesAt: 1_045, parts: [] },
    ],
  });
  expect(why(1_045)).toMatchObject({ holds: true, changesAt: 1_060, witnesses: ['2'] });
  expect([1_044, 1_045, 1_059, 1_060].map((at) => why(at).holds)).toEqual([
    false,
    true,
    true,
    false,
  ]);
  expect(() => logic.explain('ann', row?.value as Profile, 'bth', 1_010)).toThrow('there is none');
  await driver.close();
});

test('changes carry cause and witnesses; the state topic holds the last state', async () => {
  const segments = segmentsOf({ 'two-opens': twoOpens });
  const driver = await testDriver(personalisation({ segments }));
  const opened = (id: string): Event => ({ id, class: 'email_open' });
  await driver.pipe(events, 'ann', opened('1'), 1_000);
  await driver.pipe(events, 'ann', opened('2'), 1_010);
  await driver.advanceTo(2_000);
  await driver.pipe(events, 'ann', opened('3'), 1_050);
  await driver.advanceTo(3_000);
  const changes = (await driver.read(segmentChanges)).map(({ value }) => value);
  expect(changes).toMatchObject([
    {
      seq: 1,
      type: 'entered',
      effectiveAt: 1_010,
      decidedAt: 1_010,
      cause: 'event',
      witness: ['2'],
    },
    { seq: 2, type: 'exited', effectiveAt: 1_060, decidedAt: 1_060, cause: 'time', witness: ['1'] },
    { seq: 3, type: 'entered', effectiveAt: 1_060, decidedAt: 1_060, cause: 'correction' },
    { seq: 4, type: 'exited', effectiveAt: 1_070, decidedAt: 1_070, cause: 'time', witness: ['2'] },
  ]);
  const states = await driver.read(segmentStates);
  expect(states.map(({ key, value }) => [key, value])).toEqual([
    ['ann|two-opens', { in: true, since: 1_010, version: 1, seq: 1 }],
    ['ann|two-opens', { in: false, since: 1_060, version: 1, seq: 2 }],
    ['ann|two-opens', { in: true, since: 1_060, version: 1, seq: 3 }],
    ['ann|two-opens', { in: false, since: 1_070, version: 1, seq: 4 }],
  ]);
  await driver.close();
});

test('a withdrawn consent ends membership at its instant', async () => {
  const segments = [{ id: 'two-opens', version: 1, purpose: 'marketing', when: twoOpens }];
  const config: PersonalisationConfig = { segments, consent: { unknown: 'withdrawn' } };
  const driver = await testDriver(personalisation(config));
  const say = (id: string, name: string, at: number) =>
    driver.pipe(events, 'ann', { id, class: name, purpose: 'marketing' }, at);
  await say('1', 'email_open', 1_000);
  await say('2', 'email_open', 1_001);
  await say('3', 'consent_granted', 1_010);
  await say('4', 'consent_withdrawn', 1_020);
  const changes = (await driver.read(segmentChanges)).map(({ value }) => value);
  expect(changes).toMatchObject([
    { type: 'entered', effectiveAt: 1_010, cause: 'consent', witness: ['3'] },
    { type: 'exited', effectiveAt: 1_020, cause: 'consent', witness: ['4'] },
  ]);
  await driver.close();
});
