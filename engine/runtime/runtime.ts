/**
 * The runtime: moves a topology forward in cycles. A cycle reads the next records of every task,
 * lets the tasks process them, commits all that follows in one log transaction, then lets the state
 * follow. What a cycle does depends on committed data alone; so a crash at any point and a restart
 * end in the same bytes, and so does any number of threads.
 */
import { must } from '../base/assert.ts';
import { type Clock, systemClock } from '../base/clock.ts';
import { MillraceError } from '../base/errors.ts';
import { type Observer, silentObserver } from '../base/events.ts';
import { type Scheduler, systemScheduler } from '../base/scheduler.ts';
import type { Topology } from '../graph/graph.ts';
import type { StoreRow } from '../graph/store-spec.ts';
import { changelogTopic } from '../graph/topic-names.ts';
import type { Append, GroupOffset, Log, Writer } from '../log/log.ts';
import type { Member } from '../log/member.ts';
import { PackedBatch } from '../record/batch.ts';
import type { StepHook } from '../task/commit.ts';
import { defaultErrorPolicy, type ErrorPolicy } from '../task/error-policy.ts';
import type { OutputBatch } from '../task/outputs.ts';
import type { HostConfig, HostPort, TaskResult, TaskWork } from '../task/task-host.ts';
import { passesMultiple, type WallClockSpan, wallClockIntervals } from '../task/wall-clock.ts';
import { Assignment, type PartitionLag } from './assignment.ts';
import type { SourceConnector } from './connector.ts';
import { cursorAppend, deploymentCursor, readCursors } from './cursors.ts';
import { deploy } from './deploy.ts';
import { cursorName, cursorWriter, Intake, type Taken } from './intake.ts';
import { encodeLedger } from './ledger.ts';
import { groupPartitions, type Plan, plan } from './plan.ts';
import { reportCycle } from './report.ts';
import { StageClock } from './stages.ts';
import { emptySummary, type Summary } from './summary.ts';
import type { OffsetLost, RunningTask } from './task-opener.ts';

export interface RuntimeOptions {
  readonly topology: Topology;
  /** Names the group, the changelogs and the state. On a shared log, the instances of a name share the work. */
  readonly application: string;
  readonly log: Log;
  readonly stateDirectory: string;
  /** Starts the threads that run the tasks; task i runs on host i mod n. */
  readonly startHosts: (config: HostConfig) => Promise<readonly HostPort[]>;
  readonly sources?: readonly SourceConnector[];
  /** Partitions of topics that do not say; default 4, and between steps as many as come before. */
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
  /** Stores that a topology before had and that may be left behind; their changelogs stay. */
  readonly orphans?: readonly string[];
  /** When the log no longer has what is to be read next; default 'stop'. */
  readonly onOffsetLost?: OffsetLost;
  /**
   * `run` leaves up to so long between the beginnings of two cycles (ms) while it keeps up, so that a commit
   * carries more records; but no longer than twice what the last cycle took, or a quarter of it where that is
   * more, so that records do not wait for an engine that is at leisure. Default 0: at once.
   */
  readonly commitIntervalMs?: number;
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
/** Between two looks at the log when there is nothing to do, ms; a log that can wakes us before. */
const pollMs = 50;
const fiveMinutes = 300_000;
/** Of the time between the beginnings of two cycles, one in so many parts may be work before the full interval is kept. */
const workShare = 2;
/** The least time between them is one in so many parts of the interval. */
const leastShare = 4;
/** Worker failures in a row that are survived, and the pause after the first; it grows by itself. */
const workerRetries = 3;
const workerRetryMs = 100;
/** The longest pause between two attempts to go on after a doubtful commit, ms. */
const doubtRetryMaxMs = 5_000;

interface CycleInput {
  /** Of the cycle from its work to its commit: tasks that open meanwhile may bring a greater one. */
  readonly commitId: number;
  readonly chunks: readonly Taken[];
  readonly results: readonly { task: RunningTask; result: TaskResult }[];
  readonly stages: StageClock;
}

export class Runtime {
  readonly #options: RuntimeOptions;
  readonly #summary: Summary;
  readonly #observer: Observer;
  readonly #clock: Clock;
  readonly #scheduler: Scheduler;
  readonly #pending = new Map<string, unknown>();
  readonly #intake: Intake;
  /** Writers of the sources on a shared log: whoever starts a source there takes it over. */
  readonly #sourceWriters = new Map<SourceConnector, Writer>();
  #writer: Writer | undefined;
  #member: Member | undefined;
  #plan: Plan | undefined;
  #assignment: Assignment | undefined;
  /** The first hosts: they load their code while topics are made and the group is joined. */
  #starting: Promise<readonly HostPort[]> | undefined;
  #commitId = 0;
  #maintainedAt: number;
  /** Wall time up to which steps know the wall clock, ms UTC. */
  #tickedAt: number;
  readonly #wallIntervals: readonly number[];
  /** Worker failures and doubtful commits since the last commit. */
  #failures = 0;
  #lastFailure: unknown;
  /** The last cycle had as many records of a partition as it can do with: there may be more. */
  #backlog = false;
  /** How long was waited before the cycle for the sake of the commit interval, ms. */
  #heldMs = 0;

