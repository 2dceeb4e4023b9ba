/** The events behind a change at an instant: those that came then, or left a window then. */
import type { Leaf } from './definition.ts';
import { calendarEnd } from './leaves.ts';
import { matchesOf } from './matches.ts';
import type { Root } from './segment-program.ts';
import type { SegmentLogic } from './subject.ts';
import type { SubjectSegments } from './subject-state.ts';

/** Ids, newest first. */
export function witnessesOf(
  { program }: SegmentLogic,
  { history }: SubjectSegments,
  root: Root,
  at: number,
): string[] {
  const found = new Map<string, number>();
  for (const place of root.leaves) {
    const leaf = program.nodeAt(place).node as Leaf;
    const endsOf = endsAt(leaf);
    for (const { event } of matchesOf(leaf)) {
      for (const [ts, id] of event.flatMap((name) => history.events.get(name) ?? [])) {
        if (ts === at || endsOf(ts).includes(at)) found.set(id, ts);
      }
    }
    const entries = leaf.kind === 'trait' ? (history.traits.get(leaf.path) ?? []) : [];
    for (const [ts, id] of entries) if (ts === at) found.set(id, ts);
  }
  return [...found].sort((a, b) => b[1] - a[1] || (a[0] < b[0] ? -1 : 1)).map(([id]) => id);
}

/** The instants at which an event may turn the leaf after it came. */
function endsAt(leaf: Leaf): (at: number) => readonly number[] {
  switch (leaf.kind) {
    case 'count':
    case 'sum':
    case 'avg':
    case 'min':
    case 'max':
      return (at) => [at + leaf.within];
    case 'absent':
    case 'sequence':
      return (at) => [at + leaf.for];
    case 'abandoned':
      return (at) => [at + leaf.after, at + leaf.after + leaf.for];
    case 'calendar':
      return (at) => [calendarEnd(leaf, at)];
    default:
      return () => [];
  }
}
