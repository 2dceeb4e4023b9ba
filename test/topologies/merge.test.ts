/** Two subjects that turn out to be one person go on as one, by the events of both. */

import { type TestDriver, testDriver } from 'millrace/testing';
import { expect, test } from 'vitest';
import { randomBelow, SeededRandom } from '../../engine/base/random.ts';
import {
  type Arrival,
  type Event,
  events,
  type SegmentChange,
  scores,
  segmentChanges,
  segmentStates,
} from '../../topologies/event.ts';
import personalisation, {
  type PersonalisationConfig,
  profileLogic,
} from '../../topologies/personalisation.ts';
import { fold } from '../../topologies/segments/membership.ts';
import type { Profile } from '../../topologies/subject/profile.ts';
import { nodes } from './segment-draws.ts';
import { randomHistory, span } from './segment-histories.ts';

const day = 86_400_000;
const hour = 3_600_000;
const opened = (n: number) => ({ count: { event: 'email_open', op: 'ge', n, within: '30d' } });
const config = {
  segments: [
    { id: 'opened', version: 1, when: opened(1) },
    { id: 'opened-twice', version: 1, when: opened(2) },
  ],
} as unknown as PersonalisationConfig;

const merged = (into: string): Event => ({ id: `to ${into}`, class: 'subject_merged', item: into });

async function changesOf(driver: TestDriver): Promise<SegmentChange[]> {
  return (await driver.read(segmentChanges)).flatMap(({ value }) => value ?? []);
}

const told = ({ user, segment, type, cause, effectiveAt, mergedInto }: SegmentChange) =>
  [user, segment, type, cause, effectiveAt / day, ...(mergedInto ?? '').split(' ')]
    .join(' ')
    .trim();

test.each([1, 3])(
  'the one leaves all segments, the other goes on for both, on %i partitions',
  async (partitions) => {
    const driver = await testDriver(personalisation(config), { partitions });
    const pipe = (user: string, event: Event, at: number) => driver.pipe(events, user, event, at);
    await pipe('ann', { id: 'a1', class: 'email_open' }, 1 * day);
    await pipe('anna', { id: 'b1', class: 'email_open' }, 2 * day);
    await pipe('anna', { id: 'b2', class: 'purchase' }, 3 * day);
    await changesOf(driver);
    await pipe('anna', merged('ann'), 4 * day);
    expect((await changesOf(driver)).map(told).sort()).toEqual([
      'ann opened-twice entered merge 4',
      'anna opened exited merge 4 ann',
    ]);
    expect((await driver.read(scores)).findLast(({ key }) => key === 'anna')?.value).toBeNull();
    const states = await driver.read(segmentStates);
    expect(states.findLast(({ key }) => key === 'anna|opened')?.value).toMatchObject({ in: false });
    await driver.restart({ dropState: true });
    // What comes for the one counts for the other; what it had already does not count again.
    await pipe('anna', { id: 'b1', class: 'email_open' }, 2 * day);
    await pipe('anna', { id: 'b3', class: 'email_open' }, 5 * day);
    // Two of three within 30 days of each other until the second one leaves.
    await driver.advanceTo(100 * day);
    expect((await changesOf(driver)).map(told)).toEqual([
      'ann opened-twice exited time 32',
      'ann opened exited time 35',
    ]);
    // By either name the one person is erased.
    await pipe('anna', { id: 'erase', class: 'subject_erased' }, 101 * day);
    const rows = await driver.rows({ store: 'profiles' });
    const ann = rows.find(({ key }) => key === 'ann')?.value as Profile;
    expect([ann.erased, ann.absorbed]).toEqual([101 * day, undefined]);
    await driver.close();
  },
);

