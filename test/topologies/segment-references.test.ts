/**
 * Segments that ask for each other: every step is linear in their number, also where many share
 * one.
 */

import { expect, test } from 'vitest';
import { segmentPlans } from '../../topologies/app/questions/segment-plans.ts';
import {
  lintPersonalisation,
  type PersonalisationConfig,
  profileLogic,
} from '../../topologies/personalisation.ts';
import type { Explanation } from '../../topologies/segments/explain.ts';
import { runSubject } from '../../topologies/subject/subject-run.ts';
import { compareWithSql } from '../../topologies/verify/compare.ts';
import { whatIf } from '../../topologies/what-if.ts';

const day = 86_400_000;
const bought = { count: { event: 'purchase', op: 'ge', n: 2, within: '30d' } };
type Refer = (before: string, i: number) => object;

/**
 * Each asks for the one before as often as `refer` does: paths through the last double, nodes do
 * not.
 */
function chainOf(length: number, refer: Refer): PersonalisationConfig {
  const segments = Array.from({ length }, (_, i) => ({
    id: `s${i}`,
    version: 1,
    when: i === 0 ? bought : refer(`s${i - 1}`, i),
  }));
  return { segments } as unknown as PersonalisationConfig;
}

const shapes: [string, number, Refer][] = [
  ['left out', 60, (id) => ({ and: [{ inSegment: id }, { not: { inSegment: id } }] })],
  ['any of two', 60, (id) => ({ or: [{ inSegment: id }, { not: { inSegment: id } }] })],
  [
    'latch',
    60,
    (id) => ({ latch: { enter: { inSegment: id }, exit: { not: { inSegment: id } } } }),
  ],
  [
    'held',
    60,
    (id) => ({
      or: [{ held: { expr: { inSegment: id }, for: '1d' } }, { not: { inSegment: id } }],
    }),
  ],
  ['a chain of 1,000', 1_000, (id) => ({ not: { inSegment: id } })],
  ['a chain of 1,000 twice', 1_000, (id) => ({ or: [{ inSegment: id }, { inSegment: id }] })],
  [
    'a chain with conditions of their own',
    300,
    (id, i) => ({
      and: [
        { not: { inSegment: id } },
        { count: { event: 'purchase', op: 'ge', n: i, within: `${i}d` } },
      ],
    }),
  ],
];

test.each(shapes)('references, %s: lint, plan, run, explain, what-if', async (_, length, refer) => {
  const config = chainOf(length, refer);
  expect(lintPersonalisation(config)).toEqual([]);
  const { segments } = segmentPlans(config, 1);
  expect(segments.map(({ id }) => id)).toEqual((config.segments ?? []).map(({ id }) => id));
  const arrivals = [1, 2, 50].map((at) => ({
    event: { id: `${at}`, class: 'purchase' },
    at: at * day,
  }));
  const logic = profileLogic(config);
  const run = runSubject(logic, 'ann', arrivals);
  run.advanceTo(100 * day);
  expect(run.changes.length).toBeGreaterThan(0);
  const profile = run.state as NonNullable<typeof run.state>;
  const why = logic.explain('ann', profile, `s${length - 1}`, 50 * day);
  expect(sizeOf(why)).toBeLessThan(10 * length);
  const subjects = [['ann', arrivals]] as const;
  const { segments: compared } = await whatIf(config, config, subjects, 60 * day);
  expect(compared).toHaveLength(length);
});

function sizeOf({ parts }: Explanation): number {
  return 1 + parts.reduce((sum, part) => sum + sizeOf(part), 0);
}

test('references: SQL makes each condition once, too', async () => {
  const config = chainOf(16, (id) => ({ or: [{ inSegment: id }, { not: { inSegment: id } }] }));
  const arrivals = [1, 2].map((at) => ({
    event: { id: `${at}`, class: 'purchase' },
    at: at * day,
  }));
  const run = runSubject(profileLogic(config), 'ann', arrivals);
  const profiles = new Map([['ann', run.state as NonNullable<typeof run.state>]]);
  const logged = arrivals.map((one) => ({ subject: 'ann', ...one }));
  const result = { end: run.now, profiles, changes: run.changes, labels: [] };
  const parts = await compareWithSql(config, logged, result);
  expect(parts.filter(({ differing }) => differing > 0)).toEqual([]);
  expect(parts).toHaveLength(19);
});

test.each([1, 2, 3, 1_000])('a circle of %i segments is refused, by a short message', (length) => {
  const segments = Array.from({ length }, (_, i) => ({
    id: `s${i}`,
    version: 1,
    when: { inSegment: `s${(i + 1) % length}` },
  }));
  const config = { segments } as unknown as PersonalisationConfig;
  const [mistake] = lintPersonalisation(config);
  expect(mistake).toMatchObject({ problem: expect.stringMatching(/^refers to itself: s0 -> /) });
  expect(mistake?.problem.length).toBeLessThan(200);
  expect(() => profileLogic(config)).toThrow(/refers to itself/);
});

test('a circle behind a chain names the circle alone', () => {
  const asking = (id: string, other: string) => ({ id, version: 1, when: { inSegment: other } });
  const segments = [asking('a', 'b'), asking('b', 'c'), asking('c', 'b')];
  const [mistake] = lintPersonalisation({ segments } as unknown as PersonalisationConfig);
  expect(mistake).toMatchObject({ path: 'segments b', problem: 'refers to itself: b -> c -> b' });
});

test.each([300, 100_000])('a condition nested %i deep is refused, not a fault', (depth) => {
  let when: object = bought;
  for (let i = 0; i < depth; i++) when = { not: when };
  const config = { segments: [{ id: 's', version: 1, when }] } as unknown as PersonalisationConfig;
  expect(lintPersonalisation(config)).toMatchObject([
    { problem: expect.stringContaining('nested deeper') },
  ]);
});
