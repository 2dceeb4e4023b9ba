/**
 * Nodes that read the score, against their definition: every hour and every event of random
 * histories with disorder, duplicates, refunds and shut gates, by plain sums over all events.
 */

import { expect, test } from 'vitest';
import { randomBelow, SeededRandom } from '../../engine/base/random.ts';
import { defaultEngagement } from '../../topologies/engagement/engagement-config.ts';
import type { Arrival, Event } from '../../topologies/event.ts';
import { type PersonalisationConfig, profileLogic } from '../../topologies/personalisation.ts';
import { fold } from '../../topologies/segments/membership.ts';
import { runSubject } from '../../topologies/subject/subject-run.ts';
import { pick } from './segment-histories.ts';

const hour = 3_600_000;
const day = 24 * hour;
const begin = 500_000 * hour;
const days = 100;
const compared = Number(process.env['MILLRACE_COMPARISONS'] ?? 100_000);

const kinds = [
  ...['email_open', 'email_open', 'email_click', 'email_reply', 'product_view', 'page_view'],
  ...['add_to_cart', 'purchase', 'coupon', 'machine_open', 'machine_open'],
  ...['email_bounce', 'address_change', 'email_unsubscribe', 'email_subscribe'],
];

/** In the order of arrival, none of them late. */
function history(random: SeededRandom): Arrival[] {
  const count = 1 + randomBelow(random, 25);
  const all = Array.from({ length: count }, (_, i): Arrival => {
    const at = begin + randomBelow(random, 30 * 24 * 4) * (hour / 4);
    const item = `${randomBelow(random, 4)}`;
    return { at, event: { id: `e${i}`, class: pick(random, kinds), item } };
  });
  for (const { at, event } of [...all]) {
    if (event.class === 'purchase' && randomBelow(random, 3) === 0) {
      all.push({ at: at + 2 * day, event: { ...event, id: `${event.id}r`, class: 'refund' } });
    }
    if (randomBelow(random, 8) === 0) all.push({ at, event });
  }
  const late = () => randomBelow(random, 2) * randomBelow(random, 3 * day);
  return all
    .map((one) => ({ one, arrives: one.at + late() }))
    .sort((a, b) => a.arrives - b.arrives)
    .map(({ one }) => one);
}

interface Standing {
  readonly total: number;
  readonly subs: Readonly<Record<string, number>>;
  readonly isUnreliable: boolean;
  readonly isShut: boolean;
}

/** What the events up to an instant come to, by the definition alone. */
class Definition {
  readonly #events: readonly (Event & { readonly at: number })[];

  constructor(arrivals: readonly Arrival[]) {
    const first = new Map<string, Event & { readonly at: number }>();
    for (const { event, at } of arrivals) first.set(event.id, { ...event, at });
    const all = [...first.values()];
    const refunded = (event: Event & { readonly at: number }) =>
      event.class === 'purchase' &&
      all.some(
        (r) =>
          r.class === 'refund' &&
          r.item === event.item &&
          r.at >= event.at &&
          r.at <= event.at + 30 * day,
      );
    this.#events = all.filter((event) => !refunded(event));
  }

  get instants(): number[] {
    return this.#events.map(({ at }) => at);
  }

  at(t: number): Standing {
    const { channels, classes, openSignal, gatedChannel } = defaultEngagement;
    const past = this.#events.filter((event) => event.at <= t);
    const now = Math.floor(t / hour);
    const opens = (name: string) =>
      this.#keys(past, name).filter((key) => now - key.hour < openSignal.hours).length;
    const [human, machine] = [opens(openSignal.human), opens(openSignal.machine)];
    const isUnreliable = machine > 0 && machine / (machine + human) >= openSignal.percent / 100;
    const last = (name: string) =>
      Math.max(Number.NEGATIVE_INFINITY, ...past.filter((e) => e.class === name).map((e) => e.at));
    const isShut =
      last('email_bounce') > last('address_change') ||
      last('email_unsubscribe') > last('email_subscribe');
    const subs: Record<string, number> = {};
    let [sum, shares] = [0, 0];
    for (const [channel, { halfLifeHours, saturation, share }] of Object.entries(channels)) {
      let raw = 0;
      for (const [name, { weight, perHour, channel: of }] of Object.entries(classes)) {
        if (of !== channel || weight === 0) continue;
        if (isUnreliable && name === openSignal.human) continue;
        const perHourOf = new Map<number, number>();
        for (const key of this.#keys(past, name)) {
          perHourOf.set(key.hour, (perHourOf.get(key.hour) ?? 0) + 1);
        }
        for (const [then, n] of perHourOf) {
          const k = now - then;
          if (k >= 8 * halfLifeHours) continue;
          raw +=
            Math.min(n, perHour) * weight * Math.floor(2 ** 20 * 2 ** (-k / halfLifeHours) + 0.5);
        }
      }
      const points = Math.floor(raw / 2 ** 20);
      subs[channel] = Math.floor((100 * points) / (points + saturation));
      shares += share;
      if (channel !== gatedChannel || !isShut) sum += share * (subs[channel] as number);
    }
    return { total: Math.floor(sum / shares), subs, isUnreliable, isShut };
  }

