/**
 * What-if, as-of, explain and the change of a definition: questions about the past and about
 * tomorrow.
 */

import { expect, test } from 'vitest';
import { SeededRandom } from '../../engine/base/random.ts';
import type { Arrival } from '../../topologies/event.ts';
import { type PersonalisationConfig, profileLogic } from '../../topologies/personalisation.ts';
import { asOf } from '../../topologies/segments/as-of.ts';
import { absent, count, sequence } from '../../topologies/segments/builder.ts';
import type { Explanation } from '../../topologies/segments/explain.ts';
import { holdsAt } from '../../topologies/segments/timeline.ts';
import { runSubject, SubjectRun } from '../../topologies/subject/subject-run.ts';
import { whatIf } from '../../topologies/what-if.ts';
import { nodes } from './segment-draws.ts';
import { randomHistory, span } from './segment-histories.ts';

const hour = 3_600_000;
const end = 2 * span * hour;

function configOf(version: number, n: number, days: number): PersonalisationConfig {
  const buying = count({ event: 'purchase', op: 'ge', n, within: `${days}d` });
  return {
    segments: [
      { id: 'buyers', version, when: buying },
      { id: 'silent', version: 1, when: absent({ event: 'email_open', for: '3d' }) },
    ],
  };
}

function subjectsOf(seed: number): [string, Arrival[]][] {
  const random = new SeededRandom(seed);
  return Array.from({ length: 60 }, (_, i) => [
    `s${i}`,
    randomHistory(random, hour, hour).sort((a, b) => a.at - b.at),
  ]);
}

test('what-if is what the change of a definition tells', async () => {
  const [before, after] = [configOf(1, 2, 9), configOf(2, 1, 7)];
  const subjects = subjectsOf(21);
  const until = 1 + Math.max(...subjects.flatMap(([, own]) => own.map(({ at }) => at)));
  const {
    segments: [buyers],
  } = await whatIf(before, after, subjects, until);
  const told: string[] = [];
  for (const [subject, arrivals] of subjects) {
    const run = runSubject(profileLogic(before), subject, arrivals);
    run.advanceTo(until);
    const next = new SubjectRun(profileLogic(after), subject);
    next.state = structuredClone(run.state);
    next.now = until;
    next.take({ event: { id: 'nothing', class: 'unheard-of' }, at: until });
    expect(next.changes.every(({ cause }) => cause === 'definition')).toBe(true);
    for (const { segment, type, effectiveAt, version } of next.changes) {
      expect([segment, effectiveAt, version]).toEqual(['buyers', until, 2]);
      told.push(`${type} ${subject}`);
    }
  }
  const { enter = [], leave = [] } = buyers ?? {};
  const expected = [...enter.map((s) => `entered ${s}`), ...leave.map((s) => `exited ${s}`)];
  expect(told.sort()).toEqual(expected.sort());
  expect(Math.min(enter.length, leave.length)).toBeGreaterThan(0);
  expect(buyers).toMatchObject({ changed: true, before: { version: 1 }, after: { version: 2 } });
});

test('as-of tells apart what was known then and what is known now', () => {
  const logic = profileLogic(configOf(1, 2, 9));
  const bought = (id: string, at: number): Arrival => ({ event: { id, class: 'purchase' }, at });
  const run = runSubject(logic, 'ann', [
    bought('1', 10 * hour),
    bought('3', 50 * hour),
    bought('2', 20 * hour),
  ]);
  const at = (hours: number) =>
    asOf(run.changes, hours * hour).find(({ segment }) => segment === 'buyers');
  expect(at(15)).toMatchObject({ knownThen: [], knownNow: [] });
  expect(at(30)).toMatchObject({ knownThen: [], knownNow: ['ann'] });
  expect(at(50)).toMatchObject({ knownThen: ['ann'], knownNow: ['ann'] });
});

