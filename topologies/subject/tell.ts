/** Reports of a decision: entries and exits with their cause, and labels of machines. */
import type { Label } from '../accepted/accepted.ts';
import { isConsent, purposeOf } from '../accepted/consent.ts';
import type { ScoreCurve } from '../engagement/score.ts';
import {
  activityLabels,
  type ChangeCause,
  type Event,
  type SegmentChange,
  segmentStates,
} from '../event.ts';
import type { SegmentDefinition } from '../segments/definition.ts';
import { stateOf } from '../segments/membership.ts';
import { rootOf } from '../segments/segment-program.ts';
import type { Decision } from '../segments/subject.ts';
import { witnessesOf } from '../segments/witnesses.ts';
import type { Profile, ProfileContext } from './profile.ts';
import { bandName, type SubjectRules } from './rules.ts';

/** What caused a decision, and what it concerns. */
export interface Occasion {
  readonly cause: 'event' | 'time' | 'merge';
  readonly event?: Event;
  /** Instant of the event, or of the timer; ms UTC. */
  readonly at: number;
  /** The past has changed: an event came out of order, or was taken back. */
  readonly corrects?: boolean;
  /** Places of leaves to recompute. */
  readonly concerned?: readonly number[];
  /** The score may have changed. */
  readonly scored?: boolean;
}

const mostWitnesses = 5;

export function tellChanges(
  rules: SubjectRules,
  context: ProfileContext,
  profile: Profile,
  { segment, ends, membership, redefined }: Decision,
  occasion: Occasion,
  curve: ScoreCurve,
): void {
  const user = context.key;
  const { id, version } = segment;
  const root = rootOf(rules.segments.program, id);
  const merges = occasion.cause === 'merge';
  const isSilent = redefined && !merges && segment.initial === 'silent';
  for (const end of isSilent ? [] : ends) {
    const byOther = merges ? 'merge' : 'definition';
    const cause = redefined ? byOther : causeOf(segment, end, occasion, context.now);
    const ids =
      occasion.event === undefined
        ? witnessesOf(rules.segments, profile.segments, root, end.effectiveAt)
        : [occasion.event.id];
    const change: SegmentChange = {
      user,
      segment: id,
      version,
      ...end,
      decidedAt: context.now,
      cause,
      witness: ids.slice(0, mostWitnesses),
      ...(root.readsScore ? { scoreSnapshot: snapshot(rules, profile, curve, context.now) } : {}),
    };
    context.emit({ type: 'change', change }, end.effectiveAt);
  }
  if (ends.length > 0) {
    const key = `${user}|${id}`;
    context.emitTo(segmentStates, key, stateOf(membership), ends.at(-1)?.effectiveAt);
  }
}

function snapshot(rules: SubjectRules, profile: Profile, curve: ScoreCurve, at: number) {
  const band = bandName(rules, profile, profile.band, at);
  return { score: curve.valueAt('total', at), band };
}

export function tellLabel(rules: SubjectRules, context: ProfileContext, label: Label): void {
  const { at, event, isMachine, as, correction } = label;
  const user = context.key;
  context.emitTo(activityLabels, user, {
    user,
    eventId: event.id,
    label: isMachine ? 'machine' : 'human',
    class: as,
    rules: label.rules,
    version: rules.machineVersion,
    at,
    decidedAt: context.now,
    correction,
  });
}

/**
 * An end at another instant than that of the event behind it is a correction of earlier reports.
 */
function causeOf(
  { purpose }: SegmentDefinition,
  end: { readonly effectiveAt: number; readonly supersedes?: number },
  { cause, event, at }: Occasion,
  now: number,
): ChangeCause {
  if (cause !== 'event') return cause;
  const isPurpose =
    event !== undefined &&
    isConsent(event) &&
    purpose !== undefined &&
    purposeOf(event) === purpose;
  const isCurrent = end.supersedes === undefined && end.effectiveAt === at && at === now;
  if (!isCurrent) return 'correction';
  return isPurpose ? 'consent' : 'event';
}
