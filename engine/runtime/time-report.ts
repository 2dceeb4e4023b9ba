/**
 * The time report of a process: source partitions, tasks, steps, and what holds time back.
 *
 * `runtime.time()` returns it. Each call costs a message to each thread; there is no cost between
 * calls. Over the socket of a data folder, the call `time` returns the same
 * (embed/local-questions.ts), and `millrace describe --live --json` prints it. It is plain JSON:
 * every instant is ms UTC, every duration ms; null means unknown.
 */

import type { EventName, Observer, TelemetryEvents } from '../base/events.ts';
import { keyOf } from '../log/partition-key.ts';
import type { TaskInput, TaskTime } from '../task/task-time.ts';
import type { PartitionLag } from './assignment.ts';
import type { RunningTask } from './task-opener.ts';

export interface TimeReport {
  readonly application: string;
  /** The steady wall clock, ms UTC. */
  readonly at: number;
  /** The greatest source time of all partitions that this process reads. */
  readonly newest: number | null;
  /** Partitions of the author's topics that this process reads. */
  readonly sources: readonly SourceTimeReport[];
  /** Tasks that run here, upstream first. */
  readonly tasks: readonly TaskTimeReport[];
}

/**
 * The state of a source partition's time.
 *   reading    records wait in the log and are read
 *   waits      its next record is further ahead than `maxDrift` allows: slower partitions are read first
 *   witness    its next record jumps further than `maxJump`: another record must confirm it
 *    silent     it is read to its end, and its promise is that of its last record
 *    idle       silent, and its time follows the wall clock (`idleAfter`)
 *    aside      silent, and time no longer waits for it
 */
export type SourceTimeState = 'reading' | 'waits' | 'witness' | 'silent' | 'idle' | 'aside';

export interface SourceTimeReport {
  readonly topic: string;
  readonly partition: number;
  readonly task: string;
  readonly state: SourceTimeState;
  /** Greatest timestamp read from it. */
  readonly sourceTime: number | null;
  /** Its source time minus its disorder, or the promise of the clock while it is idle. */
  readonly stand: number | null;
  /** How far the stand is behind the wall clock. */
  readonly lagMs: number | null;
  /** Records that wait in the log. */
  readonly records: number;
  /** Records whose time the guard has refused since this process started. */
  readonly refused: number;
}

export interface TaskTimeReport {
  readonly task: string;
  /** Number of its part of the topology, as in `describe`. */
  readonly part: number;
  readonly partition: number;
  /** Whether its time follows its sources (watermark) or its records; see docs/TIME.md. */
  readonly by: 'sources' | 'records';
  readonly watermark: number | null;
  /** How far the watermark is behind the wall clock. */
  readonly lagMs: number | null;
  /** How far the watermark is behind the newest source time of this process. */
  readonly behindMs: number | null;
  /** The first of the holders that the watermark waits for; empty if it waits for none. */
  readonly heldBackBy: readonly Holder[];
  readonly steps: readonly StepTimeReport[];
}

/**
 * What holds time back: the source partition, or the task of another process, with the smallest
 * promise.
 */
export type Holder =
  | {
      readonly kind: 'source';
      readonly topic: string;
      readonly partition: number;
      readonly state: SourceTimeState;
      readonly promise: number | null;
    }
  /** A task that runs in another process, or nowhere. */
  | { readonly kind: 'task'; readonly task: string; readonly promise: number | null };

export interface StepTimeReport {
  readonly step: string;
  readonly time: number | null;
  /** How far it is behind the newest source time of this process. */
  readonly behindMs: number | null;
  /** Its next due instant. */
  readonly nextDue: number | null;
}

/** Maximal number of holders that are listed. */
const holdersMost = 8;

interface Known {
  readonly task: RunningTask;
  readonly time: TaskTime;
}

export interface TimeQuestion {
  readonly application: string;
  /** Wall clock, ms UTC. */
  readonly at: number;
  readonly tasks: readonly RunningTask[];
  readonly lags: readonly PartitionLag[];
  readonly refused: RefusedTimes;
}

/** Creates the report; leaves out tasks that close meanwhile. */
export async function timeReport(question: TimeQuestion): Promise<TimeReport> {
  const { application, at, tasks, lags, refused } = question;
  const asked = await Promise.allSettled(
    tasks.map(async (task) => ({ task, time: await task.host.timeOf(task.planned.taskId) })),
  );
  const known = asked.flatMap((one) => (one.status === 'fulfilled' ? [one.value] : []));
  const waiting = new Map(
    lags.map(({ topic, partition, records }) => [keyOf({ topic, partition }), records]),
  );
  const sources = known.flatMap((one) => sourcesOf(one, at, waiting, refused));
  const newest = Math.max(...known.flatMap(({ time }) => time.inputs.map(sourceTimeOf)), none);
  const byTask = new Map(known.map((one) => [one.task.planned.taskId, one]));
  const stateOf = new Map(sources.map((one) => [keyOf(one), one.state]));
  return {
    application,
    at,
    newest: orNull(newest),
    sources,
    tasks: known.map((one) => taskReport(one, { at, newest, byTask, stateOf })),
  };
}

