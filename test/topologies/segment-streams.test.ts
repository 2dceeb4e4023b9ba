/**
 * Change streams of random subjects whose events come in disorder, twice, and are taken back: what
 * stands at the end are the intervals of the accepted set, to the millisecond, whatever the order
 * and the clock.
 */

import { expect, test } from 'vitest';
import { randomBelow, SeededRandom } from '../../engine/base/random.ts';
import type { Arrival, SegmentChange } from '../../topologies/event.ts';
import { profileLogic } from '../../topologies/personalisation.ts';
import { checkSegments } from '../../topologies/segments/check-segments.ts';
import { fold } from '../../topologies/segments/membership.ts';
import type { ProfileLogic } from '../../topologies/subject/logic.ts';
import { runSubject } from '../../topologies/subject/subject-run.ts';
import { edgesOf } from '../verify/segment-intervals.ts';
import { standing } from '../verify/standing.ts';
import { nodes } from './segment-draws.ts';
import {
  accepted,
  jumbled,
  oracleEvents,
  randomHistory,
  span,
  withRefunds,
} from './segment-histories.ts';

const hour = 3_600_000;
const base = 1_000 * hour;
const end = base + 2 * span * hour;
const graceMs = 60 * hour;
const refundMs = 30 * hour;
const histories = Number(process.env['MILLRACE_HISTORIES'] ?? 60);

/** In disorder, but none late; some twice; some purchases refunded. */
function arrivalsOf(random: SeededRandom): Arrival[] {
  const all = [...randomHistory(random, hour, base), ...randomHistory(random, hour, base)].map(
    ({ at, event }, i): Arrival => ({ at, event: { ...event, id: `${event.id}-${i}` } }),
  );
  const more = withRefunds(random, all, hour);
  const twice = all.filter(() => randomBelow(random, 5) === 0);
  return jumbled(random, [...more, ...twice], hour);
}

function changesOf(changes: readonly SegmentChange[]): Map<string, SegmentChange[]> {
  const by = new Map<string, SegmentChange[]>();
  for (const change of changes) by.set(change.segment, [...(by.get(change.segment) ?? []), change]);
  return by;
}

function draw(random: SeededRandom, header: object): ProfileLogic {
  const segments = Object.entries(nodes).map(([name, node]) => ({
    id: name.replaceAll(' ', '-'),
    version: 1,
    ...header,
    when: node(random, hour),
  }));
  return profileLogic({ engagement: { graceMs, refundMs }, segments });
}

test.each([
  ['as they are', {}],
  ['with cooldown and purpose', { cooldown: 20 * hour, purpose: 'marketing' }],
])('%s: any order, duplicates, refunds', (_, header) => {
  let [compared, superseded] = [0, 0];
  const random = new SeededRandom(11);
  for (let i = 0; i < histories; i++) {
    const logic = draw(random, header);
    const arrivals = arrivalsOf(random);
    const known = oracleEvents(accepted(arrivals, refundMs), 'ann');
    for (const order of [arrivals, jumbled(random, arrivals, hour)]) {
      const run = runSubject(logic, 'ann', order);
      run.advanceTo(end);
      expect(run.dropped['late']).toBeUndefined();
      const told = changesOf(run.changes);
      for (const { segment } of logic.segments.program.roots) {
        const own = told.get(segment.id) ?? [];
        superseded += own.filter((change) => change.supersedes !== undefined).length;
        const expected = edgesOf(segment, known, end);
        const found = standing(own);
        compared += Math.max(1, expected.length);
        expect({ i, segment, order, own, found }).toMatchObject({ found: expected });
        expect(fold(own)).toEqual(expected);
        const state = run.states.get(`ann|${segment.id}`);
        expect(state?.seq ?? 0).toBe(own.length);
        expect(state?.in ?? false).toBe(expected.at(-1)?.in ?? false);
      }
    }
  }
  expect(compared).toBeGreaterThan(50 * histories);
  expect(superseded).toBeGreaterThan(histories);
});

test('time advanced in one step or in 10,000 tells the same, byte for byte', () => {
  const random = new SeededRandom(12);
  for (let i = 0; i < 5; i++) {
    const logic = draw(random, {});
    const arrivals = arrivalsOf(random);
    const [once, often] = [1, 10_000].map((steps) => {
      const run = runSubject(logic, 'ann', arrivals);
      const from = run.now;
      for (let step = 1; step <= steps; step++) {
        run.advanceTo(from + Math.round(((end - from) * step) / steps));
      }
      return JSON.stringify([run.outputs, run.changes]);
    });
    expect(often).toBe(once);
  }
});

test('without corrections only the present is put right', () => {
  const random = new SeededRandom(13);
  for (let i = 0; i < histories; i++) {
    const logic = draw(random, { corrections: 'none' });
    const arrivals = arrivalsOf(random);
    const known = oracleEvents(accepted(arrivals, refundMs), 'ann');
    const run = runSubject(logic, 'ann', arrivals);
    run.advanceTo(end);
    for (const { segment } of logic.segments.program.roots) {
      const own = changesOf(run.changes).get(segment.id) ?? [];
      expect(own.every(({ supersedes }) => supersedes === undefined)).toBe(true);
      const isIn = standing(own).at(-1)?.in ?? false;
      const expected = edgesOf(segment, known, end).at(-1)?.in ?? false;
      expect({ i, segment, arrivals, isIn }).toMatchObject({ isIn: expected });
    }
  }
});

test('segments are checked as they are written', () => {
  const segments = Object.entries(nodes).map(([name, node], i) => ({
    id: name.replaceAll(' ', '-'),
    version: 1,
    when: node(new SeededRandom(i), 1),
  }));
  expect(checkSegments(segments, { bands: [], channels: [] })).toHaveLength(segments.length);
});
