/** The score's integers: fingerprints of the decay tables, and the worked example of the method. */
import { createHash } from 'node:crypto';
import { describe, expect, test } from 'vitest';
import { bandAfter } from '../../topologies/engagement/bands.ts';
import { defaultEngagement } from '../../topologies/engagement/config.ts';
import { decayTable } from '../../topologies/engagement/decay.ts';
import {
  countItem,
  forgetHours,
  type HourlyItems,
  hourMs,
  openGate,
  ScoreCurve,
} from '../../topologies/engagement/score.ts';

const emailOnly = {
  ...defaultEngagement,
  channels: { email: { halfLifeHours: 336, saturation: 6_000, share: 40 } },
};

function openAndClick(config = defaultEngagement): HourlyItems {
  const items: HourlyItems = {};
  countItem(config, items, 'email_open', 'm1', 0);
  countItem(config, items, 'email_click', 'm1', 0);
  return items;
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

describe('one open and one click at hour 0', () => {
  const curve = new ScoreCurve(emailOnly, openAndClick(), openGate());

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
    expect(curve.at(hour)).toEqual({ score: sub, subs: { email: sub } });
  });

  test.each([
    [30, 323],
    [25, 445],
    [10, 977],
    [5, 1_339],
  ])('falls below %i at hour %i', (threshold, hour) => {
    expect(curve.firstHourBelow('total', threshold, 0)).toBe(hour);
    expect(curve.firstHourBelow('email', threshold, hour - 1)).toBe(hour);
    expect(curve.firstHourBelow('total', threshold, hour)).toBeUndefined();
  });
});

test('with three products viewed and one purchase the score is that of the example', () => {
  const items = openAndClick();
  for (const product of ['p1', 'p2', 'p3']) {
    countItem(defaultEngagement, items, 'product_view', product, 0);
  }
  countItem(defaultEngagement, items, 'purchase', 'o1', 0);
  const curve = new ScoreCurve(defaultEngagement, items, openGate());
  expect([0, 24, 168, 336, 1_344].map((hour) => curve.at(hour).score)).toEqual([
    35, 34, 29, 24, 10,
  ]);
  expect(curve.at(0).subs).toEqual({ email: 45, web: 19, purchase: 50, loyalty: 0 });
  expect(curve.at(1_344).subs).toEqual({ email: 4, web: 0, purchase: 34, loyalty: 0 });
});

test('an hour counts an item once, and no more items than the class allows', () => {
  const items: HourlyItems = {};
  const counted = ['a', 'a', 'b', 'c', 'd'].map((item) =>
    countItem(defaultEngagement, items, 'email_open', item, 10),
  );
  expect(counted).toEqual([true, false, true, true, false]);
  expect(countItem(defaultEngagement, items, 'email_open', 'a', hourMs)).toBe(true);
  expect(countItem(defaultEngagement, items, 'shoe_size', 'a', 0)).toBe(false);
});

test('forgetting hours past the horizon does not change the score', () => {
  const items = openAndClick();
  countItem(defaultEngagement, items, 'email_open', 'm2', 2_687 * hourMs);
  const before = new ScoreCurve(defaultEngagement, items, openGate()).at(2_688);
  forgetHours(defaultEngagement, items, 2_687);
  expect(Object.keys(items['email_open'] ?? {})).toEqual(['0', '2687']);
  forgetHours(defaultEngagement, items, 2_688);
  expect(Object.keys(items['email_open'] ?? {})).toEqual(['2687']);
  expect(new ScoreCurve(defaultEngagement, items, openGate()).at(2_688)).toEqual(before);
});

test('a shut gate takes the e-mail channel out of the score, not the others', () => {
  const items = openAndClick();
  countItem(defaultEngagement, items, 'purchase', 'o1', 0);
  const shut = { ...openGate(), unsubscribed: 1 };
  const at = (gate: ReturnType<typeof openGate>) =>
    new ScoreCurve(defaultEngagement, items, gate).at(1);
  expect(at(openGate()).score).toBe(Math.floor((40 * 45 + 25 * 49) / 100));
  expect(at(shut).score).toBe(Math.floor((25 * 49) / 100));
  expect(at(shut).subs).toEqual(at(openGate()).subs);
});

test('a band is entered at its bound and left five below it', () => {
  const after = (score: number, before: number) => bandAfter(defaultEngagement, score, before);
  expect([9, 10, 30, 60].map((score) => after(score, 0))).toEqual([0, 1, 2, 3]);
  expect([60, 55, 54, 25, 24, 5, 4].map((score) => after(score, 3))).toEqual([3, 3, 2, 2, 1, 1, 0]);
});