test('what is one already is not merged back; both at once end as one', async () => {
  const driver = await testDriver(personalisation(config));
  const pipe = (user: string, event: Event, at: number) => driver.pipe(events, user, event, at);
  await pipe('a', { id: 'a1', class: 'email_open' }, 1 * day);
  await pipe('b', { id: 'b1', class: 'email_open' }, 1 * day);
  await pipe('a', merged('a'), 2 * day);
  await pipe('b', merged('a'), 2 * day);
  await pipe('a', merged('b'), 3 * day);
  await pipe('c', { id: 'c1', class: 'email_open' }, 3 * day);
  await pipe('d', { id: 'd1', class: 'email_open' }, 3 * day);
  await driver.pipeAll(events, [
    { key: 'c', value: merged('d'), timestamp: 4 * day },
    { key: 'd', value: merged('c'), timestamp: 4 * day },
  ]);
  const rows = await driver.rows({ store: 'profiles' });
  const of = (name: string) => rows.find(({ key }) => key === name)?.value as Profile;
  expect([of('a').absorbed, of('b').mergedInto]).toEqual([['b'], 'a']);
  expect([of('c').mergedInto, of('c').absorbed]).toEqual([undefined, ['d', 'c']]);
  expect(of('d').mergedInto).toBe('c');
  expect(of('c').segments.members.get('opened-twice')?.in).toBe(true);
  // Itself, and back: two that had no effect.
  expect(driver.summary.counters.drops).toEqual({ 'profiles|invalid': 2 });
  await driver.close();
});

test('from then on all is as if one subject had had the events of both', async () => {
  const random = new SeededRandom(31);
  const forgetful = Object.entries(nodes).filter(
    ([name]) => !/held|latch|once|nested|bucket/.test(name),
  );
  let compared = 0;
  for (let i = 0; i < 25; i++) {
    const drawn = forgetful.map(([name, node]) => ({
      id: name.replaceAll(' ', '-'),
      version: 1,
      when: node(random, hour),
    }));
    const built = { segments: drawn } as unknown as PersonalisationConfig;
    const driver = await testDriver(personalisation(built), { partitions: 2 });
    const at = (span / 4 + randomBelow(random, span / 2)) * hour;
    const history = (who: string): (Arrival & { who: string })[] =>
      randomHistory(random, hour, hour).map(({ event, at: then }) => {
        return { who, at: then, event: { ...event, id: `${who}${event.id}` } };
      });
    const all = [...history('a'), ...history('b')].sort((x, y) => x.at - y.at);
    const first = all.findIndex((one) => one.at >= at);
    const before = all.slice(0, first < 0 ? all.length : first);
    for (const { who, event, at: then } of before) {
      for (const user of [who, 'both']) await driver.pipe(events, user, event, then);
    }
    await driver.pipe(events, 'b', merged('a'), at);
    for (const { who, event, at: then } of all.slice(before.length)) {
      for (const user of [who, 'both']) await driver.pipe(events, user, event, then);
    }
    const end = 2 * span * hour;
    await driver.advanceTo(end);
    const rows = await driver.rows({ store: 'profiles' });
    const logic = profileLogic(built);
    const of = (user: string) => rows.find(({ key }) => key === user)?.value as Profile;
    for (const days of [0, 1, 30]) {
      const [one, both] = [of('a'), of('both')].map((profile) =>
        logic.scoreOf(profile, end + days * day),
      );
      expect({ i, days, ...one, band: '' }).toEqual({ i, days, ...both, band: '' });
    }
    const changes = await changesOf(driver);
    const endsOf = (user: string, id: string) => {
      const own = changes.filter((one) => one.user === user && one.segment === id);
      const ends = fold(own);
      // What was before does not count: only whether it was in, and what came after.
      const was = ends.findLast((one) => one.at <= at)?.in ?? false;
      return [was, ...ends.filter((one) => one.at > at).map((one) => one.at)];
    };
    for (const { id, when } of drawn) {
      const [one, both] = [endsOf('a', id), endsOf('both', id)];
      expect({ i, at, when, ends: one }).toEqual({ i, at, when, ends: both });
      compared += one.length;
    }
    await driver.close();
  }
  expect(compared).toBeGreaterThan(600);
});
