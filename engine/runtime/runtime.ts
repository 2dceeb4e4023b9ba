/**
 * The runtime: moves a topology forward in cycles. A cycle reads the next records of every task,
 * lets the tasks process them, commits all that follows in one log transaction, then lets the state
 * follow. What a cycle does depends on committed data alone; so a crash at any point and a restart
 * end in the same bytes, and so does any number of threads.
 */
import { must } from '../base/assert.ts';
import { type Clock, systemClock } from '../base/clock.ts';
import { MillraceError } from '../base/errors.ts';
import {
  type DropReason,
  type FailureStage,
  type Observer,
  silentObserver,
} from '../base/events.ts';
import { type Scheduler, systemScheduler } from '../base/scheduler.ts';
import { fingerprint } from '../graph/fingerprint.ts';
import type { Topology } from '../graph/graph.ts';
import type { StoreRow } from '../graph/store-spec.ts';
import { changelogTopic, deadLetterTopic } from '../graph/topic-names.ts';
import type { Append, GroupOffset, Log, Writer } from '../log/log.ts';
import { PackedBatch } from '../record/batch.ts';
import type { StepHook } from '../task/commit.ts';
import { addCounters } from '../task/counters.ts';
import { defaultErrorPolicy, type ErrorPolicy } from '../task/error-policy.ts';
import type { HostConfig, HostPort, TaskResult, TaskWork } from '../task/task-host.ts';
import type { SourceChunk, SourceConnector } from './connector.ts';
import { cursorAppend, readCursors, topologyCursor } from './cursors.ts';
import { type Plan, type PlannedTask, plan } from './plan.ts';
import { restoreTask } from './restore.ts';
import { addChunk, emptySummary, type Summary } from './summary.ts';

export interface RuntimeOptions {
  readonly topology: Topology;
  /** Names the group, the changelogs and the state; one running instance a name. */
  readonly application: string;
  readonly log: Log;
  readonly stateDirectory: string;
  /** Starts the threads that run the tasks; task i runs on host i mod n. */
  readonly startHosts: (config: HostConfig) => Promise<readonly HostPort[]>;
  readonly sources?: readonly SourceConnector[];
  /** Partitions of topics that do not say; default 4. */
  readonly partitions?: number;
  /** Records read of a partition in a cycle; default 4096. */
  readonly recordsPerCycle?: number;
  /** A task commits early when this many bytes of state wait; default 32 MiB. */
  readonly dirtyBytesMax?: number;
  /** Clean cache of a task in bytes; default 32 MiB. */
  readonly cacheBytes?: number;
  readonly onError?: Partial<ErrorPolicy>;
  /**
   * When no record has come for so long (ms), `run` lets time pass up to the wall clock less this:
   * windows close and timers fire. For topics whose event times follow the clock. Default: never.
   */
  readonly idleAfterMs?: number;
  readonly observer?: Observer;
  readonly clock?: Clock;
  readonly scheduler?: Scheduler;
  /** Called at every commit step; see task/commit.ts. */
  readonly at?: StepHook;
}

const mebibyte = 1024 * 1024;

interface RunningTask {
  readonly planned: PlannedTask;
  readonly host: HostPort;
  readonly positions: Map<string, number>;
}

interface CycleInput {
  readonly chunks: readonly { source: SourceConnector; chunk: SourceChunk }[];
  readonly results: readonly { task: RunningTask; result: TaskResult }[];
}

export class Runtime {
  readonly #options: RuntimeOptions;
  readonly #summary: Summary;
  readonly #observer: Observer;
  readonly #clock: Clock;
  readonly #scheduler: Scheduler;
  readonly #pending = new Map<string, unknown>();
  readonly #done = new Set<SourceConnector>();
  #writer: Writer | undefined;
  #hosts: readonly HostPort[] = [];
  #tasks: RunningTask[] = [];
  #plan: Plan | undefined;
  #commitId = 0;

  private constructor(options: RuntimeOptions) {
    this.#options = options;
    this.#summary = emptySummary(options.application);
    this.#observer = options.observer ?? silentObserver;
    this.#clock = options.clock ?? systemClock;
    this.#scheduler = options.scheduler ?? systemScheduler;
  }

  /** Opens the writer, creates topics, opens and restores every task. */
  static async start(options: RuntimeOptions): Promise<Runtime> {
    const runtime = new Runtime(options);
    try {
      await runtime.#open();
    } catch (error) {
      await runtime.close();
      throw error;
    }
    return runtime;
  }

