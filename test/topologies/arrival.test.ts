/**
 * Score, band and companions are a function of the set of events, whatever the order of arrival.
 */

import fc from 'fast-check';
import { testDriver } from 'millrace/testing';
import { expect, test } from 'vitest';
import { activityLabels, type Event, events, scores } from '../../topologies/event.ts';
import personalisation, {
  type PersonalisationConfig,
  profileLogic,
} from '../../topologies/personalisation.ts';
import type { Profile } from '../../topologies/subject/profile.ts';

const hour = 3_600_000;
const day = 24 * hour;
const config: PersonalisationConfig = {
  engagement: { graceMs: 200 * day },
  machine: { networks: ['192.0.2.0/24'] },
  // Without what was refused, a consent that comes after its events does not bring them back.
  consent: { needs: { product_view: 'browsing' }, unknown: 'withdrawn', keepRefused: true },
  segments: [],
};

interface Arrival {
  readonly value: Event;
  readonly timestamp: number;
}

/** Classes that raise the score, shut and open its gate, and take others out of the set. */
const kinds = [
  'email_open',
  'email_click',
  'email_click',
  'email_click',
  'email_delivered',
  'consent_granted',
  'consent_withdrawn',
  'product_view',
  'purchase',
  'purchase',
  'refund',
  'email_bounce',
  'address_change',
  'email_complaint',
  'email_unsubscribe',
  'email_subscribe',
] as const;

const history = fc
  .array(
    fc.record({
      kind: fc.constantFrom(...kinds),
      item: fc.integer({ min: 0, max: 3 }),
      // Many at the same instant, and some hundred hours in all.
      at: fc.oneof(
        fc.integer({ min: 0, max: 400 }).map((n) => n * 20 * 60_000),
        fc.integer({ min: 0, max: 60 }).map((n) => 50 * hour + n * 1_000),
      ),
      link: fc.constantFrom('x', 'y', 'z', 'hidden'),
      evidence: fc.record(
        {
          machine: fc.constant(true),
          ip: fc.constantFrom('192.0.2.7', '198.51.100.1'),
          method: fc.constantFrom('GET', 'HEAD'),
        },
        { requiredKeys: [] },
      ),
      purpose: fc.constantFrom('browsing', 'marketing-email'),
    }),
    { minLength: 1, maxLength: 40 },
  )
  .map((all) =>
    all.map(({ kind, item, at, link, evidence, purpose }, i): Arrival => {
      const event: Event = {
        id: `${i}`,
        class: kind,
        item: `i${item}`,
        numbers: { amount: 100 + i },
      };
      const honeypot = link === 'hidden' ? { honeypot: true } : {};
      const isActivity = kind === 'email_click' || kind === 'email_open';
      const click = isActivity ? { link, evidence: { ...evidence, ...honeypot } } : {};
      return { value: { ...event, ...click, purpose }, timestamp: at };
    }),
  );

async function outcome(arrivals: readonly Arrival[]) {
  const driver = await testDriver(personalisation(config));
  for (const { value, timestamp } of arrivals) await driver.pipe(events, 'ann', value, timestamp);
  const end = 200 * hour;
  await driver.advanceTo(end);
  const [row] = await driver.rows({ store: 'profiles' });
  const profile = row?.value as Profile;
  const logic = profileLogic(config);
  const last = (await driver.read(scores)).at(-1)?.value;
  const labels = new Map<string, string>();
  for (const { value } of await driver.read(activityLabels)) {
    labels.set(value?.eventId ?? '', `${value?.label} as ${value?.class}`);
  }
  const machines = [...labels].filter(([, label]) => label.startsWith('machine')).sort();
  await driver.close();
  return {
    score: logic.scoreOf(profile, end),
    companions: logic.companionsOf(profile, end),
    band: [profile.band, last?.band],
    machines,
  };
}

test('any order of arrival gives the same score, band and companions', async () => {
  const shuffled = history.chain((arrivals) =>
    fc.tuple(
      fc.constant(arrivals),
      fc.shuffledSubarray(arrivals, { minLength: arrivals.length, maxLength: arrivals.length }),
    ),
  );
  await fc.assert(
    fc.asyncProperty(shuffled, async ([arrivals, permuted]) => {
      expect(await outcome(permuted)).toEqual(await outcome(arrivals));
    }),
    { numRuns: 100 },
  );
});

test('an order that is refunded was never there', async () => {
  const buy = (id: string, item: string, at: number): Arrival => {
    return { value: { id, class: 'purchase', item, numbers: { amount: 500 } }, timestamp: at };
  };
  const refund = (id: string, item: string, at: number): Arrival => {
    return { value: { id, class: 'refund', item }, timestamp: at };
  };
  const kept = buy('1', 'o1', 0);
  const alone = await outcome([kept, refund('3', 'o9', 5 * day)]);
  expect(await outcome([kept, buy('2', 'o2', day), refund('3', 'o2', 5 * day)])).toEqual(alone);
  expect(await outcome([kept, refund('3', 'o2', 5 * day), buy('2', 'o2', day)])).toEqual(alone);
  expect(alone.companions.money365).toEqual({ none: 500 });
  expect(alone.companions.repeatBuying).toMatchObject({ x: 0 });
});

test('a refund counts for orders of the last 30 days', async () => {
  const driver = await testDriver(personalisation({ segments: [] }));
  const pipe = (id: string, eventClass: string, at: number) =>
    driver.pipe(events, 'ann', { id, class: eventClass, item: 'o1' }, at);
  await pipe('1', 'purchase', 0);
  await pipe('2', 'refund', 30 * day + 1);
  const score = async () => (await driver.read(scores)).at(-1)?.value?.score;
  expect(await score()).toBeGreaterThan(0);
  await pipe('3', 'refund', 30 * day);
  expect(await score()).toBe(0);
  await driver.close();
});
