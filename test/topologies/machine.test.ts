/** What tells a machine from a person: each rule, and labels that are taken back. */
import { testDriver } from 'millrace/testing';
import { describe, expect, test } from 'vitest';
import {
  type Activity,
  defaultMachine,
  MachineRules,
  rulesDecide,
} from '../../topologies/accepted/machine.ts';
import {
  activityLabels,
  type Event,
  type Evidence,
  events,
  scores,
} from '../../topologies/event.ts';
import personalisation from '../../topologies/personalisation.ts';

const rules = new MachineRules({ ...defaultMachine, networks: ['192.0.2.0/24', '2001:db8::/32'] });

function click(at: number, link: string, evidence: Evidence = {}, item = 'm'): Activity {
  return { at, event: { id: `${at}-${link}`, class: 'email_click', item, link, evidence } };
}

function rulesOf(one: Activity, clicks: readonly Activity[] = [one], delivered: number[] = []) {
  return rules.rulesFor(one, { clicks, delivered });
}

describe('a rule fits', () => {
  test.each([
    ['E1', { machine: true }],
    ['E2', { ip: '192.0.2.77' }],
    ['E2', { ip: '2001:db8::1' }],
    ['E2', { agent: 'Mozilla/5.0 (compatible; ExampleBot/1.0)' }],
    ['E3', { method: 'head' }],
    ['E3', { prefetch: true }],
  ] as [string, Evidence][])('%s for %j', (rule, evidence) => {
    expect(rulesOf(click(0, 'x', evidence))).toEqual([rule]);
  });

  test.each([
    [{ machine: false }],
    [{ ip: '192.0.3.1' }],
    [{ ip: 'unknown' }],
    [{ agent: 'Mozilla/5.0' }],
    [{ method: 'GET' }],
  ] as [Evidence][])('none for %j', (evidence) => {
    expect(rulesOf(click(0, 'x', evidence))).toEqual([]);
  });

  test('E4 for every click of the source, ten minutes about the hidden link', () => {
    const source = { ip: '198.51.100.1', agent: 'a' };
    const hidden = click(600_000, 'hidden', { ...source, honeypot: true });
    const clicks = [hidden];
    const found = [0, 1_200_000, 1_200_001].map((at) => rulesOf(click(at, 'x', source), clicks));
    expect(found).toEqual([['E4'], ['E4'], []]);
    expect(rulesOf(hidden, clicks)).toEqual(['E4']);
    expect(rulesOf(click(0, 'x', { ...source, agent: 'b' }), clicks)).toEqual([]);
  });

  test('E5 for three links of a message in one fixed minute, and half of those it has', () => {
    const burst = (links: number) =>
      ['a', 'b', 'c'].map((link, i) => click(59_997 + i, link, { links }));
    expect(burst(6).map((one) => rulesOf(one, burst(6)))).toEqual([['E5'], ['E5'], ['E5']]);
    expect(burst(7).map((one) => rulesOf(one, burst(7)))).toEqual([[], [], []]);
    // The third is in the next minute.
    const across = ['a', 'b', 'c'].map((link, i) => click(59_998 + i, link));
    expect(across.map((one) => rulesOf(one, across))).toEqual([[], [], []]);
    const same = ['a', 'b', 'b'].map((link, i) => click(i, link));
    expect(rulesOf(same[0] as Activity, same)).toEqual([]);
  });

  test('E6 for a click before delivery, or two seconds after', () => {
    const found = [9_999, 12_000, 12_001].map((at) => rulesOf(click(at, 'x'), [], [10_000]));
    expect(found).toEqual([['E6'], ['E6'], []]);
    expect(rulesOf(click(1, 'x'), [], [600_002])).toEqual([]);
  });
});

test('E1, E4 and E5 decide alone, of the others two', () => {
  expect(
    [['E1'], ['E4'], ['E5'], ['E2', 'E3'], ['E3', 'E6']].map((r) => rulesDecide(r as never)),
  ).toEqual([true, true, true, true, true]);
  expect([[], ['E2'], ['E3'], ['E6']].map((r) => rulesDecide(r as never))).toEqual([
    false,
    false,
    false,
    false,
  ]);
});

test('a late sibling makes clicks a machine’s: the count goes down, and the evidence is told', async () => {
  const driver = await testDriver(personalisation({ segments: [] }));
  const pipe = (id: string, link: string, at: number, eventClass = 'email_click') => {
    const event: Event = { id, class: eventClass, item: 'm', link };
    return driver.pipe(events, 'ann', event, at);
  };
  await pipe('1', 'a', 1_000);
  await pipe('2', 'b', 2_000);
  await pipe('9', 'z', 3_600_000);
  const before = (await driver.read(scores)).map(({ value }) => value?.score);
  expect(await driver.read(activityLabels)).toEqual([]);
  await pipe('3', 'c', 3_000);
  const after = (await driver.read(scores)).map(({ value }) => value);
  // Of three clicks there is one left: 4 points of 10 instead of 12 of 18.
  expect(before.at(-1)).toBe(Math.floor((40 * 66) / 100));
  expect(after).toMatchObject([{ score: 16, cause: 'correction' }]);
  const labels = (await driver.read(activityLabels)).map(({ value }) => value);
  expect(labels).toMatchObject(
    ['1', '2', '3'].map((eventId) => ({
      eventId,
      label: 'machine',
      class: 'machine_click',
      rules: ['E5'],
      version: 1,
      correction: eventId !== '3',
    })),
  );
  await driver.close();
});

test('opens of a proxy count nothing, and are told with their evidence', async () => {
  const driver = await testDriver(personalisation({ segments: [] }));
  const event: Event = { id: '1', class: 'email_open', item: 'm', evidence: { machine: true } };
  await driver.pipe(events, 'ann', event, 1_000);
  expect((await driver.read(scores)).at(-1)?.value?.score).toBe(0);
  expect((await driver.read(activityLabels)).at(-1)?.value).toMatchObject({ rules: ['E1'] });
  await driver.close();
});
