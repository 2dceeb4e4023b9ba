/** One subject: what an event or the passing of time changes. */
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

/** Decides subjects by its rules, and answers what may be asked of them. */
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
      // A refused event moves the clock of a subject that is known.
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
    // No event is accepted any more that is older than this clock allows.
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
   * What tells a subject that these definitions decide for it from now on.
   * @param known what would be kept of the subject had they always decided; default: what is kept
   * stays
   */
  redefined(known?: Profile): Event {
    const event = { id: `redefined ${this.segments.fingerprint}`, class: redefinedClass };
    if (known === undefined) return event;
    const { history, memory } = known.segments;
    return { ...event, rebuilt: { history: historyToWritten(history), memory } };
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
