/**
 * The state against SQL over the same events: disorder, duplicates, refunds, consent, machines,
 * late events.
 */

import { testDriver } from 'millrace/testing';
import { expect, test } from 'vitest';
import { randomBelow, SeededRandom } from '../../engine/base/random.ts';
import {
  activityLabels,
  type Event,
  type Evidence,
  events,
  segmentChanges,
} from '../../topologies/event.ts';
import personalisation, {
  type PersonalisationConfig,
  profileLogic,
} from '../../topologies/personalisation.ts';
import type { Profile } from '../../topologies/subject/profile.ts';
import { compareWithSql, type EngineResult } from '../../topologies/verify/compare.ts';
import type { LoggedEvent } from '../../topologies/verify/database.ts';
import { loggedEvents } from '../../topologies/verify/logged.ts';

const [hour, day] = [3_600_000, 86_400_000];
const classes = [
  ...['email_open', 'email_open', 'email_click', 'email_click', 'email_click', 'email_click'],
  ...[
    'email_delivered',
    'page_view',
    'product_view',
    'add_to_cart',
    'purchase',
    'purchase',
    'refund',
  ],
  ...['email_bounce', 'address_change', 'email_complaint', 'email_unsubscribe', 'email_subscribe'],
  ...['consent_granted', 'consent_withdrawn', 'loyalty_redeem'],
];

/**
 * Some days of a subject, crowded about a few hours, in an order of arrival with gaps and repeats.
 */
function historyOf(random: SeededRandom, subject: string): LoggedEvent[] {
  const below = (n: number) => randomBelow(random, n);
  const pick = <T>(list: readonly T[]) => list[below(list.length)] as T;
  const made = Array.from({ length: 1 + below(50) }, (_, i): LoggedEvent => {
    const evidence: Evidence = {
      ...(below(8) === 0 ? { machine: true } : {}),
      ...(below(5) === 0 ? { method: 'HEAD' } : {}),
      ...(below(12) === 0 ? { honeypot: true } : {}),
      ip: pick(['192.0.2.9', '198.51.100.1', '2001:db8::7']),
      links: 1 + below(8),
    };
    const event: Event = {
      id: `${subject}-${i}`,
      class: pick(classes),
      ...(below(10) === 0 ? {} : { item: `i${below(4)}` }),
      link: pick(['a', 'b', 'c', 'd']),
      purpose: pick(['browsing', 'marketing-email']),
      ...(below(4) === 0 ? { until: 20 * day + below(20) * day } : {}),
      numbers: { amount: below(5_000) },
      currency: pick(['EUR', 'USD']),
      evidence,
    };
    const at = below(3) === 0 ? below(40 * day) : below(40) * day + below(90_000);
    return { subject, at, event };
  });
  const arrival = made.map((one) => ({ one, at: one.at + below(9 * day) * below(2) }));
  const repeats = made
    .filter(() => below(8) === 0)
    .map((one) => ({ one, at: one.at + below(5 * day) }));
  return [...arrival, ...repeats].sort((a, b) => a.at - b.at).map(({ one }) => one);
}

async function resultOver(config: PersonalisationConfig, logged: readonly LoggedEvent[]) {
  const driver = await testDriver(personalisation(config), { partitions: 2 });
  await driver.pipeAll(
    events,
    logged.map(({ subject, at, event }) => ({ key: subject, value: event, timestamp: at })),
  );
  const end = 60 * day;
  await driver.advanceTo(end);
  const rows = await driver.rows({ store: 'profiles' });
  const values = async <V>(records: Promise<readonly { readonly value: V | null }[]>) =>
    (await records).flatMap(({ value }) => (value === null ? [] : [value]));
  const result: EngineResult = {
    end,
    profiles: new Map(rows.map((row) => [String(row.key), row.value as Profile])),
    changes: await values(driver.read(segmentChanges)),
    labels: await values(driver.read(activityLabels)),
  };
  await driver.close();
  return result;
}

const machine = { networks: ['192.0.2.0/25', '2001:db8::/33'] };
const needs = { page_view: 'browsing', product_view: 'browsing', email_click: 'browsing' };
const configs: Readonly<Record<string, PersonalisationConfig>> = {
  'as it comes': { machine },
  'opt-in, what is refused is kept': {
    machine,
    consent: { needs, unknown: 'withdrawn', keepRefused: true },
  },
  'opt-in, what is refused is gone': { machine, consent: { needs, unknown: 'withdrawn' } },
  'opt-out, refunds of a week, another zone': {
    engagement: { refundMs: 7 * day, zone: 'Pacific/Auckland', graceMs: 2 * day },
    consent: { needs: { '*': 'browsing' } },
  },
};