test('witnesses are events whose removal turns the answer, none too many', () => {
  const random = new SeededRandom(22);
  let [found, conditions] = [0, 0];
  for (let i = 0; i < 40; i++) {
    const drawn = Object.entries(nodes).map(([name, node]) => ({
      id: name.replaceAll(' ', '-'),
      version: 1,
      when: node(random, hour),
    }));
    const logic = profileLogic({ segments: drawn });
    const arrivals = randomHistory(random, hour, hour).sort((a, b) => a.at - b.at);
    const run = runSubject(logic, 'ann', arrivals);
    const at = run.now;
    for (const { id } of drawn) {
      const profile = run.state as NonNullable<typeof run.state>;
      const why = logic.explain('ann', profile, id, at);
      const stateWithout = (gone: readonly string[]) =>
        runSubject(
          logic,
          'ann',
          arrivals.filter(({ event }) => !gone.includes(event.id)),
        ).state;
      for (const [k, leaf] of leavesOf(why).entries()) {
        if (leaf.witnesses === undefined) continue;
        conditions++;
        const other = stateWithout(leaf.witnesses);
        const then = other && leavesOf(logic.explain('ann', other, id, at))[k]?.holds;
        const { condition, holds } = leaf;
        expect({ i, condition, holds: then ?? false }).toEqual({ i, condition, holds: !holds });
      }
      const { holds, witnesses } = why;
      if (witnesses === undefined) continue;
      found++;
      const without = (gone: readonly string[]) => {
        const other = stateWithout(gone);
        return other !== undefined && holdsAt(logic.timelineOf(other, id), at);
      };
      expect({ i, id, holds: without(witnesses) }).toEqual({ i, id, holds: !holds });
      for (const one of witnesses) {
        const fewer = witnesses.filter((other) => other !== one);
        if (fewer.length > 0) expect({ i, id, holds: without(fewer) }).toEqual({ i, id, holds });
      }
    }
  }
  expect(found).toBeGreaterThan(100);
  expect(conditions).toBeGreaterThan(100);
});

function leavesOf(why: Explanation): readonly Explanation[] {
  return why.parts.length === 0 ? [why] : why.parts.flatMap(leavesOf);
}

test('explain names the one purchase that broke a sequence', () => {
  const looked = sequence({
    steps: [{ event: 'product_view' }, { event: 'product_view' }],
    within: '2d',
    notBetween: ['purchase'],
    for: '1d',
  });
  const logic = profileLogic({ segments: [{ id: 'looking', version: 1, when: looked }] });
  const arrival = (id: string, name: string, at: number): Arrival => {
    return { event: { id, class: name }, at: at * hour };
  };
  const run = runSubject(logic, 'ann', [
    arrival('1', 'product_view', 1),
    arrival('2', 'purchase', 2),
    arrival('3', 'product_view', 3),
  ]);
  const profile = run.state as NonNullable<typeof run.state>;
  expect(logic.explain('ann', profile, 'looking', 3 * hour)).toMatchObject({
    holds: false,
    witnesses: ['2'],
  });
});

test('a replay of the log, and a snapshot with its tail, tell the same as the run', () => {
  const random = new SeededRandom(23);
  const segments = Object.entries(nodes).map(([name, node]) => ({
    id: name.replaceAll(' ', '-'),
    version: 1,
    when: node(random, hour),
  }));
  const logic = profileLogic({ segments });
  for (const [subject, arrivals] of subjectsOf(24).slice(0, 20)) {
    const whole = runSubject(logic, subject, arrivals);
    const half = runSubject(logic, subject, arrivals.slice(0, arrivals.length >> 1));
    const tail = half.fork(structuredClone(half.state));
    for (const arrival of arrivals.slice(arrivals.length >> 1)) tail.take(arrival);
    whole.advanceTo(end);
    tail.advanceTo(end);
    expect([...half.changes, ...tail.changes]).toEqual(whole.changes);
  }
});