  get summary(): Summary {
    return this.#summary;
  }

  get plan(): Plan {
    return must(this.#plan, 'the runtime is started');
  }

  /** One cycle; false when there was nothing to do. */
  async cycle(): Promise<boolean> {
    const begin = this.#clock.monotonic();
    await this.#options.at?.('C1');
    const chunks = await this.#readSources();
    const work = await this.#readTopics();
    if (work.length === 0 && chunks.every(({ chunk }) => chunk.records === 0)) {
      if (this.#pending.size === 0) return false;
    }
    const results = await this.#process(work);
    await this.#commit({ chunks, results }, begin);
    return true;
  }

  /** Runs cycles until all sources are done and every topic is read to its end. */
  async runUntilCaughtUp(signal?: AbortSignal): Promise<Summary> {
    while (signal?.aborted !== true && (await this.cycle())) await this.#scheduler.yieldNow();
    return this.#summary;
  }

  /** Runs until the signal is aborted; looks again every `pollMs` when there is nothing to do. */
  async run(signal: AbortSignal, pollMs = 50): Promise<Summary> {
    const { idleAfterMs = Number.POSITIVE_INFINITY } = this.#options;
    let lastWork = this.#clock.monotonic();
    while (!signal.aborted) {
      if (await this.cycle()) {
        lastWork = this.#clock.monotonic();
        await this.#scheduler.yieldNow();
      } else if (this.#clock.monotonic() - lastWork >= idleAfterMs) {
        await this.advanceIdle(this.#clock.now() - idleAfterMs);
        lastWork = this.#clock.monotonic();
      } else await this.#scheduler.sleep(pollMs, signal);
    }
    return this.#summary;
  }

  /**
   * Tells every task that time has passed up to `idleClock` (ms UTC) without records, and runs until
   * all that follows is done. Call when caught up.
   */
  async advanceIdle(idleClock: number): Promise<void> {
    // Upstream first: what a part writes because time has passed must not come late to the next.
    for (const part of new Set(this.#tasks.map(({ planned }) => planned.subTopology))) {
      const begin = this.#clock.monotonic();
      const work = this.#tasks
        .filter(({ planned }) => planned.subTopology === part)
        .map((task) => ({ task, work: this.#work(task, [], idleClock) }));
      const results = await this.#process(work);
      // Time that has passed already changes nothing; a commit would tell the runs apart.
      if (!results.some(({ result }) => result.outputs.length + result.changelogs.length > 0)) {
        continue;
      }
      await this.#commit({ chunks: [], results }, begin);
      await this.runUntilCaughtUp();
    }
  }

  /** Rows of a store over all partitions, in task order; `keyId` asks for one key. */
  async query(store: string, keyId?: string, limit?: number): Promise<StoreRow[]> {
    const holders = this.#tasks.filter(({ planned }) => planned.stores.includes(store));
    if (holders.length === 0) {
      const stores = [...new Set(this.#tasks.flatMap(({ planned }) => planned.stores))];
      throw new MillraceError('STORE_UNKNOWN', { store, stores: stores.join(', ') });
    }
    const rows: StoreRow[] = [];
    for (const { host, planned } of holders) {
      rows.push(...(await host.query(planned.taskId, store, keyId, limit)));
    }
    return rows;
  }

  /** Closes tasks, sources and the writer; the log stays open. What was not committed is forgotten. */
  async close(): Promise<void> {
    for (const source of this.#options.sources ?? []) await source.close();
    for (const host of this.#hosts) await host.closeAll();
    this.#hosts = [];
    await this.#writer?.close();
    this.#writer = undefined;
    this.#observer.on('runtimeStopped', {
      application: this.#options.application,
      reason: 'closed',
    });
  }

  async #open(): Promise<void> {
    const { application, topology, log, sources = [] } = this.#options;
    this.#writer = await log.openWriter(application);
    this.#commitId = this.#writer.lastCommitId;
    this.#summary.continued = this.#commitId > 0;
    const existing = await log.topics();
    const written = sources.flatMap((source) => source.topics);
    const partitions = this.#options.partitions ?? 4;
    this.#plan = plan({ application, topology, partitions, existing, written });
    await log.createTopics(this.#plan.topics);
    const cursors = await readCursors(log, application);
    this.#checkTopology(cursors.get(topologyCursor));
    await this.#openTasks();
    for (const source of sources) {
      this.#summary.sources.push(newProgress(source.name));
      await source.open({
        cursor: cursors.get(sourceCursor(source)),
        partitionsOf: this.#plan.partitionsOf,
        deadLetterTopic: deadLetterTopic(application),
      });
    }
    const { length: tasks } = this.#tasks;
    this.#observer.on('runtimeStarted', { application, tasks, threads: this.#hosts.length });
  }

  #checkTopology(written: unknown): void {
    const { application, topology, stateDirectory: directory } = this.#options;
    const print = fingerprint(topology);
    if (written === undefined) this.#pending.set(topologyCursor, print);
    else if (written !== print) {
      const problem = `its graph has the fingerprint ${String(written).slice(0, 12)}, this one ${print.slice(0, 12)}`;
      throw new MillraceError('STATE_INCOMPATIBLE', { application, directory, problem });
    }
  }

  async #openTasks(): Promise<void> {
    const { application, log, stateDirectory, onError } = this.#options;
    const { partitionsOf, tasks } = this.plan;
    this.#hosts = await this.#options.startHosts({
      application,
      stateDirectory,
      partitionsOf,
      cacheBytes: this.#options.cacheBytes ?? 32 * mebibyte,
      dirtyBytesMax: this.#options.dirtyBytesMax ?? 32 * mebibyte,
      onError: { ...defaultErrorPolicy, ...onError },
    });
    for (const [i, planned] of tasks.entries()) {
      const begin = this.#clock.monotonic();
      const host = must(this.#hosts[i % this.#hosts.length], 'there is a host');
      const { taskId: task, partition } = planned;
      const positions = new Map<string, number>();
      for (const topic of planned.topics) {
        const at = { topic, partition };
        const committed = await log.committed(application, at);
        positions.set(topic, committed ?? (await log.startOffset(at)));
      }
      const stores = await host.open({
        taskId: task,
        subTopology: planned.subTopology,
        partition,
        positions: [...positions].map(([topic, offset]) => ({ topic, offset })),
      });
      const directory = `${stateDirectory}/${task}`;
      const restoring = { application, log, host, task: planned, positions: stores, directory };
      const restoredRecords = await restoreTask(restoring);
      this.#summary.restored += restoredRecords;
      this.#tasks.push({ planned, host, positions });
      const restoreMs = this.#clock.monotonic() - begin;
      this.#observer.on('taskOpened', { task, restoredRecords, restoreMs });
    }
  }

  async #readSources(): Promise<CycleInput['chunks']> {
    const chunks: { source: SourceConnector; chunk: SourceChunk }[] = [];
    for (const source of this.#options.sources ?? []) {
      if (this.#done.has(source)) continue;
      chunks.push({ source, chunk: await source.next(this.#recordsPerCycle) });
    }
    return chunks;
  }

  /** The next records of every task that has any. */
  async #readTopics(): Promise<{ task: RunningTask; work: TaskWork }[]> {
    const all: { task: RunningTask; work: TaskWork }[] = [];
    const records = this.#recordsPerCycle;
    for (const task of this.#tasks) {
      const batches: { topic: string; image: ArrayBuffer; last: boolean }[] = [];
      for (const [topic, position] of task.positions) {
        const at = { topic, partition: task.planned.partition };
        const batch = await this.#options.log.read(at, position, { records });
        if (batch === undefined) continue;
        const last = batch.nextOffset >= (await this.#options.log.endOffset(at));
        batches.push({ topic, image: batch.image, last });
      }
      if (batches.length > 0) all.push({ task, work: this.#work(task, batches) });
    }
    return all;
  }

  #work(
    task: RunningTask,
    batches: readonly { topic: string; image: ArrayBuffer; last: boolean }[],
    idleClock?: number,
  ): TaskWork {
    const unfinished = new Set(batches.filter(({ last }) => !last).map(({ topic }) => topic));
    const caughtUp = task.planned.topics.filter((topic) => !unfinished.has(topic));
    return {
      taskId: task.planned.taskId,
      commitId: this.#commitId + 1,
      batches,
      caughtUp,
      ...(idleClock === undefined ? {} : { idleClock }),
    };
  }

  async #process(
    all: readonly { task: RunningTask; work: TaskWork }[],
  ): Promise<CycleInput['results']> {
    await this.#options.at?.('C2');
    return Promise.all(
      all.map(async ({ task, work }) => ({ task, result: await task.host.process(work) })),
    );
  }

  async #commit({ chunks, results }: CycleInput, begin: number): Promise<void> {
    const { application, at } = this.#options;
    const processed = this.#clock.monotonic();
    const commitId = this.#commitId + 1;
    await at?.('C3');
    for (const { source, chunk } of chunks) {
      if (chunk.records > 0) this.#pending.set(sourceCursor(source), chunk.cursor);
    }
    const appends = this.#appends({ chunks, results });
    if (this.#pending.size > 0) appends.push(cursorAppend(application, this.#pending));
    const offsets: GroupOffset[] = results.flatMap(({ task, result }) =>
      result.positions.map((p) => ({ ...p, partition: task.planned.partition })),
    );
    await at?.('C7');
    const writer = must(this.#writer, 'the runtime is started');
    const { ends } = await writer.commit({ appends, offsets, commitId });
    this.#pending.clear();
    this.#commitId = commitId;
    for (const { source, chunk } of chunks) if (chunk.done) this.#done.add(source);
    await at?.('C8');
    const endOf = new Map(ends.map((end) => [`${end.topic}/${end.partition}`, end.offset]));
    await Promise.all(results.map(({ task, result }) => this.#commitTask(task, result, endOf)));
    await at?.('C9');
    this.#count({ chunks, results }, processed - begin, this.#clock.monotonic() - processed);
  }

  /** Everything written in a cycle: the sources' records, then task by task outputs and changelogs. */
  #appends({ chunks, results }: CycleInput): Append[] {
    const { application } = this.#options;
    const appends: Append[] = [];
    const add = (topic: string, partition: number, image: ArrayBuffer) =>
      appends.push({ topic, partition, batch: new PackedBatch(image) });
    for (const { chunk } of chunks) {
      for (const { topic, partition, image } of chunk.outputs) add(topic, partition, image);
    }
    for (const { task, result } of results) {
      for (const { topic, partition, image } of result.outputs) add(topic, partition, image);
      for (const { store, image } of result.changelogs) {
        add(changelogTopic(application, store), task.planned.partition, image);
      }
    }
    return appends;
  }

  #commitTask(
    task: RunningTask,
    result: TaskResult,
    endOf: ReadonlyMap<string, number>,
  ): Promise<void> {
    const { application } = this.#options;
    const { taskId, partition } = task.planned;
    for (const { topic, offset } of result.positions) task.positions.set(topic, offset);
    const ends = result.changelogs.map(({ store }) => ({
      store,
      offset: must(
        endOf.get(`${changelogTopic(application, store)}/${partition}`),
        'a changelog was appended to',
      ),
    }));
    return task.host.commit(taskId, this.#commitId, ends);
  }

  #count({ chunks, results }: CycleInput, processMs: number, commitMs: number): void {
    const summary = this.#summary;
    summary.commits++;
    let [recordsIn, recordsOut] = [0, 0];
    for (const { source, chunk } of chunks) {
      const progress = summary.sources.find(({ name }) => name === source.name);
      if (progress !== undefined) addChunk(progress, chunk);
      const { records, bytes } = chunk;
      this.#observer.on('connectorAdvanced', { source: source.name, records, bytes });
    }
    for (const { result } of results) {
      const { counters } = result;
      addCounters(summary.counters, counters);
      summary.streamTime = Math.max(summary.streamTime, result.streamTime);
      recordsIn += counters.in;
      recordsOut += counters.out;
      for (const [place, count] of Object.entries(counters.drops)) {
        const [step, reason] = halves(place);
        this.#observer.on('recordsDropped', { step, reason: reason as DropReason, count });
      }
      for (const [place, count] of Object.entries(counters.failures)) {
        const [step, stage] = halves(place);
        this.#observer.on('recordsDeadLettered', { step, stage: stage as FailureStage, count });
      }
    }
    const { streamTime } = summary;
    const commitId = this.#commitId;
    const cycle = { commitId, recordsIn, recordsOut, processMs, commitMs, streamTime };
    this.#observer.on('cycleCommitted', cycle);
  }

  get #recordsPerCycle(): number {
    return this.#options.recordsPerCycle ?? 4096;
  }
}

/** '<step>|<reason>' -> both; a step's name may hold the mark itself. */
function halves(place: string): [string, string] {
  const at = place.lastIndexOf('|');
  return [place.slice(0, at), place.slice(at + 1)];
}

function sourceCursor(source: SourceConnector): string {
  return `source:${source.name}`;
}

function newProgress(name: string): Summary['sources'][number] {
  const eventTime = Number.NEGATIVE_INFINITY;
  return { name, records: 0, bytes: 0, deadLettered: 0, done: false, eventTime };
}
