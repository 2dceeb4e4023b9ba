/** One subject: what is kept of it, and what an event or the passing of time changes. */
import { MillraceError, type ProcessContext } from 'millrace';
import {
  type Accepted,
  AcceptedSet,
  type Label,
  nothingAccepted,
  type SetChange,
} from './accepted/accepted.ts';
import type { ConsentConfig } from './accepted/consent.ts';
import type { MachineRules } from './accepted/machine.ts';
import { bandAfter, bandChangesAt, suppressed } from './engagement/bands.ts';
import type { Companions } from './engagement/companions.ts';
import type { EngagementConfig } from './engagement/config.ts';
import {
  applyEvent,
  bandsUntil,
  companions,
  curveOf,
  type Engagement,
  noEngagement,
  settle,
} from './engagement/engagement.ts';
import { gateIsShut } from './engagement/gates.ts';
import type { Score, ScoreCurve } from './engagement/score.ts';
import {
  activityLabels,
  type Event,
  type ScoreChange,
  type SegmentChange,
  type SegmentState,
  segmentStates,
  type Trait,
} from './event.ts';
import { bucketOf } from './segments/bucket.ts';
import type { SegmentDefinition } from './segments/definition.ts';
import {
  evaluate,
  type Facts,
  type Member,
  type Memory,
  needed,
  reach,
  type Verdict,
} from './segments/evaluate.ts';
import { type Explanation, explain } from './segments/explain.ts';

export interface Profile {
  firstSeen: number;
  accepted: Accepted;
  engagement: Engagement;
  newest: Record<string, number[]>;
  traits: Record<string, [value: Trait, at: number, eventId: string]>;
  /** By class: the events that segments look at one by one, by time. */
  members: Record<string, Member[]>;
  /** Index of the band, apart from the gate. */
  band: number;
  /** The band is to be found from the start of its way: what is past has changed. */
  retrace: boolean;
  emitted: { score: number; subs: Record<string, number>; band: string } | undefined;
  segments: Record<string, Membership>;
  /** The instant of the next change by time alone; +Infinity for never. */
  next: number;
  /** Ids of the events at that very instant, which wait for it to be over. */
  waiting: string[];
}

interface Membership {
  state: SegmentState;
  memory: Memory;
  /** The memory as it was before the instant `decidedFor`: events of one instant have no order. */
  before: Memory;
  decidedFor: number;
}

export type Output =
  | { readonly type: 'score'; readonly score: ScoreChange }
  | { readonly type: 'change'; readonly change: SegmentChange }
  | { readonly type: 'late'; readonly event: Event };

type Context = ProcessContext<string, Profile, Output>;
type Cause = ScoreChange['cause'];

export class ProfileLogic {
  readonly #config: EngagementConfig;
  readonly #accepted: AcceptedSet;
  readonly #machineVersion: number;
  readonly #segments: readonly SegmentDefinition[];
  readonly #keep: Readonly<Record<string, number>>;
  readonly #reach: Readonly<Record<string, number>>;

  constructor(
    config: EngagementConfig,
    machine: MachineRules,
    consent: ConsentConfig,
    segments: readonly SegmentDefinition[],
  ) {
    this.#config = config;
    this.#accepted = new AcceptedSet(config, machine, consent);
    this.#machineVersion = machine.config.version;
    this.#segments = segments;
    const expressions = segments.map((segment) => segment.when);
    this.#keep = needed(expressions);
    this.#reach = reach(expressions);
  }

  empty(): Profile {
    return {
      firstSeen: Number.POSITIVE_INFINITY,
      accepted: nothingAccepted(),
      engagement: noEngagement(),
      newest: {},
      traits: {},
      members: {},
      band: 0,
      retrace: false,
      emitted: undefined,
      segments: {},
      next: Number.POSITIVE_INFINITY,
      waiting: [],
    };
  }