const none = Number.NEGATIVE_INFINITY;

function sourceTimeOf(input: TaskInput): number {
  return input.kind === 'source' ? input.sourceTime : none;
}

function orNull(time: number): number | null {
  return Number.isFinite(time) ? time : null;
}

function since(time: number, until: number): number | null {
  return Number.isFinite(time) && Number.isFinite(until) ? Math.max(0, until - time) : null;
}

function sourcesOf(
  { task, time }: Known,
  at: number,
  waiting: ReadonlyMap<string, number>,
  refused: RefusedTimes,
): SourceTimeReport[] {
  const { taskId, partition } = task.planned;
  return time.inputs.flatMap((input): SourceTimeReport[] => {
    if (input.kind !== 'source') return [];
    const { topic, sourceTime, stand } = input;
    const records = waiting.get(keyOf({ topic, partition })) ?? 0;
    return [
      {
        topic,
        partition,
        task: taskId,
        state: stateOf(task, input, records),
        sourceTime: orNull(sourceTime),
        stand: orNull(stand),
        lagMs: since(stand, at),
        records,
        refused: refused.of(taskId, topic),
      },
    ];
  });
}

function stateOf(
  task: RunningTask,
  { topic, promise, isIdle }: TaskInput & { kind: 'source' },
  records: number,
): SourceTimeState {
  const next = task.sourceTimes.find((one) => one.topic === topic)?.next;
  if (next !== undefined && records > 0) return 'waits';
  if (task.undecided.has(topic) && records > 0) return 'witness';
  if (records > 0) return 'reading';
  if (promise === Number.POSITIVE_INFINITY) return 'aside';
  return isIdle ? 'idle' : 'silent';
}

interface Around {
  readonly at: number;
  readonly newest: number;
  readonly byTask: ReadonlyMap<string, Known>;
  readonly stateOf: ReadonlyMap<string, SourceTimeState>;
}

function taskReport(known: Known, around: Around): TaskTimeReport {
  const { task, time } = known;
  const { taskId, subTopology, partition } = task.planned;
  const { at, newest } = around;
  const holders = new Map<string, Holder>();
  if (time.bySource && time.watermark < newest) findHolders(known, around, holders);
  return {
    task: taskId,
    part: subTopology,
    partition,
    by: time.bySource ? 'sources' : 'records',
    watermark: orNull(time.watermark),
    lagMs: since(time.watermark, at),
    behindMs: since(time.watermark, newest),
    heldBackBy: [...holders.values()].slice(0, holdersMost),
    steps: time.steps.map(({ step, at: stepTime, nextDue }) => ({
      step,
      time: orNull(stepTime),
      behindMs: since(stepTime, newest),
      nextDue: orNull(nextDue),
    })),
  };
}

/**
 * Follows the smallest promises upstream to source partitions and to tasks of other processes.
 * @param level whose inputs count; default: all inputs
 */
function findHolders(
  known: Known,
  around: Around,
  found: Map<string, Holder>,
  level?: number,
): void {
  const { task, time } = known;
  const { partition, time: plan } = task.planned;
  const own = level === undefined ? undefined : plan.levels[level]?.inputs;
  const promises = time.inputs.map((input, i) =>
    own === undefined || own.includes(i) ? promiseOf(input) : Number.POSITIVE_INFINITY,
  );
  const least = Math.min(...promises);
  time.inputs.forEach((input, i) => {
    if (found.size >= holdersMost || (promises[i] as number) > least) return;
    if (own !== undefined && !own.includes(i)) return;
    if (input.kind === 'source') {
      const { topic } = input;
      const state = around.stateOf.get(keyOf({ topic, partition })) ?? 'silent';
      const promise = orNull(input.promise);
      found.set(keyOf({ topic, partition }), { kind: 'source', topic, partition, state, promise });
    } else if (input.kind === 'told') {
      const source = plan.inputs[i];
      const { part, level: writes } = source?.kind === 'told' ? source : { part: 0, level: 0 };
      input.promises.forEach((promise, upstream) => {
        if (promise > least || found.size >= holdersMost) return;
        const taskId = `${part}_${upstream}`;
        const there = around.byTask.get(taskId);
        if (there !== undefined) findHolders(there, around, found, writes);
        else found.set(taskId, { kind: 'task', task: taskId, promise: orNull(promise) });
      });
    }
  });
}

function promiseOf(input: TaskInput): number {
  if (input.kind === 'source') return input.promise;
  return input.kind === 'told' ? Math.min(...input.promises) : Number.POSITIVE_INFINITY;
}

/** Counts the records whose time was refused, by task and topic. */
export class RefusedTimes implements Observer {
  readonly #counts = new Map<string, number>();

  on<N extends EventName>(name: N, event: TelemetryEvents[N]): void {
    if (name !== 'recordsDeadLettered') return;
    const { task, step, stage, count } = event as TelemetryEvents['recordsDeadLettered'];
    if (stage !== 'future') return;
    this.#counts.set(`${task} ${step}`, this.of(task, step) + count);
  }

  of(task: string, topic: string): number {
    return this.#counts.get(`${task} ${topic}`) ?? 0;
  }
}
