/** What a task is made of. */
import type { World } from '../base/world.ts';
import type { Topology } from '../graph/graph.ts';
import type { SubTopology } from '../graph/sub-topology.ts';
import type { RecordLimits } from '../log/log.ts';
import type { TaskState } from '../state/task-state.ts';
import type { ErrorPolicy } from './error-policy.ts';
import type { GlobalTables } from './global-tables.ts';
import type { ThreadTime } from './timings.ts';

export interface TaskOptions {
  readonly application: string;
  readonly topology: Topology;
  readonly part: SubTopology;
  readonly partition: number;
  readonly state: TaskState;
  readonly onError: ErrorPolicy;
  /** Stop taking records when this many bytes wait for the commit. */
  readonly dirtyBytesMax: number;
  readonly partitionsOf: Readonly<Record<string, number>>;
  readonly globals: GlobalTables;
  readonly limits?: RecordLimits;
  readonly world: World;
  readonly threadTime: ThreadTime;
  /** Next offset of each source topic, by name in the log. */
  readonly positions: ReadonlyMap<string, number>;
  /** For so many cycles the task is careful; see `Task`. Default 0. */
  readonly careful?: number;
}
