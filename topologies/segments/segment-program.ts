/**
 * All segments compiled to one graph. A condition that several segments share is one node,
 * identified by the hash of its meaning. Maps give the leaves that an event or a trait concerns, so
 * nothing is searched.
 */
import { MillraceError } from 'millrace';
import { hashOf } from './canonical.ts';
import { wholeCondition } from './check-segments.ts';
import type { Remembering } from './combinations.ts';
import {
  childrenOf,
  type Expression,
  type Leaf,
  readsEngagement,
  type SegmentDefinition,
} from './definition.ts';
import type { DerivedField, Wanted } from './history.ts';
import { matchesOf, pathsOf } from './matches.ts';

export interface ProgramNode {
  /** Hash of the meaning; that of the segments it refers to is part of it. */
  readonly key: string;
  readonly node: Expression;
  /** Places in `Program.nodes`, all before its own. */
  readonly children: readonly number[];
}

/** What a node and those below it are; places are ascending. */
interface Below {
  readonly leaves: readonly number[];
  /** Whether a node changes by itself at instants at which no leaf does. */
  readonly remembers: boolean;
  /** Nodes whose truth time alone changes. */
  readonly changing: readonly number[];
  readonly readsScore: boolean;
}

export interface Root extends Below {
  readonly segment: SegmentDefinition;
  readonly node: number;
}

const keyLetters = 8;

export class Program {
  readonly nodes: ProgramNode[] = [];
  readonly roots: readonly Root[];
  /** By segment id: the place in `roots`. */
  readonly rootPlaces: ReadonlyMap<string, number>;
  /** By place of a leaf: the places of the roots that read it. */
  readonly readers: ReadonlyMap<number, readonly number[]>;
  readonly leaves: readonly number[];
  /** Leaves that read score or band, and leaves that depend on the subject's name only. */
  readonly scoreLeaves: readonly number[];
  readonly bucketLeaves: readonly number[];
  readonly wanted: Wanted;
  readonly placeOf = new Map<string, number>();
  readonly #concerned = new Map<string, number[]>();
  readonly #belows: Below[] = [];

  constructor(segments: readonly SegmentDefinition[], derived?: DerivedField) {
    const rootOf = new Map<string, number>();
    this.roots = segments.map((segment) => {
      const node = this.#place(wholeCondition(segment), rootOf);
      rootOf.set(segment.id, node);
      return { segment, node, ...this.#below(node) };
    });
    this.rootPlaces = new Map(this.roots.map(({ segment }, i) => [segment.id, i]));
    const readers = new Map<number, number[]>();
    for (const [i, { leaves }] of this.roots.entries()) {
      for (const leaf of leaves) {
        const known = readers.get(leaf);
        if (known === undefined) readers.set(leaf, [i]);
        else known.push(i);
      }
    }
    this.readers = readers;
    this.leaves = [...readers.keys()].sort((a, b) => a - b);
    const of = (...kinds: string[]) =>
      this.leaves.filter((place) => kinds.includes(this.nodeAt(place).node.kind));
    this.scoreLeaves = of('score', 'band', 'openSignal');
    this.bucketLeaves = of('bucket');
    this.wanted = { ...this.#index(), derived };
  }

  nodeAt(place: number): ProgramNode {
    return this.nodes[place] as ProgramNode;
  }

  /**
   * Leaves that a change concerns: `event CLASS`, `trait NAME`, `consent PURPOSE` or `firstSeen`.
   */
  concerned(change: string): readonly number[] {
    return this.#concerned.get(change) ?? [];
  }

  /** Adds a node after its children; nodes of one meaning share a place. */
  #place(node: Expression, rootOf: ReadonlyMap<string, number>): number {
    if (node.kind === 'inSegment') return rootOf.get(node.id) as number;
    const children = childrenOf(node).map((child) => this.#place(child, rootOf));
    const { child, enter, exit, children: _, ...own } = node as Record<string, unknown>;
    const below = children.map((place) => this.nodeAt(place).key);
    // The order of the parts of `and` and `or` has no meaning.
    const parts = node.kind === 'and' || node.kind === 'or' ? [...new Set(below)].sort() : below;
    const meaning = children.length === 0 ? node : { ...own, parts };
    const key = hashOf(meaning).slice(0, keyLetters);
    const known = this.placeOf.get(key);
    if (known !== undefined) return known;
    this.nodes.push({ key, node, children });
    this.placeOf.set(key, this.nodes.length - 1);
    return this.nodes.length - 1;
  }

  /** Computed from what is below the children, which come first; no node is visited twice. */
  #below(place: number): Below {
    for (let i = this.#belows.length; i <= place; i++) {
      const { node, children } = this.nodeAt(i);
      const below = children.map((child) => this.#belows[child] as Below);
      this.#belows.push({
        leaves: isLeaf(node) ? [i] : unionOf(below.map(({ leaves }) => leaves)),
        remembers: remembers(node) || below.some((one) => one.remembers),
        changing: unionOf([
          changesByItself(node) ? [i] : [],
          ...below.map(({ changing }) => changing),
        ]),
        readsScore: readsEngagement(node) || below.some((one) => one.readsScore),
      });
    }
    return this.#belows[place] as Below;
  }

