/** One subject: what is kept of it, and what an event or the passing of time changes. */
import { MillraceError, type ProcessContext } from 'millrace';
import { bandAfter, lowerBound, suppressed } from './engagement/bands.ts';
import type { EngagementConfig } from './engagement/config.ts';
import {
  countItem,
  forgetHours,
  type Gate,
  gateChangesAt,
  gateEvents,
  gateIsShut,
  type HourlyItems,
  hourMs,
  openGate,
  type Score,
  ScoreCurve,
} from './engagement/score.ts';
import {
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
  /** Ids of events within the grace period, with their instants. */
  recent: Record<string, number>;
  items: HourlyItems;
  gate: Gate;
  newest: Record<string, number[]>;
  traits: Record<string, [value: Trait, at: number, eventId: string]>;
  /** By class: the events that segments look at one by one, by time. */
  members: Record<string, Member[]>;
  /** Index of the band, apart from the gate. */
  band: number;
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
  readonly #segments: readonly SegmentDefinition[];
  readonly #keep: Readonly<Record<string, number>>;
  readonly #reach: Readonly<Record<string, number>>;

  constructor(config: EngagementConfig, segments: readonly SegmentDefinition[]) {
    this.#config = config;
    this.#segments = segments;
    const expressions = segments.map((segment) => segment.when);
    this.#keep = needed(expressions);
    this.#reach = reach(expressions);
  }

  empty(): Profile {
    return {
      firstSeen: Number.POSITIVE_INFINITY,
      recent: {},
      items: {},
      gate: openGate(),
      newest: {},
      traits: {},
      members: {},
      band: 0,
      emitted: undefined,
      segments: {},
      next: Number.POSITIVE_INFINITY,
      waiting: [],
    };
  }

  onEvent(context: Context, event: Event, at: number): void {
    const profile = context.state ?? this.empty();
    const horizon = context.now - this.#config.graceMs;
    if (at < horizon) {
      context.drop('late');
      context.emit({ type: 'late', event });
      return;
    }
    if (profile.recent[event.id] !== undefined) {
      context.drop('duplicate');
      return;
    }
    for (const [id, seen] of Object.entries(profile.recent)) {
      if (seen < horizon) delete profile.recent[id];
    }
    profile.recent[event.id] = at;
    this.#takeIn(profile, event, at);
    forgetHours(this.#config, profile.items, Math.floor(horizon / hourMs));
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
    const cause = at < context.now ? 'correction' : 'event';
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
    const curve = new ScoreCurve(this.#config, profile.items, profile.gate);
    const score = curve.at(Math.floor(at / hourMs));
    const band = bandAfter(this.#config, score.score, profile.band);
    return { ...score, band: this.#bandName(profile, band, at) };
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
    const { facts, score } = this.#factsAt(subject, profile, at);
    profile.band = bandAfter(this.#config, score, profile.band);
    profile.next = this.#nextOfScore(facts, profile, at);
    for (const segment of this.#segments) {
      const { holds, next } = this.#judge(profile, segment, facts, at);
      const known = profile.segments[segment.id] as Membership;
      known.state = { ...known.state, in: holds };
      profile.next = Math.min(profile.next, next);
    }
  }

  #factsAt(subject: string, profile: Profile, at: number): { facts: Facts; score: number } {
    const curve = new ScoreCurve(this.#config, profile.items, profile.gate);
    const { score } = curve.at(Math.floor(at / hourMs));
    const band = bandAfter(this.#config, score, profile.band);
    return { facts: factsOf(subject, profile, this.#bandName(profile, band, at), curve), score };
  }

  #nextOfScore(facts: Facts, profile: Profile, at: number): number {
    return Math.min(
      facts.fallsBelow('total', lowerBound(this.#config, profile.band), at),
      gateChangesAt(profile.gate, at),
    );
  }

  #takeIn(profile: Profile, event: Event, at: number): void {
    profile.firstSeen = Math.min(profile.firstSeen, at);
    countItem(this.#config, profile.items, event.class, event.item ?? event.id, at);
    const gateField = gateEvents[event.class];
    if (gateField !== undefined) profile.gate[gateField] = Math.max(profile.gate[gateField], at);
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
    const curve = new ScoreCurve(this.#config, profile.items, profile.gate);
    const now = curve.at(Math.floor(at / hourMs));
    profile.band = bandAfter(this.#config, now.score, profile.band);
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
    let next = this.#nextOfScore(facts, profile, at);
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
    if (gateIsShut(profile.gate, at)) return suppressed;
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
    score: (of, at) => curve.valueAt(of, Math.floor(at / hourMs)),
    fallsBelow: (of, threshold, at) => {
      const below = curve.firstHourBelow(of, threshold, Math.floor(at / hourMs));
      return below === undefined ? Number.POSITIVE_INFINITY : below * hourMs;
    },
  };
}

function sameSubs(
  a: Readonly<Record<string, number>>,
  b: Readonly<Record<string, number>>,
): boolean {
  return Object.keys(a).every((channel) => a[channel] === b[channel]);
}
