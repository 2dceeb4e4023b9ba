/**
 * The runtime: moves a topology forward in cycles. A cycle reads the next records of every task,
 * lets the tasks process them, commits all that follows in one log transaction, then lets the state
 * follow. What a cycle does depends on committed data alone; so a crash at any point and a restart
 * end in the same bytes, and so does any number of threads.
 */
import { must } from '../base/assert.ts';
import { type Clock, systemClock } from '../base/clock.ts';
import { isMillraceError, MillraceError } from '../base/errors.ts';
import { type Observer, silentObserver } from '../base/events.ts';
import { type Scheduler, systemScheduler } from '../base/scheduler.ts';
import { fingerprint } from '../graph/fingerprint.ts';
import type { Topology } from '../graph/graph.ts';
import type { StoreRow } from '../graph/store-spec.ts';
import { changelogTopic } from '../graph/topic-names.ts';
import type { Append, GroupOffset, Log, Writer } from '../log/log.ts';
import { PackedBatch } from '../record/batch.ts';
import type { StepHook } from '../task/commit.ts';
import { defaultErrorPolicy, type ErrorPolicy } from '../task/error-policy.ts';
import type { HostConfig, HostPort, TaskResult, TaskWork } from '../task/task-host.ts';
import { Assignment, type PartitionLag, type RunningTask } from './assignment.ts';
import type { SourceConnector } from './connector.ts';
import { cursorAppend, readCursors, topologyCursor } from './cursors.ts';
import { cursorName, Intake, type Taken } from './intake.ts';
import { type Plan, plan } from './plan.ts';
import { reportCycle } from './report.ts';
import { emptySummary, type Summary } from './summary.ts';

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
  /**
   * Records read of a partition in a cycle, at most; default 16384. Fewer commit sooner while there is
   * a backlog; more cost less a record (bench/README.md).
   */
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
  /** Between two clean-ups of the log (retention, compaction), ms; default five minutes. */
  readonly maintainEveryMs?: number;
  readonly observer?: Observer;
  readonly clock?: Clock;
  readonly scheduler?: Scheduler;
  /** Called at every commit step; see task/commit.ts. */
  readonly at?: StepHook;
}

const mebibyte = 1024 * 1024;
const fiveMinutes = 300_000;
/** Worker failures in a row that are survived, and the pause after the first; it grows by itself. */
const workerRetries = 3;
const workerRetryMs = 100;

interface CycleInput {
  readonly chunks: readonly Taken[];
  readonly results: readonly { task: RunningTask; result: TaskResult }[];
}

export class Runtime {
  readonly #options: RuntimeOptions;
  readonly #summary: Summary;
  readonly #observer: Observer;
  readonly #clock: Clock;
  readonly #scheduler: Scheduler;
  readonly #pending = new Map<string, unknown>();
  readonly #intake: Intake;
  #writer: Writer | undefined;
  #plan: Plan | undefined;
  #assignment: Assignment | undefined;
  #commitId = 0;
  #maintainedAt: number;
  /** Worker failures since the last commit. */
  #failures = 0;

