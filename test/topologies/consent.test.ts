/** Consent decides what is accepted, as intervals of event time. */
import { testDriver } from 'millrace/testing';
import { describe, expect, test } from 'vitest';
import {
  addConsent,
  type ConsentConfig,
  type ConsentEntry,
  consentAt,
  consentChangesAt,
} from '../../topologies/accepted/consent.ts';
import { type Event, events, scores } from '../../topologies/event.ts';
import personalisation from '../../topologies/personalisation.ts';

function entriesOf(...told: [granted: boolean, at: number, until?: number][]): ConsentEntry[] {
  const entries: ConsentEntry[] = [];
  for (const [granted, at, until] of told) {
    const event: Event = {
      id: `${at}`,
      class: granted ? 'consent_granted' : 'consent_withdrawn',
      ...(until === undefined ? {} : { until }),
    };
    addConsent(entries, event, at);
  }
  return entries;
}

describe('intervals', () => {
  test('each instant has its own answer, in whatever order they came', () => {
    const entries = entriesOf([false, 20], [true, 10], [true, 30]);
    expect([9, 10, 19, 20, 29, 30].map((at) => consentAt(entries, at))).toEqual([
      'unknown',
      'granted',
      'granted',
      'withdrawn',
      'withdrawn',
      'granted',
    ]);
  });

  test('a consent runs out, which is known ahead; of one instant the withdrawal wins', () => {
    const entries = entriesOf([true, 10, 20]);
    expect([19, 20].map((at) => consentAt(entries, at))).toEqual(['granted', 'withdrawn']);
    expect([10, 20].map((at) => consentChangesAt(entries, at))).toEqual([
      20,
      Number.POSITIVE_INFINITY,
    ]);
    expect(consentAt(entriesOf([false, 10], [true, 10]), 10)).toBe('withdrawn');
  });
});

async function scoresOf(consent: Partial<ConsentConfig>, arrivals: readonly [Event, number][]) {
  const driver = await testDriver(personalisation({ consent, segments: [] }));
  for (const [event, at] of arrivals) await driver.pipe(events, 'ann', event, at);
  const told = (await driver.read(scores)).map(({ value }) => value);
  const { drops } = driver.summary.counters;
  const rows = await driver.rows({ store: 'profiles' });
  await driver.close();
  return { told, drops, rows };
}

const needs = { page_view: 'browsing', product_view: 'browsing' };
const view = (id: string, at: number): [Event, number] => [{ id, class: 'product_view' }, at];
const said = (id: string, granted: boolean, at: number): [Event, number] => [
  { id, class: granted ? 'consent_granted' : 'consent_withdrawn', purpose: 'browsing' },
  at,
];

test('without consent nothing is counted, and nothing of the subject is kept', async () => {
  const { told, drops, rows } = await scoresOf({ needs, unknown: 'withdrawn' }, [view('1', 1_000)]);
  expect(told).toEqual([]);
  expect(drops).toEqual({ 'profiles|no_consent': 1 });
  expect(rows).toEqual([]);
});

test('withdrawing removes what comes from that instant on, not what was before', async () => {
  const open: [Event, number] = [{ id: 'o', class: 'email_open' }, 500];
  const { told } = await scoresOf({ needs, unknown: 'withdrawn' }, [
    said('c', true, 0),
    open,
    view('1', 1_000),
    view('3', 3_000),
    said('w', false, 2_000),
    view('4', 4_000),
  ]);
  // 800 of 10,800 millipoints are 7; 1,600 of 11,600 are 13.
  expect(told.map((one) => [one?.subs['web'], one?.cause])).toEqual([
    [0, 'event'],
    [0, 'event'],
    [7, 'event'],
    [13, 'event'],
    [7, 'correction'],
  ]);
  expect(told.at(-1)?.subs['email']).toBe(14);
});

test('a consent that was given before but comes after brings back what is kept', async () => {
  const arrivals = [view('1', 1_000), said('c', true, 0)];
  const kept = await scoresOf({ needs, unknown: 'withdrawn', keepRefused: true }, arrivals);
  expect(kept.told.at(-1)?.subs['web']).toBe(7);
  const dropped = await scoresOf({ needs, unknown: 'withdrawn' }, arrivals);
  expect(dropped.told.at(-1)?.subs['web']).toBe(0);
});

test('a withdrawn e-mail consent shuts the gate until it is given again', async () => {
  const about = (id: string, granted: boolean, at: number): [Event, number] => [
    { id, class: granted ? 'consent_granted' : 'consent_withdrawn', purpose: 'marketing-email' },
    at,
  ];
  const click: [Event, number] = [{ id: '1', class: 'email_click' }, 1_000];
  const { told } = await scoresOf({}, [click, about('w', false, 2_000), about('g', true, 3_000)]);
  expect(told.map((one) => [one?.score, one?.band])).toEqual([
    [16, 'cool'],
    [0, 'suppressed'],
    [16, 'cool'],
  ]);
});
