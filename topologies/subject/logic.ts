/** One subject: how an event or the passing of time changes it. */
import { settle } from '../engagement/engagement.ts';
import { type Event, events } from '../event.ts';
import type { SubjectSegments } from '../segments/subject-state.ts';
import { decide, passTime, score, settleSegments } from './decide.ts';
import { absorb, correct, endsCircle, erase, mergeInto, split } from './lifecycle.ts';
import { clockOf, emptyProfile, type Profile, type ProfileContext } from './profile.ts';
import { historyFromWritten, historyToWritten } from './profile-codec.ts';
import {
  absorbedClass,
  correctedClass,
  erasedClass,
  mergedClass,
  redefinedClass,
  splitClass,
} from './subject-classes.ts';
import { SubjectQuestions } from './subject-questions.ts';
import { type Occasion, tellLabel } from './tell.ts';

/** Decides subjects by its rules, and answers questions about them. */
export class ProfileLogic extends SubjectQuestions {
  onEvent(context: ProfileContext, event: Event, at: number): void {
    const { rules } = this;
    const profile = context.state ?? emptyProfile();
    if (profile.erased !== undefined) {
      context.drop('erased');
      return;
    }
    if (event.class === splitClass) {
      split(context, profile);
      return;
    }
    if (profile.mergedInto !== undefined && !endsCircle(context.key, event.via ?? [])) {
      const via = [...new Set([...(event.via ?? []), context.key])];
      context.emitTo(events, profile.mergedInto, { ...event, via }, at);
      return;
    }
    if (event.class === erasedClass) {
      erase(context, profile, at);
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
      correct(rules, context, profile, event);
      return;
    }
    if (event.class === mergedClass) {
      mergeInto(rules, context, profile, event.item ?? '');
      return;
    }
    profile.clock = Math.max(clockOf(context, profile), at);
    if (event.class === absorbedClass) {
      absorb(rules, context, profile, event);
      return;
    }
    const taken = rules.accepted.take(profile.accepted, event, at, profile.clock);
    if ('refused' in taken) {
      context.drop(taken.refused);
      if (taken.refused === 'late') context.emit({ type: 'late', event });
      // Even a refused event moves the clock of a known subject.
      if (context.state !== undefined) context.state = profile;
      return;
    }
    const concerned: number[] = [];
    let scored = false;
    for (const change of taken.changes) {
      if (score(rules, profile, change, context.now)) scored = true;
      concerned.push(
        ...rules.segments.apply(profile.segments, change.event, change.at, change.add),
      );
    }
    for (const label of taken.labels) tellLabel(rules, context, label);
    const corrects = taken.changes.some((change) => !change.add || change.at < context.now);
    const occasion: Occasion = { cause: 'event', event, at, corrects, concerned, scored };
    decide(rules, context, profile, context.now, occasion);
    // Events older than this clock allows are no longer accepted.
    settle(rules.config, profile.engagement, profile.clock);
    settleSegments(rules, profile, profile.clock);
    context.state = profile;
  }

  onTimer(context: ProfileContext, at: number): void {
    const profile = context.state;
    if (profile === undefined) return;
    passTime(this.rules, context, profile, at);
    context.state = profile;
  }

  /**
   * The event that tells a subject to follow these definitions from now on.
   * @param known the profile as if these definitions had always been in force; default: the profile
   * stays
   */
  redefined(known?: Profile): Event {
    const event = { id: `redefined ${this.segments.fingerprint}`, class: redefinedClass };
    if (known === undefined) return event;
    const { history, memory } = known.segments;
    return { ...event, rebuilt: { history: historyToWritten(history), memory } };
  }
}

/** Replaces the kept past by one as if the current definitions had always been in force. */
function rebuild(segments: SubjectSegments, rebuilt: unknown): void {
  const { history, memory } = rebuilt as { history: unknown; memory: SubjectSegments['memory'] };
  // Changed definitions make the next event recompute every leaf.
  if (segments.program === '') return;
  segments.history = historyFromWritten(history);
  segments.memory = memory;
  segments.program = 'rebuilt';
}
