/** The life of a subject: erasure, merge, split and correction. */
import { curveOf } from '../engagement/engagement.ts';
import { type Event, events, scores, segmentStates } from '../event.ts';
import { noMembership, retell } from '../segments/membership.ts';
import { correctionOf } from './correction.ts';
import { decide, passTime, sameSubs } from './decide.ts';
import { mergeAccepted, mergeEngagement, mergeHistory } from './merge.ts';
import { clockOf, emptyProfile, type Profile, type ProfileContext } from './profile.ts';
import { fromWritten, toWritten } from './profile-codec.ts';
import type { SubjectRules } from './rules.ts';
import { absorbedClass, mergedClass } from './subject-classes.ts';
import { type Occasion, tellChanges } from './tell.ts';

/**
 * Leaves all segments and forgets the subject. Only the fact of the erasure is kept, so that the
 * subject does not come back.
 */
export function erase(context: ProfileContext, profile: Profile, at: number): void {
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
  context.state = { ...emptyProfile(), erased: at };
}

/**
 * Leaves all segments, and hands everything that is kept to another subject; later events follow it
 * there.
 */
export function mergeInto(
  rules: SubjectRules,
  context: ProfileContext,
  profile: Profile,
  other: string,
): void {
  const user = context.key;
  // A subject that was merged into this one cannot take it over.
  if (other === '' || other === user || profile.absorbed?.includes(other) === true) {
    context.drop('invalid');
    return;
  }
  const at = context.now;
  passTime(rules, context, profile, at);
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
  context.state = { ...emptyProfile(), mergedInto: other };
}

/** Starts over: what was handed over stays with the other subject, and later events are its own. */
export function split(context: ProfileContext, profile: Profile): void {
  if (profile.mergedInto === undefined) context.drop('invalid');
  else context.state = emptyProfile();
}

/** Takes over the profile of another subject; from now on the events of both decide. */
export function absorb(
  rules: SubjectRules,
  context: ProfileContext,
  profile: Profile,
  { absorbed }: Event,
): void {
  if (absorbed === undefined) return;
  const now = context.now;
  const other = fromWritten(absorbed.profile);
  // Where subjects were merged into each other at the same time, this one goes on.
  delete profile.mergedInto;
  passTime(rules, context, profile, now);
  profile.clock = Math.max(clockOf(context, profile), other.clock ?? now);
  const { from } = other.segments.history;
  if (from > profile.segments.history.from) rules.segments.settle(profile.segments, from);
  mergeAccepted(profile.accepted, other.accepted);
  mergeEngagement(profile.engagement, other.engagement, now, profile.band);
  mergeHistory(profile.segments.history, other.segments.history);
  profile.absorbed = [...(profile.absorbed ?? []), absorbed.subject, ...(other.absorbed ?? [])];
  profile.retrace = true;
  decide(rules, context, profile, now, { cause: 'merge', at: now, scored: true });
  context.state = profile;
}

/**
 * Replaces the profile with that of the corrected input, and reports again what differs from
 * earlier reports.
 */
export function correct(
  rules: SubjectRules,
  context: ProfileContext,
  told: Profile,
  event: Event,
): void {
  const { profile, scoredAt } = correctionOf(event);
  const fresh = profile ?? emptyProfile();
  const members = fresh.segments.members;
  const merged = new Map(told.segments.members);
  fresh.segments.members = merged;
  for (const root of rules.segments.program.roots) {
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
    const curve = curveOf(rules.config, fresh.engagement);
    tellChanges(rules, context, fresh, decision, occasion, curve);
    if (target !== undefined) continue;
    context.emitTo(segmentStates, `${context.key}|${id}`, null, context.now);
  }
  if (profile !== undefined) {
    const { emitted } = fresh;
    if (emitted !== undefined && !isSameScore(emitted, told.emitted)) {
      const score = { ...emitted, effectiveAt: scoredAt, cause: 'correction' } as const;
      context.emit({ type: 'score', score }, scoredAt);
    }
    passTime(rules, context, fresh, context.now);
  } else {
    fresh.emitted = undefined;
    context.emitTo(scores, context.key, null, context.now);
    context.cancelTimer('next');
  }
  // The sequence numbers go on, should the subject come again.
  context.state = profile !== undefined || merged.size > 0 ? fresh : undefined;
}

/**
 * Whether subjects were merged in a circle and this one has the smallest name: then it keeps the
 * profile that has gone round.
 */
export function endsCircle(subject: string, via: readonly string[]): boolean {
  const since = via.indexOf(subject);
  return since >= 0 && via.slice(since).every((other) => subject <= other);
}

function isSameScore(
  a: NonNullable<Profile['emitted']>,
  b: NonNullable<Profile['emitted']> | undefined,
): boolean {
  return a.score === b?.score && a.band === b.band && sameSubs(a.subs, b.subs);
}
