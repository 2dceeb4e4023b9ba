/** Every kind of node: its timeline at every instant of random histories against plain counting. */
import { expect, test } from 'vitest';
import { randomBelow, SeededRandom } from '../../engine/base/random.ts';
import { checkSegments } from '../../topologies/segments/check-segments.ts';
import { SegmentLogic } from '../../topologies/segments/subject.ts';
import { noSegments } from '../../topologies/segments/subject-state.ts';
import { holdsAt } from '../../topologies/segments/timeline.ts';
import { truthOf } from '../verify/segment-intervals.ts';
import { aggregate, count, type Draw, nodes } from './segment-draws.ts';
import { oracleEvents, pick, randomHistory, span } from './segment-histories.ts';

const vocabulary = { bands: [], channels: [] };
const compared = Number(process.env['MILLRACE_COMPARISONS'] ?? 100_000);
const hour = 3_600_000;

function logicOf(when: Record<string, unknown>, header: object = {}) {
  const segments = checkSegments([{ id: 's', version: 1, ...header, when }], vocabulary);
  return { logic: new SegmentLogic(segments, 'granted'), segments };
}

function compareAt(draw: Draw, seed: number, unit: number, base: number, header: object = {}) {
  const random = new SeededRandom(seed);
  const instants = Array.from({ length: 2 * span }, (_, i) => base + i * unit);
  let [n, held] = [0, 0];
  for (let i = 0; n < compared; i++) {
    const subject = `u${i}`;
    const arrivals = randomHistory(random, unit, base);
    const { logic, segments } = logicOf(draw(random, unit), header);
    const state = noSegments();
    const dirty = arrivals.flatMap(({ event, at }) => logic.apply(state, event, at, true));
    logic.decide(state, { subject, now: base - 1, concerned: dirty });
    const [root] = logic.program.roots;
    const line = logic.timelineOf(state, root as NonNullable<typeof root>);
    const events = oracleEvents(arrivals, subject);
    const first = Math.min(...events.map((event) => event.at));
    const own = instants.filter((at) => at >= first);
    const when = segments[0]?.when;
    const expected = truthOf(when as NonNullable<typeof when>, events, own);
    const actual = own.map((at) => holdsAt(line, at));
    n += own.length;
    held += expected.filter((truth) => truth).length;
    const at = own[actual.findIndex((truth, k) => truth !== expected[k])];
    if (at !== undefined) {
      expect({ seed, i, at, when, events, actual }).toEqual({ expected });
    }
  }
  // A test in which nothing is ever true, or always, would show nothing.
  expect(held).toBeGreaterThan(n / 10_000);
  expect(held).toBeLessThan(n);
}

test.each(Object.entries(nodes))('%s', (_, draw) => {
  compareAt(draw, 7, 1, 0);
});

const starts: Readonly<Record<string, number>> = {
  'Europe/London': Date.UTC(2026, 2, 27),
  'America/Sao_Paulo': Date.UTC(2018, 10, 2),
  'Australia/Lord_Howe': Date.UTC(2026, 3, 2),
};

test.each(Object.keys(starts))('calendar in %s, over a change of its clock', (tz) => {
  const draw: Draw = (random) => {
    const weeks = randomBelow(random, 2) === 0;
    const days = weeks ? 7 : 1 + randomBelow(random, 4);
    const start = weeks ? { weekStart: pick(random, ['monday', 'sunday', 'thursday']) } : {};
    const inner = pick(random, [count, aggregate('sum')])(random, 1);
    const [[kind, fields] = ['', {}]] = Object.entries(inner);
    const { within, ...rest } = fields as Record<string, unknown>;
    return { calendar: { [kind]: rest, days, ...start } };
  };
  compareAt(draw, 8, hour / 2, starts[tz] as number, { timezone: tz });
});