  private constructor(options: RuntimeOptions) {
    this.#options = options;
    this.#intake = new Intake(options.application, options.sources ?? []);
    this.#summary = emptySummary(options.application, this.#intake.progress);
    this.#observer = options.observer ?? silentObserver;
    this.#clock = options.clock ?? systemClock;
    this.#scheduler = options.scheduler ?? systemScheduler;
    this.#maintainedAt = this.#clock.monotonic();
    this.#tickedAt = this.#clock.now();
    this.#wallIntervals = wallClockIntervals(options.topology);
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

  /** One cycle; false when there was nothing to do, or when the signal broke off a recovery. */
  async cycle(signal?: AbortSignal): Promise<boolean> {
    return (await this.#survive(() => this.#cycle(), signal)) ?? false;
  }

  async #cycle(): Promise<boolean> {
    await this.#running.follow();
    const begin = this.#clock.monotonic();
    const stages = this.#stageClock();
    await this.#options.at?.('C1');
    const chunks = await this.#intake.take(this.#recordsPerCycle);
    const fed = await this.#running.feedGlobals();
    const commitId = this.#nextCommitId;
    const work = await this.#readTopics(commitId);
    if (work.length === 0 && fed === 0 && chunks.every(({ chunk }) => chunk.records === 0)) {
      if (this.#pending.size === 0) return false;
    }
    stages.fetched();
    const results = await this.#process(work);
    await this.#commit({ commitId, chunks, results, stages }, begin);
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

  /** Runs cycles until all sources are done and every topic is read to its end, by whichever member. */
  async runUntilCaughtUp(signal?: AbortSignal): Promise<Summary> {
    await this.#runUntil(() => this.#running.groupCaughtUp(), signal);
    return this.#summary;
  }

  /** Runs cycles until one finds no work and `done` agrees. */
  async #runUntil(done: () => Promise<boolean>, signal?: AbortSignal): Promise<void> {
    while (signal?.aborted !== true) {
      await this.tick(signal);
      if (await this.cycle(signal)) await this.#scheduler.yieldNow();
      else if (await this.#survive(done, signal)) return;
      else await this.#joined.wait(pollMs, signal);
    }
  }

  /** Runs until the signal is aborted. */
  async run(signal: AbortSignal): Promise<Summary> {
    const { idleAfterMs = Number.POSITIVE_INFINITY, commitIntervalMs = 0 } = this.#options;
    let lastWork = this.#clock.monotonic();
    while (!signal.aborted) {
      const begin = this.#clock.monotonic();
      await this.tick(signal);
      if (await this.cycle(signal)) {
        lastWork = this.#clock.monotonic();
        const wait = Math.max(commitIntervalMs / leastShare, workShare * (lastWork - begin));
        const rest = begin + Math.min(commitIntervalMs, wait) - lastWork;
        if (rest > 0 && !this.#backlog) {
          await this.#scheduler.sleep(rest, signal);
          this.#heldMs = this.#clock.monotonic() - lastWork;
        } else await this.#scheduler.yieldNow();
      } else if (this.#clock.monotonic() - lastWork >= idleAfterMs) {
        await this.advanceIdle(this.#clock.now() - idleAfterMs, signal);
        lastWork = this.#clock.monotonic();
      } else await this.#joined.wait(pollMs, signal);
    }
    return this.#summary;
  }

  /**
   * Tells every task that time has passed up to `idleClock` (ms UTC) without records, and runs until
   * all that follows is done, or the signal is aborted. Call when caught up.
   */
  async advanceIdle(idleClock: number, signal?: AbortSignal): Promise<void> {
    await this.#survive(() => this.#advanceIdle(idleClock, signal), signal);
  }

  async #advanceIdle(idleClock: number, signal?: AbortSignal): Promise<void> {
    // Upstream first: what a part writes because time has passed must not come late to the next.
    for (const part of new Set(this.plan.tasks.map((task) => task.subTopology))) {
      // Also the first time: a worker may have died after a part's commit, before the next part read it.
      await this.#runUntil(() => this.#running.caughtUp(), signal);
      if (signal?.aborted) return;
      const begin = this.#clock.monotonic();
      const stages = this.#stageClock();
      const commitId = this.#nextCommitId;
      const work = this.#running.tasks
        .filter(({ planned }) => planned.subTopology === part)
        .map((task) => ({ task, work: this.#work(task, { commitId, idleClock }) }));
      const results = await this.#process(work);
      // Time that has passed already changes nothing; a commit would tell the runs apart.
      if (!results.some(({ result }) => result.outputs.length + result.changelogs.length > 0)) {
        continue;
      }
      await this.#commit({ commitId, chunks: [], results, stages }, begin);
    }
    await this.#runUntil(() => this.#running.caughtUp(), signal);
  }

  /**
   * Tells the steps that look at the wall clock how far it is; between two cycles, when a multiple that
   * one of them asks for has passed since the last time.
   */
  async tick(signal?: AbortSignal): Promise<void> {
    if (this.#wallIntervals.length === 0) return;
    const span = { from: this.#tickedAt, to: this.#clock.now() };
    this.#tickedAt = span.to;
    if (!this.#wallIntervals.some((everyMs) => passesMultiple(span, everyMs))) return;
    await this.#survive(() => this.#tick(span), signal);
  }

  async #tick(wallClock: WallClockSpan): Promise<void> {
    const begin = this.#clock.monotonic();
    const stages = this.#stageClock();
    const commitId = this.#nextCommitId;
    const work = this.#running.tasks.map((task) => ({
      task,
      work: this.#work(task, { commitId, wallClock }),
    }));
    const results = await this.#process(work);
    if (results.some(({ result }) => result.outputs.length + result.changelogs.length > 0)) {
      await this.#commit({ commitId, chunks: [], results, stages }, begin);
    }
  }

  #stageClock(): StageClock {
    const stages = new StageClock(() => this.#clock.monotonic(), this.#heldMs);
    this.#heldMs = 0;
    return stages;
  }

  /** Closes tasks, sources and writers, leaves the group; the log stays open. What was not committed is forgotten. */
  async close(): Promise<void> {
    // Whoever started the hosts stops them, and knows them when they have started.
    await this.#starting?.catch(() => {});
    await this.#intake.close();
    await this.#assignment?.close();
    for (const writer of this.#sourceWriters.values()) await writer.close();
    this.#sourceWriters.clear();
    await this.#writer?.close();
    this.#writer = undefined;
    await this.#member?.leave();
    this.#member = undefined;
    this.#observer.on('runtimeStopped', {
      application: this.#options.application,
      reason: 'closed',
    });
  }

  async #open(): Promise<void> {
    const { application, topology, log, sources = [] } = this.#options;
    this.#observer.on('runtimeStarting', { application });
    const existing = await log.topics();
    const written = sources.flatMap((source) => source.topics);
    const { partitions } = this.#options;
    this.#plan = plan({ application, topology, partitions, existing, written });
    this.#starting = this.#options.startHosts(this.#hostConfig(this.#plan));
    // It is looked at when the tasks are opened; until then a failure must not end the process.
    this.#starting.catch(() => {});
    await log.createTopics(this.#plan.topics);
    const member = await log.join({
      group: application,
      partitions: groupPartitions(this.#plan),
      scheduler: this.#scheduler,
    });
    this.#member = member;
    this.#writer = await log.openWriter(application, member);
    if (!member.sole) {
      for (const source of sources) {
        this.#sourceWriters.set(source, await log.openWriter(cursorWriter(application, source)));
      }
    }
    this.#commitId = this.#writer.lastCommitId;
    const cursors = await readCursors(log, application);
    this.#deploy(cursors.get(deploymentCursor));
    const assignment = this.#assign(this.#plan, member);
    this.#assignment = assignment;
    await assignment.open();
    await this.#openTasks();
    this.#summary.continued = this.#commitId > 0;
    await this.#intake.open(cursors, this.#plan.partitionsOf);
    const { tasks, threads } = assignment;
    this.#observer.on('runtimeStarted', { application, tasks: tasks.length, threads });
  }

  /** Where all partitions are ours at once, the tasks are open when this returns. */
  async #openTasks(): Promise<void> {
    const { running, joined } = { running: this.#running, joined: this.#joined };
    await running.follow();
    if (joined.sole) await running.settled();
    this.#summary.restored = running.restored;
  }

  #hostConfig({ partitionsOf }: Plan): HostConfig {
    const { application, log, stateDirectory, onError } = this.#options;
    const { cacheBytes = 32 * mebibyte, dirtyBytesMax = 32 * mebibyte } = this.#options;
    return {
      application,
      stateDirectory,
      partitionsOf,
      cacheBytes,
      dirtyBytesMax,
      onError: { ...defaultErrorPolicy, ...onError },
      ...(log.limits === undefined ? {} : { limits: log.limits }),
    };
  }

  #assign(plan: Plan, member: Member): Assignment {
    const { log, startHosts } = this.#options;
    const { onOffsetLost = 'stop' } = this.#options;
    return new Assignment({
      log,
      member,
      onOffsetLost,
      at: this.#options.at,
      planned: plan.tasks,
      globals: plan.globals,
      startHosts: (config) => {
        const starting = this.#starting ?? startHosts(config);
        this.#starting = undefined;
        return starting;
      },
      observer: this.#observer,
      clock: this.#clock,
      scheduler: this.#scheduler,
      config: this.#hostConfig(plan),
    });
  }

  #deploy(deployed: unknown): void {
    const { application, topology, orphans = [] } = this.#options;
    const next = deploy(deployed, { application, topology, orphans, plan: this.plan });
    if (JSON.stringify(deployed) !== JSON.stringify(next))
      this.#pending.set(deploymentCursor, next);
  }

  /**
   * Does `work` again after a worker has died, or a commit is in doubt: the tasks go on from the last
   * commit that the log has. A dead worker's process is not ours to trust, so all workers are replaced;
   * that is given up after some failures in a row. The log is waited for without end, but not by a run that
   * is to stop: it leaves the tasks closed and answers undefined; what was not committed is read again.
   */
  async #survive<T>(work: () => Promise<T>, signal?: AbortSignal): Promise<T | undefined> {
    for (;;) {
      try {
        return await work();
      } catch (error) {
        let failure = error;
        while (!(await this.#recovered(failure, signal))) {
          if (signal?.aborted) return undefined;
          failure = this.#lastFailure;
        }
        this.#observer.on('recovered', {});
      }
    }
  }

  /** False when the recovery failed in its turn, or is not wanted any more; throws what cannot be survived. */
  async #recovered(error: unknown, signal?: AbortSignal): Promise<boolean> {
    const { application, log } = this.#options;
    const pause = this.#pauseAfter(error);
    // Also the tasks of workers that live: they hold work which was not committed.
    await this.#running.close();
    await this.#intake.close();
    await this.#scheduler.sleep(pause, signal);
    if (signal?.aborted) return false;
    try {
      await this.#running.open();
      await this.#openTasks();
      await this.#intake.open(await readCursors(log, application), this.plan.partitionsOf);
      return true;
    } catch (next) {
      this.#lastFailure = next;
      return false;
    }
  }

  /** Reports a failure that can be survived and answers how long to wait, ms; throws any other. */
  #pauseAfter(error: unknown): number {
    if (!(error instanceof MillraceError)) throw error;
    const problem = String(error.context['problem']);
    const attempt = this.#failures + 1;
    if (error.code === 'WORKER_FAILED') {
      this.#observer.on('workerLost', { problem, attempt });
      if (attempt > workerRetries) {
        throw new MillraceError('WORKER_FAILED', { attempts: attempt, problem });
      }
    } else if (error.code === 'COMMIT_DOUBTFUL' || error.code === 'LOG_UNREACHABLE') {
      this.#observer.on('commitDoubtful', { problem, attempt });
    } else throw error;
    this.#failures = attempt;
    return Math.min(workerRetryMs * attempt, doubtRetryMaxMs);
  }

