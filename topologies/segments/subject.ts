/**
 * One subject in all segments. The timelines of leaves are kept; an event recomputes only those it
 * concerns. A segment is decided again when the past of one of its leaves has changed, or when a
 * flip of a leaf is due. A segment with nodes that remember is also decided when only the future of
 * a leaf has changed.
 */
import type { Event } from '../event.ts';
import { definitionHash, hashOf } from './canonical.ts';
import { memoryAt } from './combinations.ts';
import type { EngagementLeaf, SegmentDefinition } from './definition.ts';
import { type DerivedField, firstSeen, type History, record, settleHistory } from './history.ts';
import { LeafTruths } from './leaf-truths.ts';
import {
  type End,
  type Membership,
  noMembership,
  redefine,
  settleMembership,
  tell,
} from './membership.ts';
import { neededEvents } from './needed-events.ts';
import { nodeTimelines } from './node-timelines.ts';
import { continued, type EngagementView, engagementTimeline } from './score-leaves.ts';
import { Program, type Root, remembers } from './segment-program.ts';
import type { SubjectSegments } from './subject-state.ts';
import { differFrom, forget, never, nextFlip, type Timeline } from './timeline.ts';

export interface Decision {
  readonly segment: SegmentDefinition;
  readonly ends: readonly End[];
  /** Whether a change of the definition caused it, and not an event or time. */
  readonly redefined: boolean;
  readonly membership: Membership;
}

/** What is to be decided of a subject. */
export interface Deciding {
  readonly subject: string;
  /** ms UTC. */
  readonly now: number;
  /** The latest event of the subject, ms UTC; the grace of a segment counts from it. */
  readonly clock?: number;
  /** Places of leaves to recompute; -1 says that the first event has changed. */
  readonly concerned: Iterable<number>;
  /** Undefined while the score is unchanged. */
  readonly view?: EngagementView | undefined;
  /** The history was replaced: decide everything from now on, as after a new definition. */
  readonly anew?: boolean;
}

export class SegmentLogic {
  readonly program: Program;
  /** Hash over all definitions. */
  readonly fingerprint: string;
  readonly #truths: LeafTruths;
  readonly #keeps: ReturnType<typeof neededEvents>;
  /** Hashes, in the order of the segments. */
  readonly #definitions: readonly string[];

