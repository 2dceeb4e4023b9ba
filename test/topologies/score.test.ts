/** The score's integers: fingerprints of the decay tables, and the worked example of the method. */
import { createHash } from 'node:crypto';
import { describe, expect, test } from 'vitest';
import { bandAfter, bandPath } from '../../topologies/engagement/bands.ts';
import {
  type Counts,
  countEvent,
  itemsIn,
  noCounts,
  settleHours,
} from '../../topologies/engagement/counts.ts';
import { decayTable } from '../../topologies/engagement/decay.ts';
import {
  defaultEngagement,
  type EngagementConfig,
} from '../../topologies/engagement/engagement-config.ts';
import {
  type GateKind,
  gateChangesAt,
  gateEvent,
  gateIsShut,
  openGates,
} from '../../topologies/engagement/gates.ts';
import { moneyIn, noOrders, orderEvent, repeatBuying } from '../../topologies/engagement/orders.ts';
import { ScoreCurve } from '../../topologies/engagement/score.ts';
import { hourMs } from '../../topologies/time-units.ts';

const emailOnly: EngagementConfig = {
  ...defaultEngagement,
  channels: { email: { halfLifeHours: 336, saturation: 6_000, share: 40 } },
};
const day = 24 * hourMs;

function count(counts: Counts, eventClass: string, item: string, at = 0, add = true): void {
  const id = `${eventClass}-${item}`;
  countEvent(defaultEngagement, counts, { id, class: eventClass, item }, at, add);
}

function openAndClick(): Counts {
  const counts = noCounts();
  count(counts, 'email_open', 'm1');
  count(counts, 'email_click', 'm1');
  return counts;
}

function gatesWith(...events: [GateKind, number][]) {
  const gates = openGates();
  for (const [kind, at] of events) gateEvent(gates, kind, at, true);
  return gates;
}

test.each([
  [168, 'a10b219841850645', 1_044_259],
  [336, 'dd1d10a0039f3aa8', 1_046_415],
  [1_440, '0df764577bf5cb83', 1_048_071],
])('the decay table of %i hours is the published one', (halfLife, fingerprint, first) => {
  const table = decayTable(halfLife);
  const hash = createHash('sha256').update(table.join(',')).digest('hex').slice(0, 16);
  expect(hash).toBe(fingerprint);
  expect([table.length, table[1], table[halfLife]]).toEqual([8 * halfLife, first, 524_288]);
});

test('the table of 1440 hours sums to the published number', () => {
  expect(decayTable(1_440).reduce((sum, d) => sum + d, 0)).toBe(2_170_409_474);
});

describe('one open and one click at hour 0', () => {
  const curve = new ScoreCurve(emailOnly, openAndClick(), openGates());

  test.each([
    [0, 45],
    [1, 45],
    [24, 44],
    [168, 37],
    [336, 29],
    [672, 17],
    [2_687, 0],
    [2_688, 0],
  ])('at hour %i the sub-score is %i', (hour, sub) => {
    expect(curve.at(hour * hourMs)).toEqual({ score: sub, subs: { email: sub } });
  });

  test.each([
    [30, 323],
    [25, 445],
    [10, 977],
    [5, 1_339],
  ])('falls below %i at hour %i', (threshold, hour) => {
    expect(curve.fallsBelow('total', threshold, 0)).toBe(hour * hourMs);
    expect(curve.fallsBelow('email', threshold, hour * hourMs - 1)).toBe(hour * hourMs);
    expect(curve.fallsBelow('total', threshold, hour * hourMs)).toBe(Number.POSITIVE_INFINITY);
  });
});

test('with three products viewed and one purchase the score is that of the example', () => {
  const counts = openAndClick();
  for (const product of ['p1', 'p2', 'p3']) count(counts, 'product_view', product);
  count(counts, 'purchase', 'o1');
  const curve = new ScoreCurve(defaultEngagement, counts, openGates());
  const hours = [0, 24, 168, 336, 1_344];
  expect(hours.map((hour) => curve.at(hour * hourMs).score)).toEqual([35, 34, 29, 24, 10]);
  expect(curve.at(0).subs).toEqual({ email: 45, web: 19, purchase: 50, loyalty: 0 });
  const late = curve.at(1_344 * hourMs).subs;
  expect(late).toEqual({ email: 4, web: 0, purchase: 34, loyalty: 0 });
});