  onEvent(context: Context, event: Event, at: number): void {
    const profile = context.state ?? this.empty();
    const taken = this.#accepted.take(profile.accepted, event, at, context.now);
    if ('refused' in taken) {
      context.drop(taken.refused);
      if (taken.refused === 'late') context.emit({ type: 'late', event });
      return;
    }
    for (const change of taken.changes) this.#apply(profile, change);
    for (const label of taken.labels) this.#tellLabel(context, label);
    settle(this.#config, profile.engagement, context.now);
    for (const [eventClass, members] of Object.entries(profile.members)) {
      const oldest = context.now - (this.#reach[eventClass] ?? 0);
      profile.members[eventClass] = members.filter((member) => member.at > oldest);
    }
    context.state = profile;
    // What leaves at an instant must not be counted out before all that joins at it has come in.
    if (profile.next === context.now) {
      profile.waiting.push(event.id);
      return;
    }
    const corrects = taken.changes.some((change) => !change.add || change.at < context.now);
    const cause = corrects ? 'correction' : 'event';
    this.#decide(context, profile, context.now, cause, [event.id]);
  }

  onTimer(context: Context, at: number): void {
    const profile = context.state;
    if (profile === undefined) return;
    const { waiting } = profile;
    profile.waiting = [];
    this.#decide(context, profile, at, waiting.length > 0 ? 'event' : 'time', waiting);
    context.state = profile;
  }

  /** Score of a profile at an instant, as `query` and the end of a run show it. */
  scoreOf(profile: Profile, at: number): Score & { readonly band: string } {
    const score = curveOf(this.#config, profile.engagement).at(at);
    const band = bandAfter(this.#config, score.score, profile.band);
    return { ...score, band: this.#bandName(profile, band, at) };
  }

  /** Recency, frequencies and money of a profile at the hour of an instant. */
  companionsOf(profile: Profile, at: number): Companions {
    return companions(this.#config, profile.engagement, at);
  }

  /**
   * Why a subject is in a segment or not at an instant, if nothing more arrives until then. Not before
   * the subject's clock. Throws CONFIG_INVALID for an unknown segment.
   */
  explain(subject: string, profile: Profile, id: string, at: number): Explanation {
    const segment = this.#segments.find((one) => one.id === id);
    if (segment === undefined) {
      const problem = `there is none; there are ${this.#segments.map((one) => one.id).join(', ')}`;
      throw new MillraceError('CONFIG_INVALID', { field: `segment ${id}`, problem });
    }
    const then = structuredClone(profile);
    while (then.next <= at) this.#pass(subject, then, then.next);
    const { facts } = this.#factsAt(subject, then, at);
    const known = then.segments[id];
    const memory = known?.decidedFor === at ? known.before : known?.memory;
    return explain(segment.when, at, facts, memory ?? {});
  }

  /** Lets a profile's time pass to `at`, without telling anybody. */
  #pass(subject: string, profile: Profile, at: number): void {
    const { facts, score, curve } = this.#factsAt(subject, profile, at);
    profile.band = bandAfter(this.#config, score, profile.band);
    profile.next = bandChangesAt(this.#config, curve, profile.band, at);
    for (const segment of this.#segments) {
      const { holds, next } = this.#judge(profile, segment, facts, at);
      const known = profile.segments[segment.id] as Membership;
      known.state = { ...known.state, in: holds };
      profile.next = Math.min(profile.next, next);
    }
  }

  #factsAt(subject: string, profile: Profile, at: number) {
    const curve = curveOf(this.#config, profile.engagement);
    const score = curve.valueAt('total', at);
    const band = bandAfter(this.#config, score, profile.band);
    const facts = factsOf(subject, profile, this.#bandName(profile, band, at), curve);
    return { facts, score, curve };
  }

  #tellLabel(context: Context, { at, event, isMachine, as, rules, correction }: Label): void {
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

  /** An event joins the accepted set, or leaves it again. */
  #apply(profile: Profile, { add, event, at }: SetChange): void {
    if (applyEvent(this.#config, profile.engagement, event, at, add)) profile.retrace = true;
    if (add) this.#takeIn(profile, event, at);
    else this.#takeOut(profile, event, at);
  }

  #takeOut(profile: Profile, event: Event, at: number): void {
    const instants = profile.newest[event.class];
    if (instants?.includes(at)) instants.splice(instants.indexOf(at), 1);
    const item = event.item ?? event.id;
    const members = profile.members[event.class];
    const i = members?.findIndex((one) => one.at === at && one.item === item) ?? -1;
    if (i >= 0) members?.splice(i, 1);
  }

  #takeIn(profile: Profile, event: Event, at: number): void {
    profile.firstSeen = Math.min(profile.firstSeen, at);
    const keep = this.#keep[event.class];
    if (keep !== undefined) {
      const instants = [...(profile.newest[event.class] ?? []), at].sort((a, b) => a - b);
      profile.newest[event.class] = instants.slice(-keep);
    }
    if (this.#reach[event.class] !== undefined) {
      profile.members[event.class] ??= [];
      const members = profile.members[event.class] as Member[];
      members.push({ at, item: event.item ?? event.id, numbers: event.numbers ?? {} });
      members.sort((a, b) => a.at - b.at);
    }
    for (const [name, value] of Object.entries(event.traits ?? {})) {
      const known = profile.traits[name];
      // Of one instant the greatest id counts, so that the order of arrival does not.
      if (known === undefined || at > known[1] || (at === known[1] && event.id > known[2])) {
        profile.traits[name] = [value, at, event.id];
      }
    }
  }

  /** Brings score, band and segments to the instant `at`, and sets the timer for the next change. */
  #decide(
    context: Context,
    profile: Profile,
    at: number,
    cause: Cause,
    witness: readonly string[],
  ): void {
    const curve = curveOf(this.#config, profile.engagement);
    const now = curve.at(at);
    profile.band = profile.retrace
      ? (bandsUntil(this.#config, profile.engagement, curve, at).at(-1)?.band ?? 0)
      : bandAfter(this.#config, now.score, profile.band);
    profile.retrace = false;
    const band = this.#bandName(profile, profile.band, at);
    const { emitted } = profile;
    const changed =
      band !== emitted?.band ||
      (cause !== 'time' && (now.score !== emitted.score || !sameSubs(now.subs, emitted.subs)));
    if (changed) {
      profile.emitted = { score: now.score, subs: { ...now.subs }, band };
      const score: ScoreChange = { ...profile.emitted, effectiveAt: at, cause };
      context.emit({ type: 'score', score }, at);
    }
    const facts = factsOf(context.key, profile, band, curve);
    let next = bandChangesAt(this.#config, curve, profile.band, at);
    for (const segment of this.#segments) {
      const changes = this.#decideSegment(context, profile, segment, facts, at, cause, witness);
      next = Math.min(next, changes);
    }
    profile.next = next;
    if (next === Number.POSITIVE_INFINITY) context.cancelTimer('next');
    else context.setTimer('next', next);
  }

  /** Answers when the membership may change by itself. */
  #decideSegment(
    context: Context,
    profile: Profile,
    segment: SegmentDefinition,
    facts: Facts,
    at: number,
    cause: Cause,
    witness: readonly string[],
  ): number {
    const { id, version } = segment;
    const { holds, next } = this.#judge(profile, segment, facts, at);
    const known = profile.segments[id] as Membership;
    if (holds !== known.state.in) {
      const seq = known.state.seq + 1;
      known.state = { in: holds, since: at, version, seq };
      const type = holds ? 'entered' : 'exited';
      const user = context.key;
      const decidedAt = context.now;
      const change = { user, segment: id, version, seq, type, effectiveAt: at, decidedAt } as const;
      context.emit({ type: 'change', change: { ...change, cause, witness } }, at);
      context.emitTo(segmentStates, `${user}|${id}`, known.state, at);
    }
    return next;
  }

  /** The verdict at an instant; judged again at the same instant, it begins from the same memory. */
  #judge(
    profile: Profile,
    { id, version, when }: SegmentDefinition,
    facts: Facts,
    at: number,
  ): Verdict {
    const known = profile.segments[id] ?? {
      state: { in: false, since: 0, version, seq: 0 },
      memory: {},
      before: {},
      decidedFor: Number.NEGATIVE_INFINITY,
    };
    profile.segments[id] = known;
    if (known.decidedFor === at) known.memory = { ...known.before };
    else known.before = { ...known.memory };
    known.decidedFor = at;
    return evaluate(when, at, facts, known.memory);
  }

  #bandName(profile: Profile, band: number, at: number): string {
    if (gateIsShut(profile.engagement.gates, at)) return suppressed;
    return this.#config.bands[band]?.name ?? '';
  }
}

function factsOf(subject: string, profile: Profile, band: string, curve: ScoreCurve): Facts {
  const { newest, firstSeen, traits, members } = profile;
  return {
    members,
    bucket: (salt) => bucketOf(salt, subject),
    // Segments are decided in an order in which those asked for come first.
    inSegment: (id) => profile.segments[id]?.state.in === true,
    newest,
    firstSeen,
    traits,
    band,
    score: (of, at) => curve.valueAt(of, at),
    // A gate that opens may change every score.
    fallsBelow: (of, threshold, at) =>
      Math.min(curve.fallsBelow(of, threshold, at), curve.opensAt(at)),
  };
}

function sameSubs(
  a: Readonly<Record<string, number>>,
  b: Readonly<Record<string, number>>,
): boolean {
  return Object.keys(a).every((channel) => a[channel] === b[channel]);
}