test.each(Object.entries(configs))('0 differences: %s', async (name, config) => {
  const seed = 20 + Object.keys(configs).indexOf(name);
  const random = new SeededRandom(seed);
  const logged = Array.from({ length: 120 }, (_, i) => historyOf(random, `s${i}`)).flat();
  const result = await resultOver({ segments: [], ...config }, logged);
  const parts = await compareWithSql({ segments: [], ...config }, logged, result);
  const differing = parts.map((part) => [part.name, part.differing, part.examples]);
  expect({ seed, differing }).toEqual({ seed, differing: parts.map(({ name: n }) => [n, 0, []]) });
  for (const { name: part, compared } of parts)
    expect([part, compared > 100]).toEqual([part, true]);
});

test('0 differences: subjects that were merged, by the events of both', async () => {
  const random = new SeededRandom(41);
  const config = { segments: [], machine };
  const histories = Array.from({ length: 120 }, (_, i) =>
    historyOf(random, `s${i}`).map((one): LoggedEvent => {
      const { id, item } = one.event;
      // Messages and orders are one person's own, as those of any sender are.
      return { ...one, event: { ...one.event, id, item: `${one.subject}-${item ?? id}` } };
    }),
  );
  // Every third one is merged into the next one, some days after it began; of these, some once
  // more.
  const all = histories.flatMap((history, i) => {
    if (i % 3 === 2) return history;
    const at = (5 + randomBelow(random, 30)) * day;
    const merge: LoggedEvent = {
      subject: `s${i}`,
      at,
      event: { id: `merge ${i}`, class: 'subject_merged', item: `s${i + 1}` },
    };
    if (i % 3 === 1 && i % 2 === 0) return history;
    const before = randomBelow(random, history.length + 1);
    return [...history.slice(0, before), merge, ...history.slice(before)];
  });
  const arrival = all.map((one, i) => ({ one, place: randomBelow(random, 40) + i / 1_000 }));
  // Of each subject in its own order, of different ones mixed.
  const bySubject = new Map<string, number[]>();
  for (const { one, place } of arrival) {
    const own = bySubject.get(one.subject) ?? [];
    own.push(place);
    bySubject.set(one.subject, own);
  }
  for (const own of bySubject.values()) own.sort((a, b) => a - b);
  const mixed = arrival
    .map(({ one }) => ({ one, place: bySubject.get(one.subject)?.shift() ?? 0 }))
    .sort((a, b) => a.place - b.place)
    .map(({ one }) => one);
  const driver = await testDriver(personalisation(config), { partitions: 2, recordsPerCycle: 50 });
  await driver.pipeAll(
    events,
    mixed.map(({ subject, at, event }) => ({ key: subject, value: event, timestamp: at })),
  );
  const end = 60 * day;
  await driver.advanceTo(end);
  const rows = await driver.rows({ store: 'profiles' });
  const profiles = new Map(rows.map((row) => [String(row.key), row.value as Profile]));
  const records = (await driver.read(events)).map(({ key, value, timestamp }) => {
    return { key: String(key), value: value as Event, timestamp };
  });
  await driver.close();
  const logged = await loggedEvents(records, profiles);
  const result = { end, profiles, changes: [], labels: [] };
  const logic = profileLogic(config);
  const absorbing = [...profiles.values()].filter(({ absorbed }) => absorbed !== undefined);
  expect(absorbing.length).toBeGreaterThan(30);
  const [scored, beside] = await compareWithSql(config, logged, result);
  expect([scored?.differing, scored?.examples]).toEqual([0, []]);
  expect([beside?.differing, beside?.examples]).toEqual([0, []]);
  expect(scored?.compared).toBeGreaterThan(400);
  // A profile that got lost is found, too.
  const [lost] = [...profiles].find(([, one]) => {
    const { absorbed, mergedInto } = one;
    return (absorbed ?? mergedInto) === undefined && logic.scoreOf(one, end).score > 0;
  }) as [string, Profile];
  const fewer = new Map([...profiles].filter(([subject]) => subject !== lost));
  const found = await compareWithSql(config, await loggedEvents(records, fewer), {
    ...result,
    profiles: fewer,
  });
  expect(found[0]?.examples[0]).toContain(`subject ${lost} at +0 d`);
});

test('a state that is wrong is found', async () => {
  const random = new SeededRandom(7);
  const logged = Array.from({ length: 20 }, (_, i) => historyOf(random, `s${i}`)).flat();
  const result = await resultOver({ segments: [] }, logged);
  const [subject, profile] = [...result.profiles].find(([, one]) =>
    one.engagement.counts.hours.has('purchase'),
  ) as [string, Profile];
  profile.engagement.counts.hours.set('purchase', { [Math.floor((59 * day) / hour)]: 2 });
  const parts = await compareWithSql({ segments: [] }, logged, result);
  expect(parts[0]?.differing).toBeGreaterThan(0);
  expect(parts[0]?.examples[0]).toContain(`subject ${subject} at +0 d: SQL {"score"`);
});