test('an hour counts an item once, and gives no more points than the class allows', () => {
  const counts = noCounts();
  const email = () => new ScoreCurve(emailOnly, counts, openGates()).valueAt('email', hourMs - 1);
  const subs = ['a', 'a', 'b', 'c', 'd'].map((item, i) => {
    count(counts, 'email_open', item, i);
    return email();
  });
  expect(subs).toEqual([14, 14, 25, 33, 33]);
  expect(itemsIn(counts.hours.get('email_open')?.['0'] ?? 0, hourMs)).toBe(4);
  count(counts, 'email_open', 'a', 0, false);
  expect(email()).toBe(33);
  for (const [item, at] of [
    ['b', 2],
    ['c', 3],
  ] as const)
    count(counts, 'email_open', item, at, false);
  // The second event of `a` still counts, and `d`.
  expect(email()).toBe(25);
  count(counts, 'shoe_size', 'a');
  expect(counts.hours.get('shoe_size')).toBeUndefined();
});

test('a click counts by message and link, a page view by itself', () => {
  const counts = noCounts();
  const take = (id: string, eventClass: string, link?: string) => {
    const event = { id, class: eventClass, item: 'm', ...(link === undefined ? {} : { link }) };
    countEvent(defaultEngagement, counts, event, 0, true);
  };
  for (const [id, link] of [
    ['1', 'x'],
    ['2', 'y'],
    ['3', 'x'],
  ] as const)
    take(id, 'email_click', link);
  for (const id of ['4', '5', '6']) take(id, 'page_view');
  expect(itemsIn(counts.hours.get('email_click')?.['0'] ?? 0, 0)).toBe(2);
  expect(itemsIn(counts.hours.get('page_view')?.['0'] ?? 0, 0)).toBe(3);
});

test('at an instant only what came up to it counts, also within the hour', () => {
  const counts = noCounts();
  count(counts, 'email_open', 'a', 10);
  count(counts, 'email_open', 'b', 20);
  const curve = new ScoreCurve(emailOnly, counts, openGates());
  expect([9, 10, 19, 20].map((at) => curve.valueAt('email', at))).toEqual([0, 14, 14, 25]);
});

test('settling and forgetting hours does not change the score', () => {
  const counts = openAndClick();
  count(counts, 'email_open', 'm2', 2_687 * hourMs);
  const score = () => new ScoreCurve(defaultEngagement, counts, openGates()).at(2_688 * hourMs);
  const before = score();
  settleHours(defaultEngagement, counts, 2_687);
  expect(counts.hours.get('email_open')).toEqual({
    0: 1,
    2687: new Map([['m2', [2_687 * hourMs]]]),
  });
  settleHours(defaultEngagement, counts, 2_688);
  expect(counts.hours.get('email_open')).toEqual({ 2687: 1 });
  expect(score()).toEqual(before);
});

describe('gates', () => {
  test('a shut gate takes the e-mail channel out of the score, not the others', () => {
    const counts = openAndClick();
    count(counts, 'purchase', 'o1');
    const at = (gates: ReturnType<typeof openGates>) =>
      new ScoreCurve(defaultEngagement, counts, gates).at(hourMs);
    expect(at(openGates()).score).toBe(Math.floor((40 * 45 + 25 * 49) / 100));
    expect(at(gatesWith(['left', 1])).score).toBe(Math.floor((25 * 49) / 100));
    expect(at(gatesWith(['left', 1])).subs).toEqual(at(openGates()).subs);
  });

  test.each([
    [
      'a bounce, until the address changes',
      [
        ['bounced', 5],
        ['addressChanged', 9],
      ],
      [4, 5, 8, 9],
    ],
    [
      'leaving, until joining again',
      [
        ['left', 5],
        ['joined', 9],
      ],
      [4, 5, 8, 9],
    ],
    ['a complaint, for 365 days', [['complained', 5]], [4, 5, 5 + 365 * day - 1, 5 + 365 * day]],
  ] as [string, [GateKind, number][], number[]][])('%s', (_, events, instants) => {
    const gates = gatesWith(...events);
    expect(instants.map((at) => gateIsShut(gates, at))).toEqual([false, true, true, false]);
  });

  test('the end of a complaint is known ahead; scores are looked for up to it', () => {
    const gates = gatesWith(['complained', 0]);
    expect(gateChangesAt(gates, 10)).toBe(365 * day);
    expect(gateChangesAt(gates, 365 * day)).toBe(Number.POSITIVE_INFINITY);
    const counts = noCounts();
    count(counts, 'purchase', 'o1', 364 * day);
    const curve = new ScoreCurve(defaultEngagement, counts, gates);
    // The purchase channel alone falls below 12 after the gate has opened.
    expect(curve.fallsBelow('total', 12, 364 * day)).toBe(Number.POSITIVE_INFINITY);
    expect(curve.opensAt(364 * day)).toBe(365 * day);
    expect(curve.fallsBelow('total', 12, 365 * day)).toBeGreaterThan(365 * day);
  });
});

