/**
 * Why a condition holds or not: each of its parts, the events behind it, and when it may change.
 */
import { turningSet } from './counterfactual.ts';
import type { Leaf } from './definition.ts';
import type { History, Kept, TraitEntry } from './history.ts';
import { matchesOf } from './matches.ts';
import { isLeaf, type Root } from './segment-program.ts';
import type { SegmentLogic } from './subject.ts';
import type { SubjectSegments } from './subject-state.ts';
import { holdsAt, never, nextFlip } from './timeline.ts';
import { toText } from './unparse.ts';

export interface Explanation {
  /**
   * 'and', 'latch' and so on for a condition with parts; the whole condition as JSON for one
   * without.
   */
  readonly condition: string;
  readonly holds: boolean;
  /** The next instant at which it changes without an event, ms UTC; absent for never. */
  readonly changesAt?: number;
  readonly parts: readonly Explanation[];
  /** Its parts are listed earlier: several conditions share it. */
  readonly shared?: true;
  /**
   * Ids of a minimal set of events without which the answer would be the opposite: of the whole,
   * and of each condition without parts. Absent when no removal changes the answer, and for
   * conditions on the score, whose events are not kept one by one.
   */
  readonly witnesses?: readonly string[];
}

/** @param at not before the settled past, ms UTC */
export function explain(
  logic: SegmentLogic,
  state: SubjectSegments,
  subject: string,
  root: Root,
  at: number,
): Explanation {
  const lines = logic.timelines(state);
  const seen = new Set<number>();
  const turnedBy = new Map<number, readonly string[] | undefined>();
  const visit = (place: number): Explanation => {
    const { node, children } = logic.program.nodeAt(place);
    const isShared = children.length > 0 && seen.has(place);
    seen.add(place);
    const line = lines(place);
    const next = nextFlip(line, at);
    const leaf = isLeaf(node) ? node : undefined;
    if (leaf !== undefined && !turnedBy.has(place)) {
      turnedBy.set(place, turning(place, [place], holdsAt(line, at)));
    }
    const because = turnedBy.get(place);
    return {
      condition: leaf === undefined ? titleOf(toText(node), node.kind) : toText(leaf),
      holds: holdsAt(line, at),
      ...(next === never ? {} : { changesAt: next }),
      parts: isShared ? [] : children.map(visit),
      ...(isShared ? { shared: true as const } : {}),
      ...(because === undefined ? {} : { witnesses: because }),
    };
  };
  /** The ids that turn a node with these leaves. */
  const turning = (place: number, leaves: readonly number[], holds: boolean) => {
    if (leaves.some((leaf) => logic.program.scoreLeaves.includes(leaf))) return undefined;
    return turningSet(idsOf(logic, state.history, leaves, at), (removed) => {
      const history = withoutEvents(state.history, removed);
      const without = logic.withHistory(state, subject, history, leaves);
      return holdsAt(logic.timelines(without)(place), at) !== holds;
    });
  };
  const tree = visit(root.node);
  if (tree.parts.length === 0) return tree;
  const witnesses = turning(root.node, root.leaves, tree.holds);
  return witnesses === undefined ? tree : { ...tree, witnesses };
}

function titleOf(text: string, kind: string): string {
  const { for: span, reentryAfter } =
    (JSON.parse(text) as Record<string, Record<string, unknown>>)[kind] ?? {};
  if (span !== undefined) return `${kind} for ${String(span)}`;
  return reentryAfter === undefined ? kind : `${kind} in ${String(reentryAfter)}`;
}

/** Ids of the events that the leaves read up to `at`, newest first. */
function idsOf(
  logic: SegmentLogic,
  history: History,
  leaves: readonly number[],
  at: number,
): string[] {
  const found = new Map<string, number>();
  for (const place of leaves) {
    const leaf = logic.program.nodeAt(place).node as Leaf;
    const names = matchesOf(leaf).flatMap(({ event }) => event);
    const entries: (Kept | TraitEntry)[] = names.flatMap((name) => history.events.get(name) ?? []);
    if (leaf.kind === 'trait') entries.push(...(history.traits.get(leaf.path) ?? []));
    for (const [ts, id] of entries) if (ts <= at) found.set(id, ts);
  }
  return [...found].sort((a, b) => b[1] - a[1] || (a[0] < b[0] ? -1 : 1)).map(([id]) => id);
}

function withoutEvents(history: History, removed: ReadonlySet<string>): History {
  const gone = new Map<string, number>();
  const filtered = <E extends readonly [number, string, ...unknown[]]>(
    all: ReadonlyMap<string, E[]>,
  ) =>
    new Map(
      [...all].map(([name, entries]) => [
        name,
        entries.filter(([at, id]) => {
          if (!removed.has(id)) return true;
          gone.set(id, at);
          return false;
        }),
      ]),
    );
  const events = filtered(history.events);
  const traits = filtered(history.traits);
  const firsts = [...history.firsts];
  for (const at of gone.values()) {
    const i = firsts.indexOf(at);
    if (i >= 0) firsts.splice(i, 1);
  }
  return { ...history, events, traits, firsts };
}
