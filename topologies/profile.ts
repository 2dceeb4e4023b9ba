/** One subject: what is kept of it, and what an event or the passing of time changes. */
import type { ProcessContext } from 'millrace';
import {
  type Accepted,
  AcceptedSet,
  type Label,
  nothingAccepted,
  type SetChange,
} from './accepted/accepted.ts';
import { type ConsentConfig, isConsent, purposeOf } from './accepted/consent.ts';
import type { MachineRules } from './accepted/machine.ts';
import { correctionOf } from './correction.ts';
import { bandAfter, bandChangesAt, suppressed } from './engagement/bands.ts';
import type { Companions } from './engagement/companions.ts';
import type { EngagementConfig } from './engagement/config.ts';
import {
  applyEvent,
  bandsUntil,
  companions,
  concernsEngagement,
  curveOf,
  type Engagement,
  noEngagement,
  settle,
} from './engagement/engagement.ts';
import { explainScore, type ScoreExplanation } from './engagement/explain-score.ts';
import { gateIsShut } from './engagement/gates.ts';
import type { Score, ScoreCurve } from './engagement/score.ts';
import {
  activityLabels,
  type ChangeCause,
  type Event,
  events,
  type ScoreChange,
  type SegmentChange,
  scores,
  segmentStates,
} from './event.ts';
import { mergeAccepted, mergeEngagement, mergeHistory } from './merge.ts';
import { fromWritten, historyFromWritten, historyToWritten, toWritten } from './profile-codec.ts';
import type { SegmentDefinition } from './segments/definition.ts';
import { type Explanation, explain } from './segments/explain.ts';
import { noMembership, retell, stateOf } from './segments/membership.ts';
import { rootOf } from './segments/program.ts';
import type { EngagementView } from './segments/score-leaves.ts';
import {
  type Decision,
  noSegments,
  SegmentLogic,
  type SubjectSegments,
} from './segments/subject.ts';
import type { Timeline } from './segments/timeline.ts';
import { witnessesOf } from './segments/witnesses.ts';
import { type SubjectStory, subjectStory } from './subject-story.ts';

export interface Profile {
  accepted: Accepted;
  engagement: Engagement;
  /** Index of the band, apart from the gate. */
  band: number;
  /** The band is to be found from the start of its way: what is past has changed. */
  retrace: boolean;
  emitted: { score: number; subs: Record<string, number>; band: string } | undefined;
  segments: SubjectSegments;
  /**
   * The greatest instant of the subject's own events, ms UTC: what is late for it depends on them alone,
   * not on timers that others' time has made fire. Absent in profiles from before there was one.
   */
  clock?: number;
  /** Who goes on for the subject: its events are passed on, nothing else is kept. */
  mergedInto?: string;
  /** Whom the subject goes on for. */
  absorbed?: readonly string[];
  /** When the subject was erased, ms UTC: nothing else is kept, and nothing more is taken in. */
  erased?: number;
}

/** An event of this class erases its subject. */
export const erasedClass = 'subject_erased';

/** An event of this class says that the definitions have changed; it is of nobody's doing and nowhere kept. */
export const redefinedClass = 'segments_redefined';

/**
 * An event of this class brings what is kept of its subject to what a corrected input makes of it; it
 * is of nobody's doing and nowhere kept. See correction.ts.
 */
export const correctedClass = 'input_corrected';

/** The item of an event of this class names the subject that goes on for this one. */
export const mergedClass = 'subject_merged';
/** An event of this class says that its subject is not the one that goes on for it: it is its own again. */
export const splitClass = 'subject_split';
/** How a subject that was merged reaches the one that goes on. */
export const absorbedClass = 'subject_absorbed';

export type Output =
  | { readonly type: 'score'; readonly score: ScoreChange }
  | { readonly type: 'change'; readonly change: SegmentChange }
  | { readonly type: 'late'; readonly event: Event };

/** What the logic needs of the operator that runs it. */
export type ProfileContext = Pick<
  ProcessContext<string, Profile, Output>,
  'key' | 'state' | 'now' | 'emit' | 'emitTo' | 'setTimer' | 'cancelTimer' | 'drop'
>;

/** What brings a decision about, and what it concerns. */
interface Occasion {
  readonly cause: 'event' | 'time' | 'merge';
  readonly event?: Event;
  /** Instant of the event, or of the timer; ms UTC. */
  readonly at: number;
  /** The past has changed: an event came out of order, or was taken back. */
  readonly corrects?: boolean;
  /** Leaves of segments to compute anew. */
  readonly concerned?: readonly number[];
  /** The score may be another one. */
  readonly scored?: boolean;
}

