/** The options of a task, and the time that passes for it without records. */
import type { World } from '../base/world.ts';
import type { Topology } from '../graph/graph.ts';
import type { SubTopology } from '../graph/sub-topology.ts';
import type { PartTime } from '../graph/time-plan.ts';
import type { RecordLimits } from '../log/log.ts';
import type { TaskState } from '../state/task-state.ts';
import type { ChainTask, Ways } from './chain-task.ts';
import type { ErrorPolicy } from './error-policy.ts';
import type { GlobalTables } from './global-tables.ts';
import type { Pauses } from './pauses.ts';
import type { Retries } from './retries.ts';
import type { ThreadTime } from './timings.ts';
import type { WallClockSpan } from './wall-clock.ts';

export interface TaskOptions {
  readonly application: string;
  readonly topology: Topology;
  readonly part: SubTopology;
  readonly partition: number;
  readonly state: TaskState;
  readonly onError: ErrorPolicy;
  readonly retries: Retries;
  /** Stop processing records when this many bytes wait for the commit. */
  readonly dirtyBytesMax: number;
  readonly partitionsOf: Readonly<Record<string, number>>;
  readonly globals: GlobalTables;
  readonly limits?: RecordLimits;
  readonly world: World;
  readonly threadTime: ThreadTime;
  readonly pauses: Pauses;
  /** Traces its records, if tracing is on. */
  readonly trace?: ((task: ChainTask) => Ways) | undefined;
  /** Next offset of each source topic, by name in the log. */
  readonly positions: ReadonlyMap<string, number>;
  /** Number of cycles for which the task is careful; see `Task`. Default 0. */
  readonly careful?: number;
  readonly time: PartTime;
  /** Number of tasks that write each source topic with promises, by the topic's logical name. */
  readonly upstreamTasks: ReadonlyMap<string, number>;
  /** Each source's time at the last commit, as stored text, by name in the log. */
  readonly times: ReadonlyMap<string, string>;
}

/** Time that passes without records, from the runtime. */
export interface PassingTime {
  /** Every source has passed this instant, ms UTC. */
  readonly idleClock?: number | undefined;
  /** Only for steps of this round (graph/time-levels.ts); default: all. */
  readonly round?: number | undefined;
  /** Idle source topics: the promise of each, ms UTC; null: time no longer waits for it. */
  readonly idle?: readonly { readonly topic: string; readonly until: number | null }[] | undefined;
  readonly wallClock?: WallClockSpan | undefined;
  /** The author's topics have ended: everything open closes. */
  readonly atEnd?: boolean | undefined;
  /** No more records will come: a record that waits for a witness of its time is refused. */
  readonly isFinal?: boolean | undefined;
  /** Records of the author's topics are processed up to this time, ms UTC; default all. */
  readonly readTo?: number | undefined;
}
