/**
 * One subject in all segments. Timelines of leaves are kept. An event computes those anew that it
 * concerns. Segments are decided again when a leaf of theirs has changed up to now or has come to a
 * flip; those that remember, also when only the future of a leaf has changed.
 */
import type { Event } from '../event.ts';
import { definitionHash, hashOf } from './canonical.ts';
import { memoryAt, remembering } from './combinations.ts';
import { type Leaf, readsEngagement, type SegmentDefinition } from './definition.ts';
import { firstSeen, type History, type Kept, noHistory, record, settleHistory } from './history.ts';
import { leafTimeline } from './leaves.ts';
import { markNeeded } from './matches.ts';
import {
  type End,
  type Membership,
  noMembership,
  redefine,
  settleMembership,
  tell,
} from './membership.ts';
import { continued, type EngagementView, engagementTimeline } from './score-leaves.ts';
import { isLeaf, Program, type Root, remembers } from './segment-program.ts';
import {
  clip,
  combine,
  differFrom,
  forget,
  never,
  nextFlip,
  not,
  nowhere,
  type Timeline,
} from './timeline.ts';

export interface SubjectSegments {
  history: History;
  /**
   * By key of a leaf: its truth before the first flip (1 or 0), then the flips. Not there: as of no
   * events.
   */
  truths: Record<string, number[]>;
  memory: Record<string, number | null>;
  members: Map<string, Membership>;
  /** By segment: when it changes by itself though no leaf does. */
  wakes: Map<string, number>;
  /** All is decided up to this instant; -Infinity before the first. */
  decided: number;
  /** The definitions by which it was decided. */
  program: string;
}

export interface Decision {
  readonly segment: SegmentDefinition;
  readonly ends: readonly End[];
  /** Another definition than before is what changed it. */
  readonly redefined: boolean;
  readonly membership: Membership;
}

/** What is to be decided of a subject. */
export interface Deciding {
  readonly subject: string;
  /** ms UTC. */
  readonly now: number;
  /**
   * Up to where the subject's own events have come, ms UTC: the grace of a segment counts from it.
   */
  readonly clock?: number;
  /** Leaves to compute anew; -1 among them: the first event is another one now. */
  readonly concerned: Iterable<number>;
  /** undefined: the score is as it was. */
  readonly view?: EngagementView | undefined;
  /** All is decided from now on as by other definitions: the history is another one. */
  readonly anew?: boolean;
}

export function noSegments(): SubjectSegments {
  return {
    history: noHistory(),
    truths: {},
    memory: {},
    members: new Map(),
    wakes: new Map(),
    decided: Number.NEGATIVE_INFINITY,
    program: '',
  };
}

const nobody = noHistory();

export class SegmentLogic {
  readonly program: Program;
  /** Hash over all definitions. */
  readonly fingerprint: string;
  readonly #consentUnknown: 'granted' | 'withdrawn';
  readonly #empty = new Map<number, Timeline>();
  readonly #keeps: ReadonlyMap<string, (events: readonly Kept[], from: number) => Kept[]>;

  readonly #definitions: readonly string[];

  constructor(segments: readonly SegmentDefinition[], consentUnknown: 'granted' | 'withdrawn') {
    const program = new Program(segments);
    this.program = program;
    this.#definitions = segments.map(definitionHash);
    this.fingerprint = hashOf([this.#definitions, consentUnknown]);
    this.#consentUnknown = consentUnknown;
    for (const place of program.leaves) this.#empty.set(place, this.#emptyTimeline(place));
    this.#keeps = this.#retention();
  }

  /** An event joins the accepted set, or leaves it. Answers the leaves it concerns. */
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

  /** When something may change by itself after `state.decided`; +Infinity for never. */
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
   * Forgets what is not needed for any instant after `from`. Everything up to `from` must be
   * decided.
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
      this.#store(state, place, forget(this.#truth(state, place), from));
    }
    for (const member of state.members.values()) settleMembership(member, from);
  }

  /** The timeline of a segment, as if nothing more came. */
  timelineOf(state: SubjectSegments, root: Root): Timeline {
    return this.timelines(state)(root.node);
  }

