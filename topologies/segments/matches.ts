/** What a leaf reads: which events, which of their fields, and how far back. */

import { dayMs, hourMs } from '../time-units.ts';
import type { CountNode, Leaf, Match } from './definition.ts';
import type { Kept } from './history.ts';
import { passesAll } from './value-test.ts';

export function matchesOf(leaf: Leaf): readonly Match[] {
  switch (leaf.kind) {
    case 'count':
      return [leaf, ...leaf.since];
    case 'sum':
    case 'avg':
    case 'min':
    case 'max':
    case 'absent':
      return [leaf];
    case 'sequence':
      return [...leaf.steps, ...leaf.notBetween];
    case 'abandoned':
      return [leaf.start, leaf.unless];
    case 'calendar':
      return matchesOf(leaf.of);
    default:
      return [];
  }
}

/** The fields of a matched event that the leaf reads. */
export function pathsOf(leaf: Leaf, match: Match): readonly string[] {
  const paths = match.where.map(({ path }) => path);
  switch (leaf.kind) {
    case 'count':
      if (leaf.distinct !== undefined) paths.push(leaf.distinct);
      break;
    case 'sum':
    case 'avg':
    case 'min':
    case 'max':
      paths.push(leaf.path);
      break;
    case 'sequence':
      for (const { bind } of leaf.steps) if (bind !== undefined) paths.push(bind);
      break;
    case 'abandoned':
      if (leaf.key !== 'subject') paths.push(leaf.key);
      break;
    case 'calendar':
      return pathsOf(leaf.of, match);
    default:
  }
  return paths;
}

/** How long before an instant events still affect it, ms; +Infinity for ever. */
export function reachOf(leaf: Leaf): number {
  switch (leaf.kind) {
    case 'count':
    case 'sum':
    case 'avg':
    case 'min':
    case 'max':
      return leaf.within;
    case 'absent':
      return leaf.for;
    case 'sequence':
      return leaf.within + leaf.for;
    case 'abandoned':
      return leaf.after + leaf.for;
    case 'calendar':
      // Local days have up to 25 hours, and zones differ from UTC by up to 14.
      return (leaf.days + 2) * dayMs + (leaf.days + 14) * hourMs;
    default:
      return 0;
  }
}

/** How many of the newest settled events are enough; +Infinity: all within the reach. */
export function newestOf(leaf: Leaf): number {
  // Settled events do not change: one more than the operand decides every comparison.
  if (leaf.kind === 'count' && leaf.distinct === undefined && leaf.since.length === 0) {
    return leaf.n + 1;
  }
  return leaf.kind === 'absent' ? 1 : Number.POSITIVE_INFINITY;
}

/** Marks the events of a class, settled at `from`, that a leaf still needs. */
export function markNeeded(
  leaf: Leaf,
  name: string,
  events: readonly Kept[],
  from: number,
  needed: Set<Kept>,
): void {
  const after = from - reachOf(leaf);
  for (const match of matchesOf(leaf)) {
    if (!match.event.includes(name)) continue;
    let left = newestOf(leaf);
    for (let i = events.length - 1; i >= 0 && left > 0; i--) {
      const event = events[i] as Kept;
      if (event[0] <= after) break;
      if (!passesAll(event, match.where)) continue;
      needed.add(event);
      if (event[0] <= from) left--;
    }
  }
}

export function isEver(node: CountNode): boolean {
  return node.within === Number.POSITIVE_INFINITY;
}