  constructor(
    segments: readonly SegmentDefinition[],
    consentUnknown: 'granted' | 'withdrawn',
    derived?: DerivedField,
  ) {
    const program = new Program(segments, derived);
    this.program = program;
    this.#definitions = segments.map(definitionHash);
    this.fingerprint = hashOf([this.#definitions, consentUnknown]);
    this.#truths = new LeafTruths(program, consentUnknown);
    this.#keeps = neededEvents(program);
  }

  /** Adds an event to the accepted set, or removes it. Returns the leaves that it concerns. */
  apply(state: SubjectSegments, event: Event, at: number, add: boolean): readonly number[] {
    const changed = record(state.history, this.program.wanted, event, at, add);
    return changed.flatMap((one) =>
      one === 'firstSeen' ? [...this.program.concerned(one), -1] : this.program.concerned(one),
    );
  }

  /** Decides everything up to `now`. */
  decide(
    state: SubjectSegments,
    { subject, now, clock = now, concerned, view, anew = false }: Deciding,
  ): Decision[] {
    const due = new Set<number>();
    const leaves = new Set(anew ? this.program.leaves : concerned);
    if (anew || state.program !== this.fingerprint || leaves.has(-1)) {
      for (const i of this.program.roots.keys()) due.add(i);
    }
    const isOther = state.program !== '' && state.program !== this.fingerprint;
    if (state.program !== this.fingerprint) {
      for (const place of this.program.leaves) leaves.add(place);
      state.program = this.fingerprint;
    } else if (view !== undefined) for (const place of this.program.scoreLeaves) leaves.add(place);
    this.#flipped(state, now, due);
    for (const place of leaves) {
      if (place >= 0) this.#renew(state, subject, place, view, now, due);
    }
    for (const [i, { segment }] of this.program.roots.entries()) {
      if ((state.wakes.get(segment.id) ?? never) <= now) due.add(i);
    }
    state.decided = now;
    return this.#decideRoots(state, due, { now, clock, isOther, anew });
  }

  /** The next instant after `state.decided` at which time alone changes something; or Infinity. */
  next(state: SubjectSegments): number {
    let next = never;
    for (const truth of Object.values(state.truths)) {
      for (let i = 1; i < truth.length; i++) {
        const at = truth[i] as number;
        if (at <= state.decided) continue;
        if (at < next) next = at;
        break;
      }
    }
    for (const at of state.wakes.values()) next = Math.min(next, at);
    return next;
  }

  /**
   * Forgets what no instant after `from` (ms UTC) needs. Everything up to `from` must be decided.
   */
  settle(state: SubjectSegments, from: number): void {
    if (!(firstSeen(state.history) <= from) || from <= state.history.from) return;
    const settled = state.history.from;
    const lines = this.timelines(state);
    const memory: Record<string, number | null> = {};
    this.program.nodes.forEach(({ key, node, children }, place) => {
      if (!remembers(node)) return;
      const below = children.map((child) => lines(child));
      const known = memoryAt(node, lines(place), below, state.memory[key], settled, from);
      if (known !== null) memory[key] = known;
    });
    state.memory = memory;
    settleHistory(state.history, from, this.#keeps);
    for (const place of this.program.leaves) {
      const { key } = this.program.nodeAt(place);
      if (state.truths[key] === undefined) continue;
      this.#truths.put(state, place, forget(this.#truths.of(state, place), from));
    }
    for (const member of state.members.values()) settleMembership(member, from);
  }

  /** The timeline of a segment if no further event arrives. */
  timelineOf(state: SubjectSegments, root: Root): Timeline {
    return this.timelines(state)(root.node);
  }

  /** Timelines of the nodes by their place, each computed once. */
  timelines(state: SubjectSegments): (place: number) => Timeline {
    return nodeTimelines(this.program, this.#truths, state);
  }

  /** A copy of `state` in which these leaves follow another history. `state` is not changed. */
  withHistory(
    state: SubjectSegments,
    subject: string,
    history: History,
    leaves: readonly number[],
  ): SubjectSegments {
    const other = { ...state, history, truths: { ...state.truths } };
    for (const place of leaves) {
      const line = this.#truths.computed(place, history, subject);
      if (line !== undefined) this.#truths.put(other, place, line);
    }
    return other;
  }

  /** Adds the segments whose leaves flip after `state.decided` and up to `now`. */
  #flipped(state: SubjectSegments, now: number, due: Set<number>): void {
    const { decided } = state;
    for (const [key, truth] of Object.entries(state.truths)) {
      const last = truth.length - 1;
      if (last < 1 || (truth[last] as number) <= decided) continue;
      for (let i = 1; i <= last; i++) {
        const at = truth[i] as number;
        if (at > now) break;
        if (at <= decided) continue;
        this.#readersOf(this.program.placeOf.get(key), due);
        break;
      }
    }
  }

  /** @param rememberingOnly leave out segments whose next change follows from their leaves alone */
  #readersOf(place: number | undefined, due: Set<number>, rememberingOnly = false): void {
    if (place === undefined) return;
    for (const i of this.program.readers.get(place) ?? []) {
      if (!rememberingOnly || this.program.roots[i]?.remembers === true) due.add(i);
    }
  }

  /**
   * Recomputes a leaf. Its segments are due when its truth up to `now` has changed. Segments that
   * remember are also due when only its future has changed, because they must set their next wake.
   */
  #renew(
    state: SubjectSegments,
    subject: string,
    place: number,
    view: EngagementView | undefined,
    now: number,
    due: Set<number>,
  ): void {
    const before = this.#truths.of(state, place);
    let line = this.#truths.computed(place, state.history, subject);
    if (line === undefined) {
      if (view === undefined) return;
      const leaf = this.program.nodeAt(place).node as EngagementLeaf;
      const read = engagementTimeline(leaf, view);
      line = forget(continued(before, view.since.at, read), state.history.from);
    }
    const from = differFrom(before, line);
    if (from === never) return;
    // A change of the future tells nothing now, but moves the next wake of nodes that remember.
    this.#readersOf(place, due, from > now);
    this.#truths.put(state, place, line);
  }

  /** @param by `isOther`: the last decision followed other definitions */
  #decideRoots(
    state: SubjectSegments,
    due: ReadonlySet<number>,
    by: {
      readonly now: number;
      readonly clock: number;
      readonly isOther: boolean;
      readonly anew: boolean;
    },
  ): Decision[] {
    const { now, clock, isOther, anew } = by;
    const decisions: Decision[] = [];
    const lines = this.timelines(state);
    for (const i of [...due].sort((a, b) => a - b)) {
      const root = this.program.roots[i] as Root;
      const { segment } = root;
      const line = lines(root.node);
      if (root.remembers) {
        const wake = nextFlip(line, now);
        if (wake === never) state.wakes.delete(segment.id);
        else state.wakes.set(segment.id, wake);
      }
      const definition = this.#definitions[i] as string;
      const known = state.members.get(segment.id);
      const membership = known ?? noMembership(segment.version, definition);
      // A new segment has no past: earlier entries and exits of its condition are not reported.
      const hasPast =
        known === undefined && isOther && (line.first || (line.flips[0] ?? never) <= now);
      const redefined = anew || membership.definition !== definition || hasPast;
      if (redefined) {
        const ends = redefine(membership, line, now, segment.version, definition);
        state.members.set(segment.id, membership);
        decisions.push({ segment, ends, membership, redefined });
        continue;
      }
      const frozen = Math.max(
        state.history.from,
        membership.from,
        segment.grace === undefined ? Number.NEGATIVE_INFINITY : clock - segment.grace,
      );
      const ends = tell(membership, line, now, segment.corrections, frozen);
      if (ends.length === 0) continue;
      membership.version = segment.version;
      state.members.set(segment.id, membership);
      decisions.push({ segment, ends, membership, redefined });
    }
    return decisions;
  }
}
