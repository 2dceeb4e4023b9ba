/**
 * What the runtime asks of the threads that run tasks, and what it is answered. All of it can be
 * sent between threads.
 */
import type { StoreRow } from '../graph/store-spec.ts';
import type { RecordLimits } from '../log/log.ts';
import type { TaskMemory } from '../state/memory-budget.ts';
import type { Saving } from '../state/saver.ts';
import type { TaskCounters } from './counters.ts';
import type { ErrorPolicy } from './error-policy.ts';
import type { OutputBatch } from './outputs.ts';
import type { RetryTold } from './retries.ts';
import type { RowAnswer, RowQuestion } from './row-answers.ts';
import type { SourceProgress } from './task-clock.ts';
import type { PassingTime } from './task-options.ts';
import type { TaskTime } from './task-time.ts';
import type { TaskTimings } from './timings.ts';
import type { TracedRecord } from './tracing.ts';

export interface HostConfig {
  readonly application: string;
  readonly stateDirectory: string;
  /** Budget of the clean cache of each task, in bytes, at most. */
  readonly cacheBytes: number;
  /** Memory of all tasks of the host, in bytes; default: all that state may have in the process. */
  readonly memoryBytes?: number;
  /** So many tasks share it, about; default 1. */
  readonly tasks?: number;
  /** When committed state is written to the backend; see state/saver.ts. */
  readonly saving?: Saving;
  /** A task stops taking records when this many bytes wait for its commit. */
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
  /** Its last cycle could not be committed: for so many cycles it is careful (task.ts). */
  readonly careful?: number;
  /** How often the application was reset: state of before is another's. */
  readonly resets?: number;
}

export interface TopicOffset {
  readonly topic: string;
  readonly offset: number;
  /**
   * How far the source's time has come, as time/watermark.ts writes it; '' or absent when nothing
   * is known.
   */
  readonly time?: string | undefined;
  /** Records from the offset up to here wait for a witness of the first one's time. */
  readonly waitsTo?: number | undefined;
  /** The next record is judged by those after it, which are to be read with it. */
  readonly wants?: boolean | undefined;
}

export interface StorePosition {
  readonly store: string;
  /** Next changelog offset to restore. */
  readonly offset: number;
}

/** Where a store stands when its task is opened. */
export interface OpenedStore extends StorePosition {
  /** Id of the last commit that changed it; 0 before the first. */
  readonly commitId: number;
  /** When it last read its changelog, ms UTC. */
  readonly readAt: number;
  /** Why the task's state was wiped, when it was: it is to be restored whole. */
  readonly wiped?: string;
}

export interface TaskWork extends PassingTime {
  readonly taskId: string;
  readonly commitId: number;
  readonly batches: readonly { readonly topic: string; readonly image: ArrayBuffer }[];
  /** Source topics of which the log has no more records now. */
  readonly caughtUp: readonly string[];
  /** Wall time, ms UTC, where the log limits timestamps by it. */
  readonly now?: number;
  /** Wall time, ms UTC, by which timestamps that lie too far ahead are refused. */
  readonly wall?: number;
}

export interface TaskResult {
  readonly taskId: string;
  readonly outputs: readonly OutputBatch[];
  readonly changelogs: readonly { readonly store: string; readonly image: ArrayBuffer }[];
  /** Next offset to consume of each source topic; records after it were handed back. */
  readonly positions: readonly TopicOffset[];
  readonly streamTime: number;
  /** How far its time is, ms UTC; see time/watermark.ts. */
  readonly watermark: number;
  readonly sourceTimes: readonly SourceProgress[];
  /**
   * What the task tells those downstream after its outputs: how far it is (ms UTC); NaN: its input
   * has ended.
   */
  readonly promises: readonly number[];
  /** A record that waits to be tried again. */
  readonly retry?: RetryTold;
  readonly counters: TaskCounters;
  readonly timings: TaskTimings;
  /** Keys that were looked for in its state, and those of them that were not in memory. */
  readonly lookups: { readonly keys: number; readonly reads: number };
  /** Records that traces follow, some of them; absent where nobody traces. */
  readonly traced?: readonly TracedRecord[];
  /** What its state takes now. */
  readonly memory: TaskMemory;
}

/** What the runtime asks of the thread that runs tasks; `TaskHost` is the thread's end. */
export interface HostPort {
  open(assignment: TaskAssignment): Promise<readonly OpenedStore[]>;
  /** Answers the id of the last commit that changed the store. @param now wall time, ms UTC */
  restore(taskId: string, store: string, image: ArrayBuffer, now: number): Promise<number>;
  reset(taskId: string, store: string): Promise<void>;
  applyGlobal(topic: string, image: ArrayBuffer): Promise<void>;
  process(work: TaskWork): Promise<TaskResult>;
  /** Answers how long it took, ms, without waiting for the thread. @param now wall time, ms UTC */
  commit(
    taskId: string,
    commitId: number,
    ends: readonly StorePosition[],
    now: number,
  ): Promise<number>;
  query(taskId: string, store: string, keyText?: string, limit?: number): Promise<StoreRow[]>;
  /** How far the task's time is. */
  timeOf(taskId: string): Promise<TaskTime>;
  /**
   * Rows as they are committed, also while the task works.
   * @throws STATE_AWAY when the task is not here
   */
  ask(taskId: string, question: RowQuestion): Promise<RowAnswer>;
  close(taskId: string): Promise<void>;
  closeAll(): Promise<void>;
}
