/** Timelines of the nodes of a program: leaves as kept, the others computed from those below. */
import { remembering } from './combinations.ts';
import { firstSeen } from './history.ts';
import type { LeafTruths } from './leaf-truths.ts';
import { isLeaf, type Program, remembers } from './segment-program.ts';
import type { SubjectSegments } from './subject-state.ts';
import { clip, combine, never, not, nowhere, type Timeline } from './timeline.ts';

/** Answers the timeline of a node by its place; each is computed once, when it is first read. */
export function nodeTimelines(
  program: Program,
  truths: LeafTruths,
  state: SubjectSegments,
): (place: number) => Timeline {
  const settled = state.history.from;
  const start = settled === Number.NEGATIVE_INFINITY ? firstSeen(state.history) : settled;
  const known = new Map<number, Timeline>();
  const clipped = (line: Timeline) =>
    settled === Number.NEGATIVE_INFINITY ? (start === never ? nowhere : clip(line, start)) : line;
  const compute = (place: number): Timeline => {
    const { key, node, children } = program.nodeAt(place);
    if (isLeaf(node)) return truths.of(state, place);
    const below = children.map((child) => known.get(child) as Timeline);
    if (node.kind === 'not') return not(below[0] as Timeline);
    if (remembers(node)) return remembering(node, below, state.memory[key], settled);
    return combine(below, node.kind === 'and');
  };
  // An explicit stack: segments that refer to each other may form a chain of any length.
  return (wanted) => {
    const left = [wanted];
    for (let place = left.at(-1); place !== undefined; place = left.at(-1)) {
      const depth = left.length;
      if (!known.has(place)) {
        for (const child of program.nodeAt(place).children) {
          if (!known.has(child)) left.push(child);
        }
        if (left.length > depth) continue;
        known.set(place, clipped(compute(place)));
      }
      left.pop();
    }
    return known.get(wanted) as Timeline;
  };
}
