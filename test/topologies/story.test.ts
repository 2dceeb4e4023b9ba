/**
 * The story of a subject: the same score and the same segments, at each instant, as the definitions
 * say.
 */
import { expect, test } from 'vitest';
import type { SegmentChange } from '../../topologies/event.ts';
import { profileLogic } from '../../topologies/personalisation.ts';
import { addEntries, entriesIn, sizesOf } from '../../topologies/segments/sizes.ts';
import { runSubject } from '../../topologies/subject/subject-run.ts';

const day = 86_400_000;
const begin = Date.UTC(2026, 0, 1);
const logic = profileLogic({
  segments: [
    {
      id: 'clicked',
      version: 1,
      when: { count: { event: 'email_click', op: 'ge', n: 1, within: '10d' } },
    },
  ],
});

function storyOf(events: readonly (readonly [days: number, kind: string])[], from = 0, to = 30) {
  const arrivals = events.map(([days, kind], i) => ({
    event: { id: `e${i}`, class: kind },
    at: begin + days * day,
  }));
  const { state } = runSubject(logic, 'ann', arrivals);
  if (state === undefined) throw new Error('nothing is kept');
  const clock = begin + (events.at(-1)?.[0] ?? 0) * day;
  const asked = { from: begin + from * day, to: begin + to * day };
  return { state, clock, story: logic.storyOf(state, clock, asked) };
}

test('each point of the curve is the score at its instant, also of what comes', () => {
  const { state, story, clock } = storyOf([
    [1, 'email_click'],
    [3, 'purchase'],
    [6, 'email_click'],
  ]);
  expect(story.curve.length).toBeGreaterThan(100);
  for (const [at, score] of story.curve) expect(logic.scoreOf(state, at).score).toBe(score);
  const peak = Math.max(...story.curve.map(([, score]) => score));
  expect(story.curve.find(([at]) => at === clock)?.[1]).toBe(peak);
  expect(story.curve.at(-1)?.[1]).toBeLessThan(peak);
  expect(story.marks.map((mark) => [mark.class, (mark.at - begin) / day])).toEqual([
    ['email_click', 1],
    ['purchase', 3],
    ['email_click', 6],
  ]);
});

test('segments are bars from entry to exit, and what comes is told in order', () => {
  const { story } = storyOf([
    [1, 'email_click'],
    [15, 'email_click'],
  ]);
  const [clicked] = story.segments;
  const days = clicked?.intervals.map((ends) => ends.map((at) => (at - begin) / day));
  expect(days).toEqual([
    [1, 11],
    [15, 25],
  ]);
  expect(clicked).toMatchObject({ in: true, changesAt: begin + 25 * day });
  expect(story.coming).toContainEqual({
    ...{ at: begin + 25 * day, what: 'segment', segment: 'clicked', enters: false },
  });
  const instants = story.coming.map(({ at }) => at);
  expect(instants).toEqual([...instants].sort((a, b) => a - b));
});

test('a gate is a band from where it shuts to where it opens', () => {
  const { story } = storyOf([
    [1, 'email_click'],
    [4, 'email_unsubscribe'],
    [9, 'email_subscribe'],
    [20, 'email_complaint'],
  ]);
  expect(story.gated.map((ends) => ends.map((at) => (at - begin) / day))).toEqual([
    [4, 9],
    [20, 30],
  ]);
  expect(story.score.gateIsShut).toBe(true);
});

function change(
  user: string,
  type: SegmentChange['type'],
  days: number,
  more: Partial<SegmentChange> = {},
): SegmentChange {
  const at = begin + days * day;
  const told = { user, segment: 'a', version: 1, seq: 1, cause: 'event', witness: [] } as const;
  return { ...told, type, effectiveAt: at, decidedAt: at, ...more };
}

async function* stream(changes: readonly SegmentChange[]) {
  yield* changes;
}

const told = [
  change('ann', 'entered', 0),
  change('ben', 'entered', 1),
  // Moves the entry of ann: she is not counted twice.
  change('ann', 'entered', 1, { supersedes: 1, seq: 2 }),
  change('ann', 'entered', 2, { segment: 'b' }),
  change('ben', 'exited', 2, { seq: 2 }),
];

test('sizes by day are the same however the changes are cut into parts; corrections move nobody', async () => {
  const whole = await entriesIn(stream(told));
  expect(sizesOf(whole, 'a')).toEqual([
    { day: begin, entered: 1, left: 0, size: 1 },
    { day: begin + day, entered: 1, left: 0, size: 2 },
    { day: begin + 2 * day, entered: 0, left: 1, size: 1 },
  ]);
  for (let cut = 0; cut <= told.length; cut++) {
    const parts = await Promise.all(
      [told.slice(0, cut), told.slice(cut)].map((part) => entriesIn(stream(part))),
    );
    expect(parts.reduce(addEntries, {})).toEqual(whole);
  }
});