  #index(): Wanted {
    const events = new Map<string, Set<string>>();
    const traits = new Set<string>();
    const purposes = new Set<string>();
    const concerns = (change: string, place: number) => {
      const known = this.#concerned.get(change);
      if (known === undefined) this.#concerned.set(change, [place]);
      // Places are ascending: a duplicate can only be the last one.
      else if (known.at(-1) !== place) known.push(place);
    };
    for (const place of this.leaves) {
      const leaf = this.nodeAt(place).node as Leaf;
      if (leaf.kind === 'trait') {
        traits.add(leaf.path);
        concerns(`trait ${leaf.path}`, place);
      }
      if (leaf.kind === 'consent') {
        purposes.add(leaf.purpose);
        concerns(`consent ${leaf.purpose}`, place);
      }
      if (leaf.kind === 'absent' && leaf.knownSince === 'firstSeen') concerns('firstSeen', place);
      for (const match of matchesOf(leaf)) {
        for (const name of match.event) {
          concerns(`event ${name}`, place);
          const paths = events.get(name) ?? new Set();
          events.set(name, paths);
          for (const path of pathsOf(leaf, match)) paths.add(path);
        }
      }
    }
    const paths = [...events].map(([name, all]) => [name, [...all].sort()] as const);
    return { events: new Map(paths), traits, purposes };
  }
}

export function isLeaf(node: Expression): node is Leaf {
  return childrenOf(node).length === 0 && node.kind !== 'inSegment';
}

export function remembers(node: Expression): node is Remembering {
  return ['held', 'latch', 'once', 'cooldown'].includes(node.kind);
}

/** Whether time alone changes the truth of a node. */
function changesByItself(node: Expression): boolean {
  if (remembers(node)) return node.kind !== 'latch';
  if (!isLeaf(node) || node.kind === 'bucket') return false;
  if (node.kind === 'trait') return node.op === 'withinLast' || node.op === 'withinNext';
  return node.kind !== 'count' || Number.isFinite(node.within);
}

/** If one list contains all others, it is shared instead of copied. */
function unionOf(lists: readonly (readonly number[])[]): readonly number[] {
  const longest = lists.reduce((a, b) => (b.length > a.length ? b : a), []);
  const all = new Set(longest);
  for (const list of lists) if (list !== longest) for (const one of list) all.add(one);
  return all.size === longest.length ? longest : [...all].sort((a, b) => a - b);
}

/** @throws CONFIG_INVALID for an unknown segment */
export function rootOf({ roots, rootPlaces }: Program, id: string): Root {
  const root = roots[rootPlaces.get(id) ?? -1];
  if (root !== undefined) return root;
  const problem = `there is none; there are ${roots.map(({ segment }) => segment.id).join(', ')}`;
  throw new MillraceError('CONFIG_INVALID', { field: `segment ${id}`, problem });
}
