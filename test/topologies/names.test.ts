/**
 * Names that every JavaScript object inherits are names like any other, wherever names come with
 * the data.
 */

import { testDriver } from 'millrace/testing';
import { expect, test } from 'vitest';
import {
  type Event,
  events,
  scores,
  segmentChanges,
  segmentStates,
} from '../../topologies/event.ts';
/**
 * Names that every JavaScript object inherits are names like any other, wherever names come with
 * the data.
 */
import personalisation, {
  lintPersonalisation,
  type PersonalisationConfig,
  profileLogic,
} from '../../topologies/personalisation.ts';
import type { Profile } from '../../topologies/subject/profile.ts';
import { canonical, compareWithSql } from '../../topologies/verify/compare.ts';

const day = 86_400_000;
const names = ['constructor', '__proto__', 'toString', 'hasOwnProperty'];

/** One name for everything, but segments, whose names begin with a letter or digit. */
function world(name: string) {
  const own = (entry: unknown): object => Object.fromEntries([[name, entry]]);
  const segment = /^[a-z]+$/.test(name) ? name : 'plain';
  const conditions = [
    { trait: { path: name, op: 'exists' } },
    { count: { event: name, op: 'ge', n: 1, within: '30d', where: own({ op: 'exists' }) } },
    { count: { event: 'purchase', op: 'ge', n: 1, within: '30d', distinct: name } },
    { sum: { event: name, path: name, op: 'ge', value: 5, within: '30d' } },
    { abandoned: { start: name, unless: 'purchase', key: 'item', after: '1d', for: '9d' } },
    { consent: { purpose: name } },
    { score: { channel: name, op: 'ge', value: 1 } },
    { inSegment: segment },
  ];
  const config = {
    engagement: {
      classes: Object.fromEntries([
        [name, { channel: name, weight: 8_000, perHour: 3 }],
        ['purchase', { channel: 'email', weight: 12_000, perHour: 2 }],
      ]),
      channels: Object.fromEntries([
        [name, { halfLifeHours: 100, saturation: 5_000, share: 3 }],
        ['email', { halfLifeHours: 336, saturation: 6_000, share: 1 }],
      ]),
      openSignal: { human: name, machine: 'machine_open', percent: 80, hours: 720 },
    },
    machine: { of: own('machine_open'), clicks: [name] },
    consent: { needs: own(name), unknown: 'granted' },
    segments: [
      { id: segment, version: 1, when: { count: { event: name, op: 'ge', n: 2, within: '9d' } } },
      ...conditions.map((when, i) => ({ id: `s${i}`, version: 1, when })),
    ],
  } as unknown as PersonalisationConfig;
  const event = (id: string, more: Partial<Event> = {}): Event => ({
    id,
    class: name,
    item: name,
    link: name,
    ...more,
  });
  const values = own(7) as Record<string, number>;
  const history: [number, Event][] = [
    [1, event(name, { traits: own('gold') as never, numbers: values })],
    [2, event(name)],
    [2, event('2')],
    [3, event('3', { class: 'purchase', currency: name, numbers: { amount: 100 } })],
    [4, event('4', { class: 'refund' })],
    [5, event('5', { class: 'consent_withdrawn', purpose: name })],
    [6, event('6', { class: 'consent_granted', purpose: name })],
    [6.5, event('7', { class: 'purchase', currency: name, numbers: { amount: 100 } })],
    [7, event('8', { traits: own('silver') as never })],
    [50, event('9')],
  ];
  return { config, history };
}

async function outcome(name: string) {
  const { config, history } = world(name);
  expect(lintPersonalisation(config)).toEqual([]);
  const driver = await testDriver(personalisation(config));
  for (const [at, event] of history) {
    await driver.pipe(events, name, event, at * day);
    // What was written is what was meant, also when all state is read back.
    await driver.restart({ dropState: true });
  }
  const end = 60 * day;
  await driver.advanceTo(end);
  const rows = await driver.rows({ store: 'profiles' });
  const changes = (await driver.read(segmentChanges)).flatMap(({ value }) => value ?? []);
  const told = {
    changes,
    states: await driver.read(segmentStates),
    scores: await driver.read(scores),
    drops: driver.summary.counters.drops,
  };
  await driver.close();
  const profile = rows[0]?.value as Profile;
  const logic = profileLogic(config);
  const asked = {
    score: logic.scoreOf(profile, end),
    companions: logic.companionsOf(profile, end),
    why: logic.explainScore(profile, 50 * day),
    segments: config.segments?.map(({ id }) => logic.explain(name, profile, id, 50 * day)),
  };
  const logged = history.map(([at, event]) => ({ subject: name, at: at * day, event }));
  const result = { end, profiles: new Map([[name, profile]]), changes, labels: [] };
  const parts = await compareWithSql(config, logged, result);
  return { told, asked, parts };
}

test.each(names)('%s as any name that comes with the data', { timeout: 120_000 }, async (name) => {
  const [found, plain] = [await outcome(name), await outcome('plain')];
  // Hashes of definitions differ; and names, which are set equal.
  const shown = ({ told, asked }: typeof found, own: string) =>
    canonical({ told, asked: { ...asked, segments: asked.segments?.map(({ holds }) => holds) } })
      .replaceAll(JSON.stringify(own).slice(1, -1), 'plain')
      .split(/[,{}[\]]+/)
      .sort();
  expect(shown(found, name)).toEqual(shown(plain, 'plain'));
  expect(found.told.changes.length).toBeGreaterThan(8);
  expect(found.parts.filter(({ differing }) => differing > 0)).toEqual([]);
});

test.each(names)('%s as the kind of a node, or a field that is not known, is a mistake', (name) => {
  const own = (value: unknown) => Object.fromEntries([[name, value]]);
  const segment = (when: object) => ({ segments: [{ id: 's', version: 1, when }] });
  const count = { event: 'a', op: 'ge', n: 1, within: '1d' };
  for (const when of [own({}), { count: { ...count, ...own(1) } }, { or: [own(1)] }]) {
    expect(lintPersonalisation(segment(when) as never).length).toBeGreaterThan(0);
  }
  for (const part of ['engagement', 'machine', 'consent']) {
    const config = { ...segment({ count }), ...Object.fromEntries([[part, own(1)]]) };
    expect(() => profileLogic(config as never)).toThrow(/is not known|there is no such setting/);
  }
  expect(() => profileLogic({ ...segment({ count }), ...own(1) } as never)).toThrow(
    /is not known|there is no such setting/,
  );
});