const day = 86_400_000;
const mostWitnesses = 5;

export class ProfileLogic {
  readonly segments: SegmentLogic;
  readonly #config: EngagementConfig;
  readonly #accepted: AcceptedSet;
  readonly #machineVersion: number;
  readonly #keepMs: number;

  constructor(
    config: EngagementConfig,
    machine: MachineRules,
    consent: ConsentConfig,
    segments: readonly SegmentDefinition[],
  ) {
    this.#config = config;
    this.#accepted = new AcceptedSet(config, machine, consent);
    this.#machineVersion = machine.config.version;
    this.segments = new SegmentLogic(segments, consent.unknown);
    this.#keepMs = config.graceMs + config.refundMs;
  }

  empty(): Profile {
    return {
      accepted: nothingAccepted(),
      engagement: noEngagement(),
      band: 0,
      retrace: false,
      emitted: undefined,
      segments: noSegments(),
    };
  }

  onEvent(context: ProfileContext, event: Event, at: number): void {
    const profile = context.state ?? this.empty();
    if (profile.erased !== undefined) {
      context.drop('erased');
      return;
    }
    if (event.class === splitClass) {
      this.#split(context, profile);
      return;
    }
    if (profile.mergedInto !== undefined && !endsCircle(context.key, event.via ?? [])) {
      const via = [...new Set([...(event.via ?? []), context.key])];
      context.emitTo(events, profile.mergedInto, { ...event, via }, at);
      return;
    }
    if (event.class === erasedClass) {
      this.#erase(context, profile, at);
      return;
    }
    if (event.class === redefinedClass) {
      if (context.state === undefined) return;
      const { segments } = context.state;
      const isOfThese = event.id === this.redefined().id;
      if (isOfThese && event.rebuilt !== undefined) rebuild(segments, event.rebuilt);
      this.onTimer(context, context.now);
      return;
    }
    if (event.class === correctedClass) {
      this.#correct(context, profile, event);
      return;
    }
    if (event.class === mergedClass) {
      this.#mergeInto(context, profile, event.item ?? '');
      return;
    }
    profile.clock = Math.max(clockOf(context, profile), at);
    if (event.class === absorbedClass) {
      this.#absorb(context, profile, event);
      return;
    }
    const taken = this.#accepted.take(profile.accepted, event, at, profile.clock);
    if ('refused' in taken) {
      context.drop(taken.refused);
      if (taken.refused === 'late') context.emit({ type: 'late', event });
      // A refused event moves the clock of a subject that is known.
      if (context.state !== undefined) context.state = profile;
      return;
    }
    const concerned: number[] = [];
    let scored = false;
    for (const change of taken.changes) {
      if (this.#score(profile, change, context.now)) scored = true;
      concerned.push(...this.segments.apply(profile.segments, change.event, change.at, change.add));
    }
    for (const label of taken.labels) this.#tellLabel(context, label);
    const corrects = taken.changes.some((change) => !change.add || change.at < context.now);
    const occasion: Occasion = { cause: 'event', event, at, corrects, concerned, scored };
    this.#decide(context, profile, context.now, occasion);
    // No event is accepted any more that is older than this clock allows.
    settle(this.#config, profile.engagement, profile.clock);
    this.#settleSegments(profile, profile.clock);
    context.state = profile;
  }

  onTimer(context: ProfileContext, at: number): void {
    const profile = context.state;
    if (profile === undefined) return;
    this.#decide(context, profile, at, { cause: 'time', at });
    context.state = profile;
  }

  /**
   * What tells a subject that these definitions decide for it from now on.
   * @param known what would be kept of the subject had they always decided; default: what is kept stays
   */
  redefined(known?: Profile): Event {
    const event = { id: `redefined ${this.segments.fingerprint}`, class: redefinedClass };
    if (known === undefined) return event;
    const { history, memory } = known.segments;
    return { ...event, rebuilt: { history: historyToWritten(history), memory } };
  }

  /** Score of a profile at an instant, as `query` and the end of a run show it. */
  scoreOf(profile: Profile, at: number): Score & { readonly band: string } {
    const score = curveOf(this.#config, profile.engagement).at(at);
    const band = bandAfter(this.#config, score.score, profile.band);
    return { ...score, band: this.#bandName(profile, band, at) };
  }

  /** What the score of a profile is made of at an instant, ms UTC; not before what is settled. */
  explainScore(profile: Profile, at: number): ScoreExplanation & { readonly band: string } {
    const why = explainScore(this.#config, profile.engagement, at);
    return { ...why, band: this.scoreOf(profile, at).band };
  }

  /** Score, events, gates and segments of a profile over time; see subject-story.ts. */
  storyOf(
    profile: Profile,
    clock: number,
    asked: { readonly from?: number; readonly to?: number } = {},
  ): SubjectStory {
    const score = this.explainScore(profile, clock);
    const parts = { config: this.#config, segments: this.segments, score };
    return subjectStory(parts, profile, clock, asked);
  }

  /** When the band or the gate changes if nothing arrives after `at`, ms UTC; +Infinity for never. */
  bandNext(profile: Profile, at: number): number {
    const curve = curveOf(this.#config, profile.engagement);
    const band = bandAfter(this.#config, curve.at(at).score, profile.band);
    return bandChangesAt(this.#config, curve, band, at);
  }

  /** Recency, frequencies and money of a profile at the hour of an instant. */
  companionsOf(profile: Profile, at: number): Companions {
    return companions(this.#config, profile.engagement, at);
  }

  /**
   * Why a subject is in a segment or not at an instant, if nothing more arrives until then. Not before
   * what is settled. Throws CONFIG_INVALID for an unknown segment.
   */
  explain(subject: string, profile: Profile, id: string, at: number): Explanation {
    const root = rootOf(this.segments.program, id);
    return explain(this.segments, profile.segments, subject, root, at);
  }

  /** When a subject is in a segment, as far as is kept and as is known now; ends may lie in the future. */
  timelineOf(profile: Profile, id: string): Timeline {
    return this.segments.timelineOf(profile.segments, rootOf(this.segments.program, id));
  }

  /** Leaves all segments, and forgets the subject: only that it is erased is kept, so that it does not come back. */
  #erase(context: ProfileContext, profile: Profile, at: number): void {
    const user = context.key;
    for (const [segment, member] of profile.segments.members) {
      context.emitTo(segmentStates, `${user}|${segment}`, null, at);
      if (!member.in) continue;
      const [seq, version] = [member.seq + 1, member.version];
      const told = { user, segment, version, seq, type: 'exited', cause: 'erasure' } as const;
      const effectiveAt = Math.max(at, member.since);
      const change = { ...told, effectiveAt, decidedAt: context.now, witness: [] };
      context.emit({ type: 'change', change }, effectiveAt);
    }
    context.emitTo(scores, user, null, at);
    context.cancelTimer('next');
    context.state = { ...this.empty(), erased: at };
  }

  /** Leaves all segments, and hands over to another subject all that is kept; what comes later follows. */
  #mergeInto(context: ProfileContext, profile: Profile, other: string): void {
    const user = context.key;
    // What is one already cannot be merged the other way round.
    if (other === '' || other === user || profile.absorbed?.includes(other) === true) {
      context.drop('invalid');
      return;
    }
    const at = context.now;
    this.#decide(context, profile, at, { cause: 'time', at });
    for (const [segment, member] of profile.segments.members) {
      if (!member.in) continue;
      const [seq, version] = [member.seq + 1, member.version];
      const effectiveAt = Math.max(at, member.since);
      const told = { user, segment, version, seq, type: 'exited', cause: 'merge' } as const;
      const change = { ...told, effectiveAt, decidedAt: at, witness: [], mergedInto: other };
      context.emit({ type: 'change', change }, effectiveAt);
      const state = { in: false, since: effectiveAt, version, seq };
      context.emitTo(segmentStates, `${user}|${segment}`, state, effectiveAt);
    }
    context.emitTo(scores, user, null, at);
    const absorbed = { subject: user, profile: toWritten(profile) };
    const event: Event = { id: `${mergedClass} ${user}`, class: absorbedClass, absorbed };
    context.emitTo(events, other, event, at);
    context.cancelTimer('next');
    context.state = { ...this.empty(), mergedInto: other };
  }

  /** Begins anew: what was handed over stays with the other, what comes from now on is its own. */
  #split(context: ProfileContext, profile: Profile): void {
    if (profile.mergedInto === undefined) context.drop('invalid');
    else context.state = this.empty();
  }

  /** Goes on for another subject, too: from now on all is decided by the events of both. */
  #absorb(context: ProfileContext, profile: Profile, { absorbed }: Event): void {
    if (absorbed === undefined) return;
    const now = context.now;
    const other = fromWritten(absorbed.profile);
    // Of those that were merged into each other at once this one goes on.
    delete profile.mergedInto;
    this.#decide(context, profile, now, { cause: 'time', at: now });
    profile.clock = Math.max(clockOf(context, profile), other.clock ?? now);
    const { from } = other.segments.history;
    if (from > profile.segments.history.from) this.segments.settle(profile.segments, from);
    mergeAccepted(profile.accepted, other.accepted);
    mergeEngagement(profile.engagement, other.engagement, now, profile.band);
    mergeHistory(profile.segments.history, other.segments.history);
    profile.absorbed = [...(profile.absorbed ?? []), absorbed.subject, ...(other.absorbed ?? [])];
    profile.retrace = true;
    this.#decide(context, profile, now, { cause: 'merge', at: now, scored: true });
    context.state = profile;
  }

  /** All is as the corrected input makes it; what was told otherwise is told anew. */
  #correct(context: ProfileContext, told: Profile, event: Event): void {
    const { profile, scoredAt } = correctionOf(event);
    const fresh = profile ?? this.empty();
    const members = fresh.segments.members;
    const merged = new Map(told.segments.members);
    fresh.segments.members = merged;
    for (const root of this.segments.program.roots) {
      const { id, corrections } = root.segment;
      const target = members.get(id);
      const known = merged.get(id) ?? target;
      if (known === undefined) continue;
      const membership = merged.get(id) ?? noMembership(known.version, known.definition);
      const frozen = Math.max(told.segments.history.from, membership.from);
      const ends = retell(membership, target, context.now, corrections, frozen);
      merged.set(id, membership);
      const decision = { segment: root.segment, ends, membership, redefined: false };
      const occasion: Occasion = { cause: 'event', at: Number.NaN };
      const curve = curveOf(this.#config, fresh.engagement);
      this.#tellChanges(context, fresh, decision, occasion, curve);
      if (target !== undefined) continue;
      context.emitTo(segmentStates, `${context.key}|${id}`, null, context.now);
    }
    if (profile !== undefined) {
      const { emitted } = fresh;
      if (emitted !== undefined && !isSameScore(emitted, told.emitted)) {
        const score = { ...emitted, effectiveAt: scoredAt, cause: 'correction' } as const;
        context.emit({ type: 'score', score }, scoredAt);
      }
      this.#decide(context, fresh, context.now, { cause: 'time', at: context.now });
    } else {
      fresh.emitted = undefined;
      context.emitTo(scores, context.key, null, context.now);
      context.cancelTimer('next');
    }
    // The numbers of what was told go on, should the subject come again.
    context.state = profile !== undefined || merged.size > 0 ? fresh : undefined;
  }

  #tellLabel(context: ProfileContext, label: Label): void {
    const { at, event, isMachine, as, rules, correction } = label;
    const user = context.key;
    context.emitTo(activityLabels, user, {
      user,
      eventId: event.id,
      label: isMachine ? 'machine' : 'human',
      class: as,
      rules,
      version: this.#machineVersion,
      at,
      decidedAt: context.now,
      correction,
    });
  }

  /** Answers whether it is a matter of the score. */
  #score(profile: Profile, { add, event, at }: SetChange, now: number): boolean {
    if (!concernsEngagement(this.#config, event)) return false;
    const past = applyEvent(this.#config, profile.engagement, event, at, add);
    if (past || at < now) profile.retrace = true;
    return true;
  }

  /** Brings score, band and segments to the instant `at`, and sets the timer for the next change. */
  #decide(context: ProfileContext, profile: Profile, at: number, occasion: Occasion): void {
    const { corrects = false, concerned = [], scored = false } = occasion;
    const curve = curveOf(this.#config, profile.engagement);
    const now = curve.at(at);
    const view = this.#view(profile, curve, scored);
    profile.band = profile.retrace
      ? (bandsUntil(this.#config, profile.engagement, curve, at).at(-1)?.band ?? 0)
      : bandAfter(this.#config, now.score, profile.band);
    profile.retrace = false;
    const band = this.#bandName(profile, profile.band, at);
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
    const decided = this.segments.decide(segments, {
      subject: context.key,
      now: at,
      clock: clockOf(context, profile),
      concerned,
      view,
      anew: occasion.cause === 'merge',
    });
    for (const decision of decided) this.#tellChanges(context, profile, decision, occasion, curve);
    const next = Math.min(
      bandChangesAt(this.#config, curve, profile.band, at),
      this.segments.next(segments),
    );
    if (next === Number.POSITIVE_INFINITY) context.cancelTimer('next');
    else context.setTimer('next', next);
  }

  /** The score as the segments that read it need it; undefined when it has not changed. */
  #view(profile: Profile, curve: ScoreCurve, scored: boolean): EngagementView | undefined {
    const { segments, engagement, retrace, band } = profile;
    if (this.segments.program.scoreLeaves.length === 0) return undefined;
    const isNew = segments.program !== this.segments.fingerprint;
    if (!scored && !isNew) return undefined;
    const fromStart = retrace || isNew || segments.decided < engagement.start.at;
    const since = fromStart ? engagement.start : { at: segments.decided, band };
    return { config: this.#config, state: engagement, curve, since };
  }

  #tellChanges(
    context: ProfileContext,
    profile: Profile,
    { segment, ends, membership, redefined }: Decision,
    occasion: Occasion,
    curve: ScoreCurve,
  ): void {
    const user = context.key;
    const { id, version } = segment;
    const root = rootOf(this.segments.program, id);
    const merges = occasion.cause === 'merge';
    const isSilent = redefined && !merges && segment.initial === 'silent';
    for (const end of isSilent ? [] : ends) {
      const byOther = merges ? 'merge' : 'definition';
      const cause = redefined ? byOther : causeOf(segment, end, occasion, context.now);
      const ids =
        occasion.event === undefined
          ? witnessesOf(this.segments, profile.segments, root, end.effectiveAt)
          : [occasion.event.id];
      const change: SegmentChange = {
        user,
        segment: id,
        version,
        ...end,
        decidedAt: context.now,
        cause,
        witness: ids.slice(0, mostWitnesses),
        ...(root.readsScore ? { scoreSnapshot: this.#snapshot(profile, curve, context.now) } : {}),
      };
      context.emit({ type: 'change', change }, end.effectiveAt);
    }
    if (ends.length > 0) {
      const key = `${user}|${id}`;
      context.emitTo(segmentStates, key, stateOf(membership), ends.at(-1)?.effectiveAt);
    }
  }

  #snapshot(profile: Profile, curve: ScoreCurve, at: number) {
    const band = this.#bandName(profile, profile.band, at);
    return { score: curve.valueAt('total', at), band };
  }

  /** Once a day of the subject's time is enough. */
  #settleSegments(profile: Profile, now: number): void {
    const from = now - this.#keepMs - 1;
    const { history } = profile.segments;
    const before = Number.isFinite(history.from) ? history.from : (history.firsts[0] ?? now);
    if (from < before + day) return;
    this.segments.settle(profile.segments, from);
  }

  #bandName(profile: Profile, band: number, at: number): string {
    if (gateIsShut(profile.engagement.gates, at)) return suppressed;
    return this.#config.bands[band]?.name ?? '';
  }
}

/** What is kept of a subject is as if the definitions of now had always been in force. */
function rebuild(segments: SubjectSegments, rebuilt: unknown): void {
  const { history, memory } = rebuilt as { history: unknown; memory: SubjectSegments['memory'] };
  // The definitions are others by then: every leaf is computed anew.
  if (segments.program === '') return;
  segments.history = historyFromWritten(history);
  segments.memory = memory;
  segments.program = 'rebuilt';
}

/** Of a profile from before there was a clock, and of a new one, that of the operator. */
function clockOf({ now }: ProfileContext, { clock = now }: Profile): number {
  return clock;
}

/** Where subjects were merged in a circle, at once, the one of the least name takes what has gone round. */
function endsCircle(subject: string, via: readonly string[]): boolean {
  const since = via.indexOf(subject);
  return since >= 0 && via.slice(since).every((other) => subject <= other);
}

/** An end elsewhere than at the event that brought it about corrects what was told, or was not told. */
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

function isSameScore(
  a: NonNullable<Profile['emitted']>,
  b: NonNullable<Profile['emitted']> | undefined,
): boolean {
  return a.score === b?.score && a.band === b.band && sameSubs(a.subs, b.subs);
}

function sameSubs(
  a: Readonly<Record<string, number>>,
  b: Readonly<Record<string, number>>,
): boolean {
  return Object.keys(a).every((channel) => a[channel] === b[channel]);
}
