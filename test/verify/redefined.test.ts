/** `verify` over a log that two definitions have decided, one after the other. */

import { testDriver } from 'millrace/testing';
import { expect, test } from 'vitest';
import { events, segmentChanges } from '../../topologies/event.ts';
import personalisation, {
  type PersonalisationConfig,
  profileLogic,
} from '../../topologies/personalisation.ts';
import type { Profile } from '../../topologies/subject/profile.ts';
import { runSubject } from '../../topologies/subject/subject-run.ts';
import { compareWithSql, type EngineResult } from '../../topologies/verify/compare.ts';
import type { LoggedEvent } from '../../topologies/verify/database.ts';

const day = 86_400_000;
/** Days on which something happens: ann clicks, ben looks, cid does both. */
const [clicks, views] = [
  [1, 1.5, 4, 7.25, 30, 49],
  [2, 3, 33, 48],
];

function loggedOf(): LoggedEvent[] {
  const one = (subject: string, name: string, at: number): LoggedEvent => ({
    subject,
    at: at * day,
    event: { id: `${subject} ${name} ${at}`, class: name },
  });
  const logged = ['ann', 'ben', 'cid'].flatMap((subject, i) => [
    ...(i !== 1 ? clicks.map((at) => one(subject, 'email_click', at)) : []),
    ...(i !== 0 ? views.map((at) => one(subject, 'page_view', at)) : []),
  ]);
  return logged.sort((a, b) => a.at - b.at);
}

async function resultOf(was: object, is: object, cut: number): Promise<EngineResult> {
  const topologyOf = (version: number, one: object) => personalisation(configOf(version, one));
  const driver = await testDriver(topologyOf(1, was));
  const logged = loggedOf();
  const pipe = (some: readonly LoggedEvent[]) =>
    driver.pipeAll(
      events,
      some.map(({ subject, at, event }) => ({ key: subject, value: event, timestamp: at })),
    );
  const before = logged.filter(({ at }) => at <= cut);
  await pipe(before);
  await driver.advanceTo(cut);
  await driver.restart({ topology: topologyOf(2, is) });
  const logic = profileLogic(configOf(2, is));
  for (const { key, timestamp = 0 } of await driver.rows({ store: 'profiles' })) {
    const own = before.filter(({ subject }) => subject === key);
    const { state } = runSubject(logic, String(key), own);
    await driver.pipe(events, String(key), logic.redefined(state), timestamp);
  }
  await pipe(logged.filter(({ at }) => at > cut));
  const end = 55 * day;
  await driver.advanceTo(end);
  const rows = await driver.rows({ store: 'profiles' });
  const changes = (await driver.read(segmentChanges)).flatMap(({ value }) => value ?? []);
  await driver.close();
  const profiles = new Map(rows.map(({ key, value }) => [String(key), value as Profile]));
  return { end, profiles, changes, labels: [] };
}

function configOf(version: number, one: object): PersonalisationConfig {
  return { segments: [{ id: 's', version, ...one }] } as unknown as PersonalisationConfig;
}

const count = (n: number, within: string, event = 'email_click') => ({
  count: { event, op: 'ge', n, within },
});

const changes: [string, object, object][] = [
  ['fewer are asked for', { when: count(2, '30d') }, { when: count(1, '30d') }],
  ['more are asked for', { when: count(1, '30d') }, { when: count(3, '30d') }],
  ['a shorter window', { when: count(1, '30d') }, { when: count(1, '10d') }],
  [
    'held around it',
    { when: count(1, '3d') },
    { when: { held: { expr: count(1, '3d'), for: '2d' } } },
  ],
  ['a cooldown', { when: count(1, '1d') }, { when: count(1, '1d'), cooldown: '3d' }],
  ['told in silence', { when: count(2, '30d') }, { when: count(1, '30d'), initial: 'silent' }],
  ['a longer window', { when: count(2, '1d') }, { when: count(2, '60d') }],
  ['another class', { when: count(1, '9d') }, { when: count(2, '45d', 'page_view') }],
  [
    'another kind',
    { when: count(1, '9d') },
    {
      when: {
        latch: { enter: count(2, '50d'), exit: { absent: { event: 'page_view', for: '20d' } } },
      },
    },
  ],
  [
    'once',
    { when: count(1, '9d') },
    { when: { once: { expr: count(2, '4d'), reentryAfter: '30d' } } },
  ],
  ['the contrary', { when: count(1, '9d') }, { when: { not: count(1, '9d') } }],
];

test.each(changes)('0 differing after a change of definition: %s', async (_, was, is) => {
  for (const cut of [2.5, 8, 31, 48.5]) {
    const result = await resultOf(was, is, cut * day);
    const config = configOf(2, is);
    const parts = await compareWithSql(config, loggedOf(), result);
    const differing = parts.filter((part) => part.differing > 0);
    expect({ cut, differing }).toEqual({ cut, differing: [] });
  }
});

test('a membership that is wrong since the change of definition is found', async () => {
  const [, was, is] = changes[0] as [string, object, object];
  const result = await resultOf(was, is, 8 * day);
  const lost = result.changes.filter(({ version }) => version !== 1);
  const config = configOf(2, is);
  const parts = await compareWithSql(config, loggedOf(), { ...result, changes: lost });
  expect(parts.find(({ name }) => name === 'segment s')?.differing).toBeGreaterThan(0);
});
