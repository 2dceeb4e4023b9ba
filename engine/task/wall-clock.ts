/** The wall clock, as tasks hear of it: from one look at it to the next. */
import type { Topology } from '../graph/graph.ts';

/** ms UTC. */
export interface WallClockSpan {
  readonly from: number;
  readonly to: number;
}

/** True when a multiple of `everyMs` lies in (from, to]. */
export function passesMultiple({ from, to }: WallClockSpan, everyMs: number): boolean {
  return Math.floor(to / everyMs) > Math.floor(from / everyMs);
}

/** The multiples that steps of a topology ask for, ms; empty when none looks at the wall clock. */
export function wallClockIntervals(topology: Topology): readonly number[] {
  const asked = topology.nodes.flatMap((node) =>
    node.type === 'step' && node.step.wallClockMs !== undefined ? [node.step.wallClockMs] : [],
  );
  return [...new Set(asked)];
}