  private constructor(options: RuntimeOptions) {
    this.#options = options;
    this.#intake = new Intake(options.application, options.sources ?? []);
    this.#summary = emptySummary(options.application, this.#intake.progress);
    this.#observer = options.observer ?? silentObserver;
    this.#clock = options.clock ?? systemClock;
    this.#scheduler = options.scheduler ?? systemScheduler;
    this.#maintainedAt = this.#clock.monotonic();
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

  /** Records that wait in the topics the tasks read. */
  lag(): Promise<PartitionLag[]> {
    return this.#running.lag();
  }

  /** Rows of a store over all partitions, in task order; `keyId` asks for one key. */
  query(store: string, keyId?: string, limit?: number): Promise<StoreRow[]> {
    return this.#running.query(store, keyId, limit);
  }

  /** One cycle; false when there was nothing to do. */
  cycle(): Promise<boolean> {
    return this.#survive(() => this.#cycle());
  }

  async #cycle(): Promise<boolean> {
    const begin = this.#clock.monotonic();
    await this.#options.at?.('C1');
    const chunks = await this.#intake.take(this.#recordsPerCycle);
    const fed = await this.#running.feedGlobals();
    const work = await this.#readTopics();
    if (work.length === 0 && fed === 0 && chunks.every(({ chunk }) => chunk.records === 0)) {
      if (this.#pending.size === 0) return false;
    }
    const results = await this.#process(work);
    await this.#commit({ chunks, results }, begin);
    await this.#maintain();
    return true;
  }

  /** Between two cycles, when every task stands at the end of its changelogs. */
  async #maintain(): Promise<void> {
    const { log, maintainEveryMs = fiveMinutes } = this.#options;
    if (this.#clock.monotonic() - this.#maintainedAt < maintainEveryMs) return;
    await log.maintain(this.#clock.now());
    this.#maintainedAt = this.#clock.monotonic();
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
  advanceIdle(idleClock: number): Promise<void> {
    return this.#survive(() => this.#advanceIdle(idleClock));
  }

  async #advanceIdle(idleClock: number): Promise<void> {
    // Upstream first: what a part writes because time has passed must not come late to the next.
    for (const part of new Set(this.plan.tasks.map((task) => task.subTopology))) {
      // Also the first time: a worker may have died after a part's commit, before the next part read it.
      await this.runUntilCaughtUp();
      const begin = this.#clock.monotonic();
      const work = this.#running.tasks
        .filter(({ planned }) => planned.subTopology === part)
        .map((task) => ({ task, work: this.#work(task, [], idleClock) }));
      const results = await this.#process(work);
      // Time that has passed already changes nothing; a commit would tell the runs apart.
      if (!results.some(({ result }) => result.outputs.length + result.changelogs.length > 0)) {
        continue;
      }
      await this.#commit({ chunks: [], results }, begin);
    }
    await this.runUntilCaughtUp();
  }

  /** Closes tasks, sources and the writer; the log stays open. What was not committed is forgotten. */
  async close(): Promise<void> {
    await this.#intake.close();
    await this.#assignment?.close();
    await this.#writer?.close();
    this.#writer = undefined;
    this.#observer.on('runtimeStopped', {
      application: this.#options.application,
      reason: 'closed',
    });
  }

  async #open(): Promise<void> {
    const { application, topology, log, sources = [] } = this.#options;
    this.#observer.on('runtimeStarting', { application });
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
    const assignment = this.#assign(this.#plan);
    this.#assignment = assignment;
    await assignment.open();
    this.#summary.restored = assignment.restored;
    await this.#intake.open(cursors, this.#plan.partitionsOf);
    const { tasks, threads } = assignment;
    this.#observer.on('runtimeStarted', { application, tasks: tasks.length, threads });
  }

  #assign({ partitionsOf, tasks, globals }: Plan): Assignment {
    const { application, log, stateDirectory, startHosts, onError } = this.#options;
    const { cacheBytes = 32 * mebibyte, dirtyBytesMax = 32 * mebibyte } = this.#options;
    return new Assignment({
      log,
      planned: tasks,
      globals,
      startHosts,
      observer: this.#observer,
      clock: this.#clock,
      config: {
        application,
        stateDirectory,
        partitionsOf,
        cacheBytes,
        dirtyBytesMax,
        onError: { ...defaultErrorPolicy, ...onError },
      },
    });
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

  /**
   * Does `work` again after a worker has died: its process is not ours to trust, so all workers are
   * replaced and every task goes on from the last commit. Gives up after some failures in a row.
   */
  async #survive<T>(work: () => Promise<T>): Promise<T> {
    for (;;) {
      try {
        return await work();
      } catch (error) {
        if (!isMillraceError(error, 'WORKER_FAILED')) throw error;
        await this.#recover(String(error.context['problem']));
      }
    }
  }

  async #recover(problem: string): Promise<void> {
    const { application, log } = this.#options;
    for (;;) {
      this.#failures++;
      this.#observer.on('workerLost', { problem, attempt: this.#failures });
      if (this.#failures > workerRetries) {
        throw new MillraceError('WORKER_FAILED', { attempts: this.#failures, problem });
      }
      // Also the tasks of workers that live: they hold work which was not committed.
      await this.#running.close();
      await this.#intake.close();
      await this.#scheduler.sleep(workerRetryMs * this.#failures);
      try {
        await this.#running.open();
        this.#summary.restored = this.#running.restored;
        await this.#intake.open(await readCursors(log, application), this.plan.partitionsOf);
        return;
      } catch (error) {
        if (!isMillraceError(error, 'WORKER_FAILED')) throw error;
        problem = String(error.context['problem']);
      }
    }
  }

  /** The next records of every task that has any. */
  async #readTopics(): Promise<{ task: RunningTask; work: TaskWork }[]> {
    const all: { task: RunningTask; work: TaskWork }[] = [];
    const records = this.#recordsPerCycle;
    for (const task of this.#running.tasks) {
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
    return allDone(
      all.map(async ({ task, work }) => ({ task, result: await task.host.process(work) })),
    );
  }

  async #commit({ chunks, results }: CycleInput, begin: number): Promise<void> {
    const { application, at } = this.#options;
    const processed = this.#clock.monotonic();
    const commitId = this.#commitId + 1;
    await at?.('C3');
    for (const { source, chunk } of chunks) {
      if (chunk.records > 0) this.#pending.set(cursorName(source), chunk.cursor);
    }
    const appends = this.#appends({ chunks, results });
    if (this.#pending.size > 0) appends.push(cursorAppend(application, this.#pending));
    const offsets: GroupOffset[] = results.flatMap(({ task, result }) =>
      result.positions.map((p) => ({ ...p, partition: task.planned.partition })),
    );
    offsets.push(...this.#running.globalOffsets);
    await at?.('C7');
    const writer = must(this.#writer, 'the runtime is started');
    const { ends } = await writer.commit({ appends, offsets, commitId });
    this.#pending.clear();
    this.#commitId = commitId;
    this.#failures = 0;
    this.#intake.committed(chunks);
    await at?.('C8');
    const endOf = new Map(ends.map((end) => [`${end.topic}/${end.partition}`, end.offset]));
    await allDone(results.map(({ task, result }) => this.#commitTask(task, result, endOf)));
    await at?.('C9');
    reportCycle(this.#summary, this.#observer, {
      commitId,
      chunks,
      results: results.map(({ result }) => result),
      processMs: processed - begin,
      commitMs: this.#clock.monotonic() - processed,
    });
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

  get #running(): Assignment {
    return must(this.#assignment, 'the runtime is started');
  }

  get #recordsPerCycle(): number {
    return this.#options.recordsPerCycle ?? 16_384;
  }
}

/** Waits for all, also after a failure, so that none goes on behind the caller's back. */
async function allDone<T>(promises: readonly Promise<T>[]): Promise<T[]> {
  await Promise.allSettled(promises);
  return Promise.all(promises);
}