  /** Distinct things of a class, each once an hour. */
  #keys(past: readonly (Event & { readonly at: number })[], name: string) {
    const { key = 'item' } = defaultEngagement.classes[name] ?? {};
    const found = new Map<string, { readonly hour: number }>();
    for (const event of past.filter((one) => one.class === name)) {
      const then = Math.floor(event.at / hour);
      found.set(`${then} ${key === 'id' ? event.id : event.item}`, { hour: then });
    }
    return [...found.values()];
  }
}

const nodes: Readonly<Record<string, (random: SeededRandom) => Record<string, unknown>>> = {
  score: (random) => ({
    score: {
      op: pick(random, ['ge', 'lt', 'eq', 'ne', 'gt', 'le']),
      value: randomBelow(random, 40),
    },
  }),
  'score of a channel': (random) => ({
    score: {
      channel: pick(random, ['email', 'web', 'purchase', 'loyalty']),
      op: pick(random, ['ge', 'lt', 'eq']),
      value: randomBelow(random, 60),
    },
  }),
  band: (random) => ({
    band: { in: [pick(random, ['dormant', 'cool', 'warm', 'hot', 'suppressed'])] },
  }),
  'open signal': (random) => ({ openSignal: pick(random, ['reliable', 'unreliable']) }),
};

interface Drawn {
  readonly score?: { readonly channel?: string; readonly op: string; readonly value: number };
  readonly band?: { readonly in: readonly string[] };
  readonly openSignal?: string;
}

const compare: Readonly<Record<string, (a: number, b: number) => boolean>> = {
  ge: (a, b) => a >= b,
  gt: (a, b) => a > b,
  le: (a, b) => a <= b,
  lt: (a, b) => a < b,
  eq: (a, b) => a === b,
  ne: (a, b) => a !== b,
};

function holds({ score, band, openSignal }: Drawn, now: Standing, name: string): boolean {
  if (score !== undefined) {
    const value = score.channel === undefined ? now.total : (now.subs[score.channel] as number);
    return compare[score.op]?.(value, score.value) === true;
  }
  if (band !== undefined) return band.in.includes(name);
  return now.isUnreliable === (openSignal === 'unreliable');
}

test('at every hour and event they hold as defined', { timeout: 240_000 }, () => {
  const random = new SeededRandom(41);
  const seen = Object.fromEntries(Object.keys(nodes).map((name) => [name, { n: 0, held: 0 }]));
  for (let i = 0; Object.values(seen).some(({ n }) => n < compared); i++) {
    const drawn = Object.entries(nodes).map(([name, node]) => [name, node(random)] as const);
    const segments = drawn.map(([name, when]) => ({
      id: name.replaceAll(' ', '-'),
      version: 1,
      when,
    }));
    const logic = profileLogic({ segments } as unknown as PersonalisationConfig);
    const arrivals = history(random);
    const run = runSubject(logic, `u${i}`, arrivals);
    const end = begin + days * day;
    run.advanceTo(end);
    const definition = new Definition(arrivals);
    const own = arrivals.map(({ at }) => at);
    const first = Math.min(...definition.instants);
    const hours = Array.from({ length: days * 24 }, (_, h) => begin + h * hour);
    const instants = [...new Set([...hours, ...own])]
      .filter((at) => at >= first)
      .sort((a, b) => a - b);
    const edges = new Map(
      segments.map(({ id }) => [id, fold(run.changes.filter((one) => one.segment === id))]),
    );
    const bands = defaultEngagement.bands;
    const places = new Map(segments.map(({ id }) => [id, { next: 0, in: false }]));
    let band = 0;
    for (const at of instants) {
      const now = definition.at(at);
      while (now.total >= (bands[band + 1]?.from ?? 101)) band++;
      while (band > 0 && now.total < (bands[band]?.from ?? 0) - defaultEngagement.hysteresis)
        band--;
      const name = now.isShut ? 'suppressed' : (bands[band]?.name ?? '');
      for (const [k, { id, when }] of segments.entries()) {
        const place = places.get(id) as { next: number; in: boolean };
        const ends = edges.get(id) ?? [];
        for (; (ends[place.next]?.at ?? Number.POSITIVE_INFINITY) <= at; place.next++) {
          place.in = ends[place.next]?.in === true;
        }
        const expected = holds(when as Drawn, now, name);
        if (place.in !== expected) {
          expect({
            i,
            at: (at - begin) / hour,
            when,
            now,
            name,
            holds: place.in,
            arrivals,
          }).toEqual({ expected });
        }
        const count = seen[drawn[k]?.[0] ?? ''];
        if (count === undefined) continue;
        count.n++;
        if (expected) count.held++;
      }
    }
  }
  for (const { n, held } of Object.values(seen)) {
    expect(held).toBeGreaterThan(n / 100);
    expect(held).toBeLessThan(n);
  }
});
