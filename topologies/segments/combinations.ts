/**
 * Nodes that remember. A number says what such a node was at the last settled instant, so the past
 * before it can be forgotten.
 */
import type { Combination } from './definition.ts';
import {
  flipsUntil,
  holdsAt,
  type Interval,
  intervalsOf,
  lastFlip,
  never,
  type Timeline,
  unionOf,
} from './timeline.ts';

export type Remembering = Extract<
  Combination,
  { readonly kind: 'held' | 'latch' | 'once' | 'cooldown' }
>;

/** What a node remembers of the settled instant; null and undefined for nothing. */
export type Memory = number | null | undefined;

/** @param settled before it only `memory` is known; -Infinity when everything is known */
export function remembering(
  node: Remembering,
  children: readonly Timeline[],
  memory: Memory,
  settled: number,
): Timeline {
  const [child, other] = children as [Timeline, Timeline];
  switch (node.kind) {
    case 'held': {
      const since = memory ?? settled;
      const held = intervalsOf(child, since).map(([a, b]): Interval => [a + node.for, b]);
      return after(unionOf(held), settled);
    }
    case 'latch':
      return latch(child, other, settledBit(node, memory, settled));
    case 'once': {
      const runs = onceRuns(child, node.reentryAfter, memory, settled);
      return after(unionOf(runs.map(([from, to]): Interval => [from, to])), settled);
    }
    case 'cooldown':
      return after(unionOf(cooled(child, node.for, memory, settled)), settled);
  }
}

/** What the node must remember of the instant `from`, ms UTC. */
export function memoryAt(
  node: Remembering,
  own: Timeline,
  children: readonly Timeline[],
  memory: Memory,
  settled: number,
  from: number,
): number | null {
  const [child] = children as [Timeline];
  switch (node.kind) {
    case 'held':
      return holdsAt(child, from) ? (lastFlip(child, from) ?? memory ?? settled) : null;
    case 'latch':
      return holdsAt(own, from) ? 1 : 0;
    case 'once': {
      const runs = onceRuns(child, node.reentryAfter, memory, settled);
      const run = runs.find(([start, end]) => start <= from && from < end);
      if (run === undefined) return null;
      const span = node.reentryAfter ?? never;
      return span === never ? run[0] : run[0] + Math.floor((from - run[0]) / span) * span;
    }
    case 'cooldown': {
      const ends = cooled(child, node.for, memory, settled).map(([, end]) => end);
      return ends.findLast((end) => end <= from) ?? memory ?? null;
    }
  }
}

function settledBit(
  { initial }: { readonly initial: boolean },
  memory: Memory,
  settled: number,
): boolean {
  if (settled === Number.NEGATIVE_INFINITY || typeof memory !== 'number') return initial;
  return memory === 1;
}

/** A timeline whose intervals may begin before the settled instant. */
function after(line: Timeline, settled: number): Timeline {
  if (settled === Number.NEGATIVE_INFINITY) return line;
  const before = flipsUntil(line.flips, settled);
  return { first: holdsAt(line, settled), flips: line.flips.slice(before) };
}

/** True after `enter`, false after `exit`, by the latest of both; at one instant exit wins. */
function latch(enter: Timeline, exit: Timeline, bit: boolean): Timeline {
  const rises = ({ first, flips }: Timeline) => flips.filter((_, i) => (i % 2 === 0) !== first);
  const [entries, exits] = [rises(enter), rises(exit)];
  const flips: number[] = [];
  let truth = bit;
  for (let [i, j] = [0, 0]; i < entries.length || j < exits.length; ) {
    const at = Math.min(entries[i] ?? never, exits[j] ?? never);
    const left = exits[j] === at;
    if (entries[i] === at) i++;
    if (left) j++;
    if (truth === left) {
      truth = !truth;
      flips.push(at);
    }
  }
  return { first: bit, flips };
}

/**
 * True for `span` from each instant at which the child becomes true, and again from there while it
 * stays true.
 */
function onceRuns(child: Timeline, span = never, memory: Memory, settled: number): Interval[] {
  const runs: Interval[] = [];
  let over = Number.NEGATIVE_INFINITY;
  if (typeof memory === 'number') {
    over = memory + span;
    runs.push([memory, over]);
  }
  for (const [from, to] of intervalsOf(child, settled)) {
    const start = Math.max(from, over);
    if (start >= to) continue;
    // The run is renewed span by span while the child is true; without an end it lasts for ever.
    over = to === never || span === never ? never : start + Math.ceil((to - start) / span) * span;
    runs.push([start, over]);
  }
  return runs;
}

/** The intervals of the child, each at least `span` after the end of the one before. */
function cooled(child: Timeline, span: number, memory: Memory, settled: number): Interval[] {
  const kept: Interval[] = [];
  let free = typeof memory === 'number' ? memory + span : Number.NEGATIVE_INFINITY;
  for (const [from, to] of intervalsOf(child, settled)) {
    const start = Math.max(from, free);
    if (start >= to) continue;
    kept.push([start, to]);
    free = to + span;
  }
  return kept;
}
