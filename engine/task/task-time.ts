/** The description of a task's time: its inputs, its watermark and its steps. */
import type { GraphNode } from '../graph/node.ts';
import { streamTimeNumber } from '../graph/store-spec.ts';
import type { SubTopology } from '../graph/sub-topology.ts';
import type { PartTime } from '../graph/time-plan.ts';
import type { TaskState } from '../state/task-state.ts';
import { SourceTime, UpstreamTime, unknown } from '../time/watermark.ts';
import type { SourceQueue } from './source-queue.ts';

/**
 * Times are ms UTC. -Infinity: nothing is known yet. A promise of +Infinity: time no longer waits
 * for the input.
 */
export interface TaskTime {
  /**
   * True if the watermark advances time; otherwise every step follows the records that it has seen.
   */
  readonly bySource: boolean;
  /** If time follows records: the greatest timestamp so far. */
  readonly watermark: number;
  readonly inputs: readonly TaskInput[];
  readonly steps: readonly TimedStepTime[];
}

export type TaskInput =
  /** A partition of one of the author's topics. */
  | {
      readonly kind: 'source';
      readonly topic: string;
      readonly sourceTime: number;
      readonly stand: number;
      readonly promise: number;
      /** True if the wall clock has moved its stand. */
      readonly isIdle: boolean;
    }
  /** A repartition topic: the promise of each upstream task. */
  | { readonly kind: 'told'; readonly topic: string; readonly promises: readonly number[] }
  /** An input that time does not wait for. */
  | { readonly kind: 'free'; readonly topic: string };

export interface TimedStepTime {
  readonly step: string;
  readonly at: number;
  /** The next due instant; +Infinity: none is known. */
  readonly nextDue: number;
}

/** @param plan of the part, in the order of the queues */
export function taskInputs(plan: PartTime, queues: readonly SourceQueue[]): TaskInput[] {
  return queues.map((queue, i): TaskInput => {
    const { topic, time } = queue;
    if (plan.inputs[i]?.kind === 'free') return { kind: 'free', topic };
    if (time instanceof UpstreamTime) return { kind: 'told', topic, promises: time.promises };
    if (queue.isRepartition || !(time instanceof SourceTime)) return { kind: 'free', topic };
    const { greatest, stand, promise, isIdle } = time;
    return { kind: 'source', topic, sourceTime: greatest, stand, promise, isIdle };
  });
}

/** The time of a step that follows its records, as stored with its state, ms UTC. */
export function keptTimeOf(
  step: string,
  { nodes }: { readonly nodes: readonly GraphNode[] },
  part: SubTopology,
  state: TaskState,
): number {
  let time = unknown;
  for (const id of part.nodes) {
    const node = nodes[id];
    if (node?.type !== 'step' || node.step.name !== step) continue;
    for (const store of node.step.stores) {
      time = Math.max(time, state.cells(store).number(streamTimeNumber) ?? unknown);
    }
  }
  return time;
}
