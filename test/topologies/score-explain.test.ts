/** What `score explain` says adds up to the score, and the score stays until it says. */

import { describe, expect, test } from 'vitest';
import { randomBelow, SeededRandom } from '../../engine/base/random.ts';
import {
  applyEvent,
  curveOf,
  noEngagement,
  settle,
} from '../../topologies/engagement/engagement.ts';
import { defaultEngagement } from '../../topologies/engagement/engagement-config.ts';
import { explainScore } from '../../topologies/engagement/explain-score.ts';
import type { Event } from '../../topologies/event.ts';
import { hourMs } from '../../topologies/time-units.ts';

const classes = [
  ...Object.keys(defaultEngagement.classes),
  'email_bounce',
  'address_change',
  'email_complaint',
];
const start = 20_000 * 24 * hourMs;

/** A history of up to 60 events in as many days, in disorder, the oldest settled now and then. */
function historyOf(seed: number) {
  const random = new SeededRandom(seed);
  const state = noEngagement();
  let at = start;
  for (let i = 0; i < 60; i++) {
    at += randomBelow(random, 40 * hourMs);
    const name = classes[randomBelow(random, classes.length)] as string;
    const item = `item-${randomBelow(random, 3)}`;
    const event: Event = { id: `e${i}`, class: name, item, subject: 's', at } as never;
    applyEvent(defaultEngagement, state, event, at - randomBelow(random, 3 * hourMs), true);
    if (randomBelow(random, 10) === 0) settle(defaultEngagement, state, at);
  }
  return { state, at };
}

describe.each(Array.from({ length: 40 }, (_, i) => i + 1))('seed %i', (seed) => {
  const { state, at } = historyOf(seed);

  test('the shares of the hours make the sub-scores, these the score', () => {
    const why = explainScore(defaultEngagement, state, at);
    const curve = curveOf(defaultEngagement, state);
    const { score, subs } = curve.at(at);
    let total = 0;
    let shares = 0;
    for (const { channel, sub, share, saturation, hours } of why.channels) {
      const left = Math.floor(hours.reduce((sum, hour) => sum + hour.left, 0) + 1e-9);
      expect(Math.floor((100 * left) / (left + saturation))).toBe(sub);
      expect(sub).toBe(subs[channel]);
      for (const { class: name, items, counted, points, which } of hours) {
        const { perHour, weight } = defaultEngagement.classes[name] as never as {
          perHour: number;
          weight: number;
        };
        expect([counted, points]).toEqual([
          Math.min(items, perHour),
          Math.min(items, perHour) * weight,
        ]);
        if (which !== undefined) expect(which).toHaveLength(items);
      }
      total += share * sub;
      shares += defaultEngagement.channels[channel]?.share ?? 0;
    }
    expect(Math.floor(total / shares)).toBe(why.score);
    expect(why.score).toBe(score);
  });

  test('it stays until the instant that is told', () => {
    const { changesAt, score } = explainScore(defaultEngagement, state, at);
    const curve = curveOf(defaultEngagement, state);
    const later = changesAt ?? at + 5 * 365 * 24 * hourMs;
    for (let i = 0; i < 50; i++) {
      const between = at + Math.floor(((later - 1 - at) * i) / 49);
      expect(curve.valueAt('total', between)).toBe(score);
    }
  });
});
