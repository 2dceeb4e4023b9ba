/** Decides a subject: its score and band, its segments, and when it must be looked at next. */
import type { SetChange } from '../accepted/accepted.ts';
import { bandAfter, bandChangesAt } from '../engagement/bands.ts';
import { applyEvent, bandsUntil, concernsEngagement, curveOf } from '../engagement/engagement.ts';
import type { ScoreCurve } from '../engagement/score.ts';
import type { ScoreChange } from '../event.ts';
import type { EngagementView } from '../segments/score-leaves.ts';
import { dayMs } from '../time-units.ts';
import { clockOf, type Profile, type ProfileContext } from './profile.ts';
import { bandName, type SubjectRules } from './rules.ts';
import { type Occasion, tellChanges } from './tell.ts';

/** Counts a change of the set for the score. Returns whether the change affects the score. */
export function score(
  rules: SubjectRules,
  profile: Profile,
  { add, event, at }: SetChange,
  now: number,
): boolean {
  if (!concernsEngagement(rules.config, event)) return false;
  const past = applyEvent(rules.config, profile.engagement, event, at, add);
  if (past || at < now) profile.retrace = true;
  return true;
}

/**
 * Brings score, band and segments up to the instant `at` (ms UTC), and sets the timer for the next
 * change.
 */
export function decide(
  rules: SubjectRules,
  context: ProfileContext,
  profile: Profile,
  at: number,
  occasion: Occasion,
): void {
  const { corrects = false, concerned = [], scored = false } = occasion;
  const curve = curveOf(rules.config, profile.engagement);
  const now = curve.at(at);
  const view = viewOf(rules, profile, curve, scored);
  profile.band = profile.retrace
    ? (bandsUntil(rules.config, profile.engagement, curve, at).at(-1)?.band ?? 0)
    : bandAfter(rules.config, now.score, profile.band);
  profile.retrace = false;
  const band = bandName(rules, profile, profile.band, at);
  const { emitted } = profile;
  const changed =
    band !== emitted?.band ||
    (occasion.cause !== 'time' &&
      (now.score !== emitted.score || !sameSubs(now.subs, emitted.subs)));
  if (changed) {
    profile.emitted = { score: now.score, subs: { ...now.subs }, band };
    const byOther = corrects ? 'correction' : 'event';
    const cause = occasion.cause === 'time' ? 'time' : byOther;
    const score: ScoreChange = { ...profile.emitted, effectiveAt: at, cause };
    context.emit({ type: 'score', score }, at);
  }
  const { segments } = profile;
  const decided = rules.segments.decide(segments, {
    subject: context.key,
    now: at,
    clock: clockOf(context, profile),
    concerned,
    view,
    anew: occasion.cause === 'merge',
  });
  for (const decision of decided) tellChanges(rules, context, profile, decision, occasion, curve);
  const next = Math.min(
    bandChangesAt(rules.config, curve, profile.band, at),
    rules.segments.next(segments),
  );
  if (next === Number.POSITIVE_INFINITY) context.cancelTimer('next');
  else context.setTimer('next', next);
}

/** The score in the form that segments read; undefined when it has not changed. */
function viewOf(
  rules: SubjectRules,
  profile: Profile,
  curve: ScoreCurve,
  scored: boolean,
): EngagementView | undefined {
  const { segments, engagement, retrace, band } = profile;
  if (rules.segments.program.scoreLeaves.length === 0) return undefined;
  const isNew = segments.program !== rules.segments.fingerprint;
  if (!scored && !isNew) return undefined;
  const fromStart = retrace || isNew || segments.decided < engagement.start.at;
  const since = fromStart ? engagement.start : { at: segments.decided, band };
  return { config: rules.config, state: engagement, curve, since };
}

/** Settles the segments once a day of the subject's time; more often is not needed. */
export function settleSegments(rules: SubjectRules, profile: Profile, now: number): void {
  const from = now - rules.keepMs - 1;
  const { history } = profile.segments;
  const before = Number.isFinite(history.from) ? history.from : (history.firsts[0] ?? now);
  if (from < before + dayMs) return;
  rules.segments.settle(profile.segments, from);
}

/** Decides as of the instant `at` (ms UTC), when only time has passed. */
export function passTime(
  rules: SubjectRules,
  context: ProfileContext,
  profile: Profile,
  at: number,
): void {
  decide(rules, context, profile, at, { cause: 'time', at });
}

export function sameSubs(
  a: Readonly<Record<string, number>>,
  b: Readonly<Record<string, number>>,
): boolean {
  return Object.keys(a).every((channel) => a[channel] === b[channel]);
}
