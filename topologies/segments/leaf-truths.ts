/**
 * The kept timelines of the leaves of a subject. A timeline that is as it would be without any
 * event is not kept.
 */
import { type Leaf, readsEngagement } from './definition.ts';
import { type History, noHistory } from './history.ts';
import { leafTimeline } from './leaves.ts';
import type { Program } from './segment-program.ts';
import type { SubjectSegments } from './subject-state.ts';
import { differFrom, forget, never, nowhere, type Timeline } from './timeline.ts';

const noEvents = noHistory();

export class LeafTruths {
  readonly #program: Program;
  readonly #consentUnknown: 'granted' | 'withdrawn';
  /** By place: the timeline without any event. */
  readonly #empty = new Map<number, Timeline>();

  constructor(program: Program, consentUnknown: 'granted' | 'withdrawn') {
    this.#program = program;
    this.#consentUnknown = consentUnknown;
    for (const place of program.leaves) this.#empty.set(place, this.#emptyTimeline(place));
  }

  of(state: SubjectSegments, place: number): Timeline {
    const truth = state.truths[this.#program.nodeAt(place).key];
    if (truth === undefined) return this.#empty.get(place) as Timeline;
    return { first: truth[0] === 1, flips: truth.slice(1) };
  }

  put(state: SubjectSegments, place: number, line: Timeline): void {
    const { key } = this.#program.nodeAt(place);
    if (differFrom(line, this.#empty.get(place) as Timeline) === never) delete state.truths[key];
    else state.truths[key] = [line.first ? 1 : 0, ...line.flips];
  }

  /** The timeline of a leaf by a history; undefined for a leaf that reads the score instead. */
  computed(place: number, history: History, subject: string): Timeline | undefined {
    const leaf = this.#program.nodeAt(place).node as Leaf;
    if (readsEngagement(leaf)) return undefined;
    return forget(leafTimeline(leaf, history, subject, this.#consentUnknown), history.from);
  }

  #emptyTimeline(place: number): Timeline {
    const leaf = this.#program.nodeAt(place).node as Leaf;
    if (readsEngagement(leaf) || leaf.kind === 'bucket') return nowhere;
    return leafTimeline(leaf, noEvents, '', this.#consentUnknown);
  }
}
