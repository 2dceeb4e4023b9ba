/**
 * The interface between the runtime and the threads that run tasks. All values can be sent between
 * threads.
 */
import type { CommitId } from '../base/commit-id.ts';
import type { StoreRow } from '../graph/store-spec.ts';
import type { RecordLimits } from '../log/log.ts';
import type { TaskMemory } from '../state/memory-budget.ts';
import type { Saving } from '../state/saver.ts';
import type { TaskCounters } from './counters.ts';
import type { ErrorPolicy } from './error-policy.ts';
import type { OutputBatch } from './outputs.ts';
import type { RetryTold } from './retries.ts';
import type { RowAnswer, RowQuestion } from './row-answers.ts';
import type { SourceProgress, TaskPromise } from './task-clock.ts';
import type { PassingTime } from './task-options.ts';
import type { TaskTime } from './task-time.ts';
import type { TaskTimings } from './timings.ts';
import type { TracedRecord } from './tracing.ts';

export interface HostConfig {
  readonly application: string;
  readonly stateDirectory: string;
  /** Maximal budget of each task's clean cache, in bytes. */
  readonly cacheBytes: number;
  /** Memory of all tasks of the host, in bytes; default: the process's whole budget for state. */
  readonly memoryBytes?: number;
  /** Approximate number of tasks that share it; default 1. */
  readonly tasks?: number;
  /** When committed state is written to the backend; see state/saver.ts. */
  readonly saving?: Saving;
  /** A task stops processing records when this many bytes wait for its commit. */
  readonly dirtyBytesMax: number;
  readonly onError: ErrorPolicy;
  /** Partitions of every topic the topology writes, by name in the log. */
  readonly partitionsOf: Readonly<Record<string, number>>;
  readonly limits?: RecordLimits;
  /** See TracingOptions; default 1 000. */
  readonly traceEvery?: number | undefined;
}

export interface TaskAssignment {
  readonly taskId: string;
  readonly subTopology: number;
  readonly partition: number;
  /** Next offset of each source topic, by name in the log. */
  readonly positions: readonly TopicOffset[];
  /**
   * Number of cycles for which the task is careful, after a cycle that could not be committed
   * (task.ts).
   */
  readonly careful?: number;
  /** Number of resets of the application; state from before the last one is invalid. */
  readonly resets?: number;
}

export interface TopicOffset {
  readonly topic: string;
  readonly offset: number;
  /** Time of the source, in the format of time/watermark.ts; '' or absent if unknown. */
  readonly time?: string | undefined;
  /** Records from the offset up to here wait for a witness of the first one's time. */
  readonly waitsTo?: number | undefined;
  /** True if the next record is judged by the records after it, which must be read with it. */
  readonly wants?: boolean | undefined;
}

export interface StorePosition {
  readonly store: string;
  /** Next changelog offset to restore. */
  readonly offset: number;
}

/** Why state was wiped. */
export interface Wiped {
  readonly problem: string;
  /** The state is intact, but of another application, task or time before a reset. */
  readonly isForeign: boolean;
}

/** The position of a store when its task is opened. */
export interface OpenedStore extends StorePosition {
  /** Id of the last commit that changed it; 0 before the first. */
  readonly commitId: number;
  /** When the store last read its changelog, ms UTC. */
  readonly readAt: number;
  /** Why the task's state was wiped, if it was; it must be fully restored. */
  readonly wiped?: Wiped;
}

export interface TaskWork extends PassingTime {
  readonly taskId: string;
  readonly commitId: CommitId;
  readonly batches: readonly { readonly topic: string; readonly image: ArrayBuffer }[];
  /** Source topics of which the log has no more records now. */
  readonly caughtUp: readonly string[];
  /** Wall time, ms UTC, if the log limits timestamps by it. */
  readonly now?: number;
  /** Wall time, ms UTC, by which timestamps that lie too far ahead are refused. */
  readonly wall?: number;
}

export interface TaskResult {
  readonly taskId: string;
  readonly outputs: readonly OutputBatch[];
  readonly changelogs: readonly { readonly store: string; readonly image: ArrayBuffer }[];
  /** Next offset to consume of each source topic; records from there on were handed back. */
  readonly positions: readonly TopicOffset[];
  readonly streamTime: number;
  /** Watermark of the task, ms UTC; see time/watermark.ts. */
  readonly watermark: number;
  readonly sourceTimes: readonly SourceProgress[];
  /** Promises to downstream tasks, written after the outputs. */
  readonly promises: readonly TaskPromise[];
  /** A record that waits to be tried again. */
  readonly retry?: RetryTold;
  readonly counters: TaskCounters;
  readonly timings: TaskTimings;
  /** Number of keys looked up in its state, and how many of them were not in memory. */
  readonly lookups: { readonly keys: number; readonly reads: number };
  /** Some of the traced records; absent without tracing. */
  readonly traced?: readonly TracedRecord[];
  /** Current memory of its state. */
  readonly memory: TaskMemory;
}

/** The runtime's interface to a thread that runs tasks; `TaskHost` implements it. */
export interface HostPort {
  open(assignment: TaskAssignment): Promise<readonly OpenedStore[]>;
  /**
   * Applies a changelog batch; returns the id of the last commit that changed the store.
   * @param now wall time, ms UTC
   */
  restore(taskId: string, store: string, image: ArrayBuffer, now: number): Promise<number>;
  reset(taskId: string, store: string): Promise<void>;
  applyGlobal(topic: string, image: ArrayBuffer): Promise<void>;
  process(work: TaskWork): Promise<TaskResult>;
  /**
   * Acknowledges a commit; returns how long that took, ms, without waiting for the thread.
   * @param now wall time, ms UTC
   */
  commit(
    taskId: string,
    commitId: CommitId,
    ends: readonly StorePosition[],
    now: number,
  ): Promise<number>;
  query(taskId: string, store: string, keyText?: string, limit?: number): Promise<StoreRow[]>;
  /** The task's time. */
  timeOf(taskId: string): Promise<TaskTime>;
  /**
   * Committed rows, also while the task works.
   * @throws STATE_AWAY if the task is not on this host
   */
  ask(taskId: string, question: RowQuestion): Promise<RowAnswer>;
  close(taskId: string): Promise<void>;
  closeAll(): Promise<void>;
}
