/**
 * How profiles and events are written: what was written before is read, and goes on as it would
 * have.
 */

import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { SeededRandom } from '../../engine/base/random.ts';
import type { Arrival, SegmentChange } from '../../topologies/event.ts';
import { eventSerde } from '../../topologies/event-codec.ts';
import { type PersonalisationConfig, profileLogic } from '../../topologies/personalisation.ts';
import type { Profile } from '../../topologies/subject/profile.ts';
import { profileSerde } from '../../topologies/subject/profile-codec.ts';
import { runSubject, SubjectRun } from '../../topologies/subject/subject-run.ts';
import { canonical } from '../../topologies/verify/compare.ts';
import { nodes } from './segment-draws.ts';
import { randomHistory, withRefunds } from './segment-histories.ts';

const hour = 3_600_000;
const day = 24 * hour;

interface Before {
  readonly config: PersonalisationConfig;
  readonly now: number;
  readonly profile: string;
  readonly tail: readonly Arrival[];
  readonly changes: readonly Partial<SegmentChange>[];
  readonly score: object;
  readonly drops: object;
}

function decoded(bytes: Buffer): Profile {
  return profileSerde.decode(bytes, 0, bytes.byteLength);
}

const again = (profile: Profile) => decoded(Buffer.from(profileSerde.encode(profile)));

test('a profile of version 0, objects throughout, goes on', async () => {
  const file = join(import.meta.dirname, 'fixtures/profile-version-0.json');
  const before = JSON.parse(await readFile(file, 'utf8')) as Before;
  const bytes = Buffer.from(before.profile, 'base64');
  const logic = profileLogic(before.config);
  for (const profile of [decoded(bytes), again(decoded(bytes))]) {
    const run = new SubjectRun(logic, 'ann');
    run.state = profile;
    run.now = before.now;
    for (const arrival of before.tail) run.take(arrival);
    run.advanceTo(120 * day);
    const told = run.changes.map(({ segment, type, effectiveAt, seq }) => {
      return { segment, type, effectiveAt, seq };
    });
    expect(told).toEqual(before.changes);
    expect(run.dropped).toEqual(before.drops);
    expect(logic.scoreOf(run.state as Profile, 47 * day)).toEqual(before.score);
  }
  expect(before.changes.length).toBeGreaterThan(3);
  expect(again(decoded(bytes))).toEqual(decoded(bytes));
});

test('a profile that is written and read after every event goes on as one that is not', () => {
  const random = new SeededRandom(31);
  const segments = Object.entries(nodes).map(([name, node]) => ({
    id: name.replaceAll(' ', '-'),
    version: 1,
    when: node(random, hour),
  }));
  const logic = profileLogic({ segments } as unknown as PersonalisationConfig);
  for (let i = 0; i < 20; i++) {
    const history = withRefunds(random, randomHistory(random, hour, hour), hour);
    const arrivals = history.sort((a, b) => a.at - b.at);
    const whole = runSubject(logic, 'ann', arrivals);
    const cut = new SubjectRun(logic, 'ann');
    for (const arrival of arrivals) {
      cut.take(arrival);
      cut.state = again(cut.state as Profile);
    }
    for (const run of [whole, cut]) run.advanceTo(1_000 * hour);
    expect(cut.outputs).toEqual(whole.outputs);
  }
});

test('events: a trait or number called __proto__ comes back; others are written as before', () => {
  const serde = eventSerde();
  const own = (value: unknown) =>
    Object.fromEntries([
      ['__proto__', value],
      ['plan', 'gold'],
    ]);
  for (const event of [
    { id: '1', class: 'a', traits: own('x') as never },
    { id: '2', class: 'b', numbers: own(3) as never, traits: { plan: 'x' } },
    { id: '3', class: 'c', traits: { constructor: 'x' } as never },
    { id: '4', class: 'd' },
  ]) {
    const bytes = Buffer.from(serde.encode(event));
    const read = serde.decode(bytes, 0, bytes.byteLength);
    expect(canonical(read)).toBe(canonical(event));
  }
});
