/** The wall clock of tasks, as a span between two reads. */
import type { Topology } from '../graph/graph.ts';

/** ms UTC. */
export interface WallClockSpan {
  readonly from: number;
  readonly to: number;
}

/** True if a multiple of `everyMs` is in (from, to]. */
export function passesMultiple({ from, to }: WallClockSpan, everyMs: number): boolean {
  return Math.floor(to / everyMs) > Math.floor(from / everyMs);
}

/** The wall-clock intervals of a topology's steps, ms; empty if no step uses the wall clock. */
export function wallClockIntervals(topology: Topology): readonly number[] {
  const asked = topology.nodes.flatMap((node) =>
    node.type === 'step' && node.step.wallClockMs !== undefined ? [node.step.wallClockMs] : [],
  );
  return [...new Set(asked)];
}