  /** The next records of every task that has any. */
  async #readTopics(commitId: number): Promise<{ task: RunningTask; work: TaskWork }[]> {
    const all: { task: RunningTask; work: TaskWork }[] = [];
    const records = this.#recordsPerCycle;
    this.#backlog = false;
    for (const task of this.#running.tasks) {
      const { planned, positions } = task;
      const read: { topic: string; image: ArrayBuffer }[] = [];
      const caughtUp: string[] = [];
      for (const [topic, position] of positions) {
        const at = { topic, partition: planned.partition };
        const limits = { records, once: !task.leaves };
        const { batches, end } = await this.#joined.fetch(at, position, limits);
        task.givenTo = batches.at(-1)?.nextOffset ?? position;
        const waiting = batches.reduce((sum, { count }) => sum + count, 0);
        for (const { image } of batches) read.push({ topic, image });
        if (end) caughtUp.push(topic);
        // What comes without a pause is no backlog: the reader is hardly ever at the very end.
        else this.#backlog ||= waiting >= records / 2;
      }
      // A source of which nothing is known yet is waited for: the task could take nothing.
      const known = new Set([...caughtUp, ...read.map(({ topic }) => topic)]);
      if (read.length === 0 || known.size < positions.size) continue;
      all.push({ task, work: this.#work(task, { commitId, batches: read, caughtUp }) });
    }
    return all;
  }

  #work({ planned }: RunningTask, work: Pick<TaskWork, 'commitId'> & Partial<TaskWork>): TaskWork {
    return {
      taskId: planned.taskId,
      batches: [],
      caughtUp: planned.topics,
      ...work,
      ...(this.#options.log.limits === undefined ? {} : { now: this.#clock.now() }),
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

  async #commit(cycle: CycleInput, begin: number): Promise<void> {
    const { commitId, chunks, results, stages } = cycle;
    const { at } = this.#options;
    const processed = this.#clock.monotonic();
    stages.processed();
    await at?.('C3');
    const ends = await this.#commitToLog(cycle);
    stages.committed();
    this.#pending.clear();
    this.#commitId = commitId;
    this.#failures = 0;
    this.#intake.committed(chunks);
    await at?.('C8');
    await allDone(results.map(({ task, result }) => this.#commitTask(task, result, ends)));
    await at?.('C9');
    reportCycle(this.#summary, this.#observer, {
      commitId,
      chunks,
      results: results.map(({ result }) => result),
      processMs: processed - begin,
      commitMs: this.#clock.monotonic() - processed,
      stages: stages.stages(results),
    });
  }

  /** Answers the end offset of each partition written to, by 'topic/partition'. */
  async #commitToLog({
    commitId,
    chunks,
    results,
    stages,
  }: CycleInput): Promise<ReadonlyMap<string, number>> {
    const { application, at } = this.#options;
    const shared = !this.#joined.sole;
    const appends: Append[] = [];
    for (const { source, chunk } of chunks) {
      const own = shared ? new Map<string, unknown>() : this.#pending;
      if (chunk.records > 0) own.set(cursorName(source), chunk.cursor);
      const outputs = chunk.outputs.map(appendOf);
      if (!shared) appends.push(...outputs);
      else if (own.size > 0) {
        outputs.push(cursorAppend(application, own));
        const writer = must(this.#sourceWriters.get(source), 'a source has a writer');
        await writer.commit({ appends: outputs, offsets: [], commitId });
      }
    }
    appends.push(...this.#resultAppends(results));
    if (this.#pending.size > 0) appends.push(cursorAppend(application, this.#pending));
    const offsets = [
      ...results.flatMap((r) => offsetsOf(r, commitId)),
      ...this.#running.globalOffsets,
    ];
    if (shared && appends.length === 0 && offsets.length === 0) return new Map();
    await at?.('C7');
    const writer = must(this.#writer, 'the runtime is started');
    const { ends } = await writer.commit({ appends, offsets, commitId, at: stages.hook(at) });
    return new Map(ends.map((end) => [`${end.topic}/${end.partition}`, end.offset]));
  }

  /** Task by task outputs and changelogs. */
  #resultAppends(results: CycleInput['results']): Append[] {
    const { application } = this.#options;
    const appends: Append[] = [];
    for (const { task, result } of results) {
      appends.push(...result.outputs.map(appendOf));
      for (const { store, image } of result.changelogs) {
        const topic = changelogTopic(application, store);
        appends.push(appendOf({ topic, partition: task.planned.partition, image }));
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
    const { taskId, partition, sourceOf } = task.planned;
    for (const { topic, offset } of result.positions) {
      task.positions.set(topic, offset);
      // Too much waited for the commit.
      if (offset < task.givenTo) task.leaves = true;
    }
    const ends = result.changelogs.map(({ store }) => ({
      store,
      offset: must(
        endOf.get(`${changelogTopic(application, store)}/${partition}`),
        'a changelog was appended to',
      ),
    }));
    for (const { store } of ends) task.commits.set(store, this.#commitId);
    for (const [store, topic] of sourceOf) {
      ends.push({ store, offset: must(task.positions.get(topic), 'a task reads its sources') });
    }
    return task.host.commit(taskId, this.#commitId, ends, this.#clock.now());
  }

  /** Above every commit of the tasks that run here, also of those that ran elsewhere before. */
  get #nextCommitId(): number {
    let last = this.#commitId;
    for (const { commitId } of this.#running.tasks) if (commitId > last) last = commitId;
    return last + 1;
  }

  get #joined(): Member {
    return must(this.#member, 'the runtime is started');
  }

  get #running(): Assignment {
    return must(this.#assignment, 'the runtime is started');
  }

  get #recordsPerCycle(): number {
    return this.#options.recordsPerCycle ?? 16_384;
  }
}

function appendOf({ topic, partition, image }: OutputBatch): Append {
  return { topic, partition, batch: new PackedBatch(image) };
}

/** The offsets of a task's sources, the first with the ledger entry of the commit. */
function offsetsOf(
  { task, result }: CycleInput['results'][number],
  commitId: number,
): GroupOffset[] {
  const { partition, stores } = task.planned;
  const changed = new Set(result.changelogs.map(({ store }) => store));
  const commits = stores.map((store) =>
    changed.has(store) ? commitId : (task.commits.get(store) ?? 0),
  );
  const metadata = encodeLedger({ commitId, stores: commits }, stores);
  return result.positions.map((position, i) => ({
    ...position,
    partition,
    ...(i === 0 ? { metadata } : {}),
  }));
}

/** Waits for all, also after a failure, so that none goes on behind the caller's back. */
async function allDone<T>(promises: readonly Promise<T>[]): Promise<T[]> {
  await Promise.allSettled(promises);
  return Promise.all(promises);
}