describe('the open signal', () => {
  test('opens count nothing while 80 % of 30 days are a machine’s, and again when those are over', () => {
    const counts = noCounts();
    for (const item of ['a', 'b', 'c', 'd']) count(counts, 'machine_open', item, 0);
    count(counts, 'email_open', 'e', 2 * hourMs);
    const curve = new ScoreCurve(emailOnly, counts, openGates());
    expect(curve.openSignalIsUnreliable(2 * hourMs)).toBe(true);
    expect(curve.valueAt('email', 2 * hourMs)).toBe(0);
    expect(curve.opensAt(2 * hourMs)).toBe(720 * hourMs);
    expect(curve.openSignalIsUnreliable(720 * hourMs)).toBe(false);
    expect(curve.valueAt('email', 720 * hourMs)).toBeGreaterThan(0);
  });

  test('three of four are too few', () => {
    const counts = noCounts();
    for (const item of ['a', 'b', 'c']) count(counts, 'machine_open', item, 0);
    count(counts, 'email_open', 'e', 0);
    const curve = new ScoreCurve(emailOnly, counts, openGates());
    expect(curve.openSignalIsUnreliable(0)).toBe(false);
    expect(curve.valueAt('email', 0)).toBe(14);
  });
});

test('a band is entered at its bound and left five below it', () => {
  const after = (score: number, before: number) => bandAfter(defaultEngagement, score, before);
  expect([9, 10, 30, 60].map((score) => after(score, 0))).toEqual([0, 1, 2, 3]);
  expect([60, 55, 54, 25, 24, 5, 4].map((score) => after(score, 3))).toEqual([3, 3, 2, 2, 1, 1, 0]);
});

test('the way of the band names each change with its hour', () => {
  const curve = new ScoreCurve(emailOnly, openAndClick(), openGates());
  const start = { at: -1, band: 0 };
  // 45 is warm; below 25 it is cool, below 5 dormant: the hours of the example.
  expect(bandPath(emailOnly, curve, start, [0], 10_000 * hourMs)).toEqual([
    start,
    { at: 0, band: 2 },
    { at: 445 * hourMs, band: 1 },
    { at: 1_339 * hourMs, band: 0 },
  ]);
});

test('money is summed by currency, and orders taken back are gone', () => {
  const orders = noOrders();
  const order = (item: string, at: number, amount: number, currency: string, add = true) => {
    const event = { id: item, class: 'purchase', item, numbers: { amount }, currency };
    orderEvent(defaultEngagement, orders, event, at, add);
  };
  order('o1', 0, 1_000, 'EUR');
  order('o2', 10 * day, 250, 'EUR');
  order('o3', 40 * day, 700, 'USD');
  const hour = 40 * 24;
  expect(moneyIn(orders, hour, 720)).toEqual({ USD: 700 });
  expect(moneyIn(orders, hour, 8_760)).toEqual({ EUR: 1_250, USD: 700 });
  expect(repeatBuying(orders, hour)).toEqual({ x: 2, tx: 40, age: 40 });
  order('o3', 40 * day, 700, 'USD', false);
  expect(moneyIn(orders, hour, 8_760)).toEqual({ EUR: 1_250 });
  expect(repeatBuying(orders, hour)).toEqual({ x: 1, tx: 10, age: 40 });
  expect(repeatBuying(noOrders(), hour)).toBeUndefined();
});
