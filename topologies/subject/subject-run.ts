/**
 * Runs the events of one subject without an engine: the same logic and the same timers, in the
 * order in which the operator runs them on the subject's own clock. It is for recomputing,
 * comparing and explaining.
 */
import type { ActivityLabel, Arrival, SegmentChange, SegmentState } from '../event.ts';
import type { ProfileLogic } from './logic.ts';
import type { Output, Profile, ProfileContext } from './profile.ts';

export class SubjectRun implements ProfileContext {
  readonly key: string;
  readonly changes: SegmentChange[] = [];
  readonly outputs: Output[] = [];
  readonly states = new Map<string, SegmentState>();
  readonly labels: ActivityLabel[] = [];
  /** How many events were refused, by reason. */
  readonly dropped: Record<string, number> = {};
  state: Profile | undefined;
  now = Number.NEGATIVE_INFINITY;
  readonly #logic: ProfileLogic;
  #next: number | undefined;

  constructor(logic: ProfileLogic, subject: string) {
    this.#logic = logic;
    this.key = subject;
  }

  /** A run that goes on from here with a copy of the state, and has reported nothing yet. */
  fork(state: Profile | undefined): SubjectRun {
    const other = new SubjectRun(this.#logic, this.key);
    other.state = state;
    other.now = this.now;
    other.#next = this.#next;
    return other;
  }

  /** Lets time pass to just before the event, then takes the event in. */
  take({ event, at }: Arrival): void {
    this.advanceTo(at - 1, false);
    if (at > this.now) this.now = at;
    this.#logic.onEvent(this, event, at);
  }

  /** Fires timers that are due up to `until`, ms UTC. */
  advanceTo(until: number, clock = true): void {
    while (this.#next !== undefined && this.#next <= until) {
      const at = this.#next;
      this.#next = undefined;
      if (at > this.now) this.now = at;
      this.#logic.onTimer(this, at);
    }
    if (clock && this.state !== undefined && until > this.now) this.now = until;
  }

  emit(output: Output): void {
    this.outputs.push(output);
    if (output.type === 'change') this.changes.push(output.change);
  }

  emitTo(topic: { readonly name: string }, key: unknown, value: unknown): void {
    if (topic.name === 'segment-states') this.states.set(String(key), value as SegmentState);
    if (topic.name === 'activity-labels') this.labels.push(value as ActivityLabel);
  }

  setTimer(_name: string, at: number): void {
    this.#next = at;
  }

  cancelTimer(): void {
    this.#next = undefined;
  }

  drop(reason: string): void {
    this.dropped[reason] = (this.dropped[reason] ?? 0) + 1;
  }
}

/** Runs a subject over all its events. */
export function runSubject(
  logic: ProfileLogic,
  subject: string,
  arrivals: readonly Arrival[],
): SubjectRun {
  const run = new SubjectRun(logic, subject);
  for (const arrival of arrivals) run.take(arrival);
  return run;
}