  /** Timelines of the nodes by their place, each computed once. */
  timelines(state: SubjectSegments): (place: number) => Timeline {
    const settled = state.history.from;
    const start = settled === Number.NEGATIVE_INFINITY ? firstSeen(state.history) : settled;
    const known = new Map<number, Timeline>();
    const clipped = (line: Timeline) =>
      settled === Number.NEGATIVE_INFINITY ? (start === never ? nowhere : clip(line, start)) : line;
    const compute = (place: number): Timeline => {
      const { key, node, children } = this.program.nodeAt(place);
      if (isLeaf(node)) return this.#truth(state, place);
      const below = children.map((child) => known.get(child) as Timeline);
      if (node.kind === 'not') return not(below[0] as Timeline);
      if (remembers(node)) return remembering(node, below, state.memory[key], settled);
      return combine(below, node.kind === 'and');
    };
    // A stack of its own: segments that ask for each other may make a chain of any length.
    const lineOf = (wanted: number): Timeline => {
      const left = [wanted];
      for (let place = left.at(-1); place !== undefined; place = left.at(-1)) {
        const depth = left.length;
        if (!known.has(place)) {
          for (const child of this.program.nodeAt(place).children) {
            if (!known.has(child)) left.push(child);
          }
          if (left.length > depth) continue;
          known.set(place, clipped(compute(place)));
        }
        left.pop();
      }
      return known.get(wanted) as Timeline;
    };
    return lineOf;
  }

  /** A state as these leaves would be with another history; nothing of `state` is changed. */
  withHistory(
    state: SubjectSegments,
    subject: string,
    history: History,
    leaves: readonly number[],
  ): SubjectSegments {
    const other = { ...state, history, truths: { ...state.truths } };
    for (const place of leaves) {
      const leaf = this.program.nodeAt(place).node as Leaf;
      if (readsEngagement(leaf)) continue;
      const line = leafTimeline(leaf, history, subject, this.#consentUnknown);
      this.#store(other, place, forget(line, history.from));
    }
    return other;
  }

  /** Segments of leaves with a flip since what was decided last. */
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

  /** @param rememberingOnly only segments whose next change is not read off their leaves alone */
  #readersOf(place: number | undefined, due: Set<number>, rememberingOnly = false): void {
    if (place === undefined) return;
    for (const i of this.program.readers.get(place) ?? []) {
      if (!rememberingOnly || this.program.roots[i]?.remembers === true) due.add(i);
    }
  }

  /**
   * Computes a leaf anew. Its segments are due when its truth up to `now` is another; those that
   * remember, also when only its future is: they set their next wake anew.
   */
  #renew(
    state: SubjectSegments,
    subject: string,
    place: number,
    view: EngagementView | undefined,
    now: number,
    due: Set<number>,
  ): void {
    const leaf = this.program.nodeAt(place).node as Leaf;
    const before = this.#truth(state, place);
    let line: Timeline;
    if (readsEngagement(leaf)) {
      if (view === undefined) return;
      line = continued(before, view.since.at, engagementTimeline(leaf, view));
    } else {
      line = leafTimeline(leaf, state.history, subject, this.#consentUnknown);
    }
    line = forget(line, state.history.from);
    const from = differFrom(before, line);
    if (from === never) return;
    // A change of the future alone tells nothing now, but it moves what remembering nodes wait for.
    this.#readersOf(place, due, from > now);
    this.#store(state, place, line);
  }

  /** @param by `isOther`: the definitions are others than those by which it was decided before */
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
      // A segment that is new has no past: what its condition says of it is told to nobody.
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

  #truth(state: SubjectSegments, place: number): Timeline {
    const truth = state.truths[this.program.nodeAt(place).key];
    if (truth === undefined) return this.#empty.get(place) as Timeline;
    return { first: truth[0] === 1, flips: truth.slice(1) };
  }

  #store(state: SubjectSegments, place: number, line: Timeline): void {
    const { key } = this.program.nodeAt(place);
    if (differFrom(line, this.#empty.get(place) as Timeline) === never) delete state.truths[key];
    else state.truths[key] = [line.first ? 1 : 0, ...line.flips];
  }

  #emptyTimeline(place: number): Timeline {
    const leaf = this.program.nodeAt(place).node as Leaf;
    if (readsEngagement(leaf) || leaf.kind === 'bucket') return nowhere;
    return leafTimeline(leaf, nobody, '', this.#consentUnknown);
  }

  #retention() {
    const keeps = new Map<string, (events: readonly Kept[], from: number) => Kept[]>();
    for (const name of this.program.wanted.events.keys()) {
      const leaves = this.program
        .concerned(`event ${name}`)
        .map((place) => this.program.nodeAt(place).node as Leaf);
      keeps.set(name, (events, from) => {
        const needed = new Set(events.filter(([at]) => at > from));
        for (const leaf of leaves) markNeeded(leaf, name, events, from, needed);
        return events.filter((event) => needed.has(event));
      });
    }
    return keeps;
  }
}
