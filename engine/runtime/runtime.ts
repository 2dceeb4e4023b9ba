/**
 * The runtime: moves a topology forward in cycles. A cycle reads the next records of every task, lets the tasks process
 * them, and commits all that follows in one log transaction. On a log of its own, what a cycle does depends on committed
 * data alone, so a crash at any point and any number of threads end in the same bytes. On a shared log, cycles overlap.
 */
import { must } from '../base/assert.ts';
import { type Clock, systemClock } from '../base/clock.ts';
import { isMillraceError, MillraceError } from '../base/errors.ts';
import { allObservers, type Observer, silentObserver } from '../base/events.ts';
import { type Scheduler, systemScheduler } from '../base/scheduler.ts';
import type { StoreRow } from '../graph/store-spec.ts';
import { readableTable } from '../graph/view.ts';
import type { Writer } from '../log/log.ts';
import type { Member } from '../log/member.ts';
import type { HostPort, TaskWork } from '../task/task-host.ts';
import type { PassingTime } from '../task/task-options.ts';
import { passesMultiple, type WallClockSpan, wallClockIntervals } from '../task/wall-clock.ts';
import { SteadyClock } from '../time/steady-clock.ts';
import { isInstant } from '../time/watermark.ts';
import { Ahead, type GivenWork } from './ahead.ts';
import { Assignment, type PartitionLag } from './assignment.ts';
import { allDone, Committer, type CycleWork } from './committer.ts';
import type { SourceConnector } from './connector.ts';
import { deploymentCursor, readCursors } from './cursors.ts';
import { CycleSize } from './cycle-size.ts';
import { deploy } from './deploy.ts';
import { Failures } from './failures.ts';
import { IdleWatch, stillOpen } from './idle-watch.ts';
import { bringsNews, cursorWriter, Intake } from './intake.ts';
import { LocalTasks } from './local-tasks.ts';
import { MemoryPlan } from './memory-plan.ts';
import { announcer } from './owners.ts';
import { type PauseChange, type Paused, PauseWatch } from './pause.ts';
import { groupPartitions, type Plan, plan } from './plan.ts';
import { Reading } from './reading.ts';
import { resetsIn } from './reset.ts';
import type { RuntimeOptions } from './runtime-options.ts';
import { checkApplicationName, checkRuntimeSettings, settingsIn } from './settings.ts';
import { StageClock } from './stages.ts';
import { StateQuestions } from './state-questions.ts';
import { emptySummary, type Summary } from './summary.ts';
import type { RunningTask } from './task-opener.ts';
import { hasChanges, notePositions, tellRetry } from './task-results.ts';
import { RefusedTimes, type TimeReport, timeReport } from './time-report.ts';

/** Between two looks at the log when there is nothing to do, ms; a log that can wakes us before. */
const pollMs = 50;
const fiveMinutes = 300_000;
/** For so long after a start cursors wait for the first records, to be committed with them, ms. */
const firstWorkMs = 2_000;
/** Of the time between the beginnings of two cycles, one in so many parts may be work before the full interval is kept. */
const workShare = 2;
const leastShare = 4;

export type { RuntimeOptions } from './runtime-options.ts';

export class Runtime {
  readonly #options: RuntimeOptions;
  readonly #summary: Summary;
  readonly #observer: Observer;
  readonly #clock: Clock;
  readonly #scheduler: Scheduler;
  readonly #intake: Intake;
  /** Writers of the sources on a shared log: whoever starts a source there takes it over. */
  readonly #sourceWriters = new Map<SourceConnector, Writer>();
  #member: Member | undefined;
  #plan: Plan | undefined;
  #assignment: Assignment | undefined;
  #committer: Committer | undefined;
  readonly #ahead = new Ahead();
  /** The first hosts: they load their code while topics are made and the group is joined. */
  #starting: Promise<readonly HostPort[]> | undefined;
  /** Until it commits it needs neither topics nor group, so it opens beside them. */
  #writer: Promise<Writer> | undefined;
  #maintainedAt: number;
  /** Wall time up to which steps know the wall clock, ms UTC. */
  #tickedAt: number;
  readonly #wallIntervals: readonly number[];
  /** The wall clock as time goes by it. */
  readonly #wall: SteadyClock;
  readonly #refusedTimes = new RefusedTimes();
  readonly #idle: IdleWatch;
  readonly #reading: Reading;
  readonly #failures: Failures;
  readonly #pause: PauseWatch;
  #lastFailure: unknown;
  readonly #questions = new StateQuestions((work) => this.#survive(work));
  /** Asked while cycles run. */
  readonly tasks: LocalTasks;
  /** The last cycle had as many records of a partition as it can do with: there may be more. */
  #backlog = false;
  #cycleSize: CycleSize;
  #memory: MemoryPlan | undefined;
  #cycledAt = Number.NEGATIVE_INFINITY;
  #expectedUntil = 0;
  #heldMs = 0;

  private constructor(options: RuntimeOptions) {
    this.#options = options;
    this.#observer = allObservers([this.#refusedTimes, options.observer ?? silentObserver]);
    this.#intake = new Intake(options, this.#observer);
    this.#summary = emptySummary(options.application, this.#intake.progress);
    this.#clock = options.clock ?? systemClock;
    this.#scheduler = options.scheduler ?? systemScheduler;
    this.#cycleSize = new CycleSize(options.recordsPerCycle, options.commitIntervalMs ?? 0);
    this.#maintainedAt = this.#clock.monotonic();
    this.#tickedAt = this.#clock.now();
    this.#wall = new SteadyClock(this.#clock);
    this.#idle = new IdleWatch(this.#clock, this.#wall, options.idleAfterMs);
    this.#failures = new Failures(this.#observer, options.onOffsetLost);
    this.#pause = new PauseWatch(options.log, options.application, this.#clock, this.#observer);
    this.#reading = new Reading(this.#idle, options.maxDriftMs, ({ planned, retryAt = 0 }) => {
      return this.#pause.holds(planned) || retryAt > this.#clock.monotonic();
    });
    this.#wallIntervals = wallClockIntervals(options.topology);
    this.tasks = new LocalTasks(options.topology, this.#questions, this, () => {
      return { running: this.#running, committing: this.#committing, joined: this.#joined };
    });
  }

  /** Opens the writer, creates topics, opens and restores every task. */
  static async start(options: RuntimeOptions): Promise<Runtime> {
    checkApplicationName(options.application);
    checkRuntimeSettings('', settingsIn(options));
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

  /** How far time is, in source partitions, tasks and steps, and who holds it back. */
  async time(): Promise<TimeReport> {
    const { application } = this.#options;
    const { tasks } = this.#running;
    const [at, lags, refused] = [this.#wall.now(), await this.lag(), this.#refusedTimes];
    return timeReport({ application, at, tasks, lags, refused });
  }

  /**
   * Rows of a table over all partitions, in task order; `keyId` asks for one key.
   * @param table a store, or a table among the topology's exports
   * @throws STORE_UNKNOWN, and TABLE_NOT_KEPT for a table whose rows cannot be read
   */
  async query(table: string, keyId?: string, limit?: number): Promise<StoreRow[]> {
    const readable = readableTable(this.#options.topology, table);
    return this.#questions.ask(() => this.#running.query(readable, keyId, limit));
  }

  /** What is paused, as this process knows it. */
  get paused(): Paused {
    return this.#pause.paused;
  }

  /**
   * Pauses or resumes reading; it is kept in the log, for this and every other process of the application.
   * @throws CONFIG_INVALID for what there is not
   */
  pause(change: PauseChange): Promise<Paused> {
    const sources = this.#intake.progress.map(({ name }) => name);
    return this.#pause.change(change, this.plan, sources);
  }

  /** One cycle; false when there was nothing to do, or when the signal broke off a recovery. */
  async cycle(signal?: AbortSignal): Promise<boolean> {
    const worked = await this.#advance(signal);
    await this.#settle(signal);
    return worked;
  }

  /** A cycle whose commit may still be under way; false when there was nothing to do, nor to wait for. */
  async #advance(signal?: AbortSignal): Promise<boolean> {
    return (await this.#survive(() => this.#cycle(), signal)) ?? false;
  }

  /** Waits until all work that was begun is committed. */
  async #settle(signal?: AbortSignal): Promise<void> {
    await this.#survive(() => this.#drain(), signal);
  }

  /** After it nothing is uncommitted: what tasks are at of the next cycle becomes one of its own. */
  async #drain(): Promise<void> {
    const { commitId } = this.#ahead;
    if (commitId !== undefined) {
      const stages = this.#stageClock();
      stages.fetched();
      const results = await this.#process(this.#ahead.take(), stages, false);
      await this.#commit({ commitId, chunks: [], results, stages });
    }
    await this.#committing.settled();
  }

  async #cycle(): Promise<boolean> {
    const committer = this.#committing;
    this.#questions.throwDamage();
    if (this.#joined.hasChange()) await this.#drain();
    await this.#running.follow();
    const stages = this.#stageClock();
    await this.#options.at?.('C1');
    await this.#pause.look();
    const chunks = await this.#intake.take(this.#cycleSize.records, this.#pause);
    const fed = this.#pause.paused.all ? 0 : await this.#running.feedGlobals();
    const { commitId, work } = await this.#nextWork();
    if (work.length === 0 && fed === 0 && !chunks.some(({ chunk }) => bringsNews(chunk))) {
      if (committer.isBusy) {
        await committer.settled();
        return true;
      }
      // The slowest has just come to its end: the others go on.
      if (this.#reading.isHeldBack) return true;
      if (committer.cursors.size === 0 || this.#expectsWork) return false;
    }
    stages.fetched();
    const results = await this.#process(work, stages, this.#overlaps);
    await this.#commit({ commitId, chunks, results, stages });
    if (!this.#overlaps) await committer.settled();
    const now = this.#clock.monotonic();
    if (this.#backlog) this.#cycleSize.took(now - this.#cycledAt);
    this.#cycledAt = now;
    await this.#maintain();
    return true;
  }

  /** The first records are about to come, and a commit that carries no more than cursors would be in their way. */
  get #expectsWork(): boolean {
    return this.#running.isOpening && this.#clock.monotonic() < this.#expectedUntil;
  }

  /** Whether the next cycle begins while this one commits. */
  get #overlaps(): boolean {
    return this.#backlog && !this.#joined.sole && this.#intake.progress.length === 0;
  }

  /** When every task stands at the end of its changelogs. */
  async #maintain(): Promise<void> {
    const { log, maintainEveryMs = fiveMinutes } = this.#options;
    if (this.#clock.monotonic() - this.#maintainedAt < maintainEveryMs) return;
    await this.#drain();
    await log.maintain(this.#clock.now());
    this.#maintainedAt = this.#clock.monotonic();
  }

  /** Runs cycles until all sources are done and every topic is read to its end, by whichever member. */
  async runUntilCaughtUp(signal?: AbortSignal): Promise<Summary> {
    const done = () => this.#running.groupCaughtUp();
    await this.#questions.whileCycling(() => this.#runUntil(done, signal));
    if (this.#options.atEnd === 'close') await this.closeInput(signal);
    return this.#summary;
  }

  /**
   * Closes all that is open because the input has ended: windows, sessions, timers, waiting joins, step after step.
   * What is read later goes on as if nothing had been closed. Call when caught up.
   */
  async closeInput(signal?: AbortSignal): Promise<void> {
    this.#reading.isFinal = true;
    for (const task of this.#running.tasks) task.undecided.clear();
    try {
      await this.#survive(() => this.#passPartByPart({ atEnd: true }, signal), signal);
      await this.#runUntil(() => this.#running.groupCaughtUp(), signal);
    } finally {
      this.#reading.isFinal = false;
    }
  }

  /** Runs cycles until one finds no work and `done` agrees. */
  async #runUntil(done: () => Promise<boolean>, signal?: AbortSignal): Promise<void> {
    while (signal?.aborted !== true) {
      await this.tick(signal);
      if (await this.#advance(signal)) await this.#scheduler.yieldNow();
      else if (this.#isIdle && (await this.#survive(done, signal))) return;
      else await this.#news(signal);
    }
    await this.#settle(signal);
  }

  /** Nothing waits for a commit, for the end of a pause or another attempt, and no source may bring more. */
  get #isIdle(): boolean {
    const waits = this.#running.tasks.some(({ retryAt }) => retryAt !== undefined);
    if (this.#pause.isAny || (waits && this.#options.clockStands !== true)) return false;
    return this.#committing.cursors.size === 0 && !this.#intake.expectsMore;
  }

  /** Waits until there may be something to do: records or a change for the member, or a task that was opened. */
  async #news(signal?: AbortSignal): Promise<void> {
    const wait = this.#joined.wait(pollMs, signal);
    await (this.#running.isOpening ? Promise.race([wait, this.#running.nextOpened()]) : wait);
  }

  /** Runs until the signal is aborted. */
  async run(signal: AbortSignal): Promise<Summary> {
    await this.#questions.whileCycling(() => this.#run(signal));
    return this.#summary;
  }

  async #run(signal: AbortSignal): Promise<void> {
    const { commitIntervalMs = 0, atEnd } = this.#options;
    let toClose = atEnd === 'close' && this.#intake.progress.length > 0;
    while (!signal.aborted) {
      const begin = this.#clock.monotonic();
      await this.tick(signal);
      await this.#passIdle(signal);
      if (await this.#advance(signal)) {
        const lastWork = this.#clock.monotonic();
        const wait = Math.max(commitIntervalMs / leastShare, workShare * (lastWork - begin));
        const rest = begin + Math.min(commitIntervalMs, wait) - lastWork;
        if (rest > 0 && !this.#backlog) {
          await this.#scheduler.sleep(rest, signal);
          this.#heldMs = this.#clock.monotonic() - lastWork;
        } else await this.#scheduler.yieldNow();
      } else if (toClose && this.#intake.progress.every(({ done }) => done)) {
        toClose = false;
        await this.closeInput(signal);
      } else await this.#news(signal);
    }
    await this.#settle(signal);
  }

  /**
   * Tells every task that time has passed up to `idleClock` (ms UTC) without records, and runs until
   * all that follows is done, or the signal is aborted. Call when caught up.
   */
  async advanceIdle(idleClock: number, signal?: AbortSignal): Promise<void> {
    if (!isInstant(idleClock)) {
      const problem = `the idle clock is ${String(idleClock)}, not whole ms UTC from 0 to 8.64e15`;
      throw new MillraceError('CONFIG_INVALID', { field: 'idleClock', problem });
    }
    await this.#survive(() => this.#passPartByPart({ idleClock }, signal), signal);
  }

  /** Upstream first: what a part writes because time has passed must not come late to the next. */
  async #passPartByPart(passing: PassingTime, signal?: AbortSignal): Promise<void> {
    for (const part of new Set(this.plan.tasks.map((task) => task.subTopology))) {
      // Also the first time: a worker may have died after a part's commit, before the next part read it.
      await this.#runUntil(() => this.#running.caughtUp(), signal);
      if (signal?.aborted) return;
      const stages = this.#stageClock();
      const commitId = this.#nextCommitId;
      const work = this.#running.tasks
        .filter(({ planned }) => planned.subTopology === part)
        .map((task) => this.#given(task, { commitId, ...passing }));
      await this.#processTime(work, commitId, stages);
    }
    await this.#runUntil(() => this.#running.caughtUp(), signal);
  }

  /** Lets time pass for source partitions that are idle, whatever the others do. */
  async #passIdle(signal: AbortSignal): Promise<void> {
    // What a source brings may be under way to any partition.
    if (this.#intake.isUnderWay) return;
    const due = this.#idle.due(this.#running.tasks);
    if (due.length === 0) return;
    await this.#survive(async () => {
      await this.#drain();
      const [stages, commitId] = [this.#stageClock(), this.#nextCommitId];
      const idle = stillOpen(due, this.#running.tasks);
      const work = idle.map(({ task, idle }) => this.#given(task, { commitId, idle }));
      await this.#processTime(work, commitId, stages);
    }, signal);
  }

  /**
   * Tells the steps that look at the wall clock how far it is; between two cycles, when a multiple that
   * one of them asks for has passed since the last time.
   */
  async tick(signal?: AbortSignal): Promise<void> {
    // The time of a pause is told when it is over.
    if (this.#wallIntervals.length === 0 || this.#pause.paused.all) return;
    const span = { from: this.#tickedAt, to: this.#clock.now() };
    this.#tickedAt = span.to;
    if (!this.#wallIntervals.some((everyMs) => passesMultiple(span, everyMs))) return;
    await this.#survive(() => this.#tick(span), signal);
  }

  async #tick(wallClock: WallClockSpan): Promise<void> {
    await this.#drain();
    const stages = this.#stageClock();
    const commitId = this.#nextCommitId;
    const work = this.#running.tasks.map((task) => this.#given(task, { commitId, wallClock }));
    await this.#processTime(work, commitId, stages);
  }

  /** Work without records, because time has passed. What changes nothing is not committed: that would tell the runs apart. */
  async #processTime(
    work: readonly GivenWork[],
    commitId: number,
    stages: StageClock,
  ): Promise<void> {
    const results = await this.#process(work, stages, false);
    if (!results.some(hasChanges)) return;
    await this.#commit({ commitId, chunks: [], results, stages });
    await this.#committing.settled();
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
    await this.#ahead.forget();
    await this.#committer?.settled().catch(() => {});
    await this.#intake.close();
    await this.#assignment?.close();
    for (const writer of this.#sourceWriters.values()) await writer.close();
    this.#sourceWriters.clear();
    const writer = await this.#writer?.catch(() => undefined);
    await writer?.close();
    this.#writer = undefined;
    await this.#member?.leave();
    this.#member = undefined;
    this.#observer.on('runtimeStopped', {
      application: this.#options.application,
      reason: 'closed',
    });
  }

  async #open(): Promise<void> {
    const { application, log, sources = [] } = this.#options;
    this.#observer.on('runtimeStarting', { application });
    const existing = await log.topics();
    const written = sources.flatMap((source) => source.topics);
    this.#plan = plan({ ...this.#options, existing, written });
    this.#memory = new MemoryPlan(this.#options, this.#plan);
    this.#cycleSize = this.#memory.cycleSize;
    this.#starting = this.#options.startHosts(this.#memory.hostConfig);
    // It is looked at when the tasks are opened; until then a failure must not end the process.
    this.#starting.catch(() => {});
    this.#writer = log.openWriter(application, () => this.#joined);
    this.#writer.catch(() => {});
    const topicsMade = log.createTopics(this.#plan.topics, existing);
    const partitions = groupPartitions(this.#plan);
    const there = new Set(existing.map(({ name }) => name));
    const complete = partitions.every(({ topic }) => there.has(topic));
    const joining = log.join({
      group: application,
      partitions,
      scheduler: this.#scheduler,
      // The group need not wait for changelogs; but a start that is known to fail is not to disturb it.
      ready: () => (complete ? Promise.race([topicsMade, Promise.resolve()]) : topicsMade),
    });
    const [joined, made] = await Promise.allSettled([joining, topicsMade]);
    if (joined.status === 'fulfilled') this.#member = joined.value;
    if (made.status === 'rejected') throw made.reason;
    if (joined.status === 'rejected') throw joined.reason;
    const member = joined.value;
    if (!member.sole) {
      for (const source of sources) {
        this.#sourceWriters.set(source, await log.openWriter(cursorWriter(application, source)));
      }
    }
    this.#committer = this.#commitWith(await this.#writer, member);
    const cursors = await readCursors(log, application);
    await this.#pause.read();
    this.#deploy(cursors.get(deploymentCursor));
    const assignment = this.#assign(this.#plan, member, cursors);
    this.#assignment = assignment;
    await assignment.open();
    await this.#openTasks();
    this.#summary.continued = this.#committing.commitId > 0;
    await this.#intake.open(cursors, this.#plan.partitionsOf);
    this.#expectedUntil = this.#clock.monotonic() + firstWorkMs;
    const { tasks, threads } = assignment;
    const { memoryBytes } = must(this.#memory, 'the runtime is planned');
    this.#observer.on('runtimeStarted', { application, tasks: tasks.length, threads, memoryBytes });
  }

  /** Where all partitions are ours at once, the tasks are open when this returns. */
  async #openTasks(): Promise<void> {
    const running = this.#running;
    await running.follow();
    if (this.#joined.sole) await running.settled();
    this.#summary.restored = running.restored;
  }

  #commitWith(writer: Writer, member: Member): Committer {
    const { application, at } = this.#options;
    return new Committer({
      application,
      writer,
      sourceWriters: member.sole ? undefined : this.#sourceWriters,
      intake: this.#intake,
      summary: this.#summary,
      observer: this.#observer,
      clock: this.#clock,
      at,
    });
  }

  #assign(plan: Plan, member: Member, cursors: ReadonlyMap<string, unknown>): Assignment {
    const { log, startHosts, address, onOffsetLost = 'stop' } = this.#options;
    return new Assignment({
      log,
      member,
      onOffsetLost,
      resets: resetsIn(this.#options.application, cursors),
      onOpened: announcer(member.sole ? undefined : address, cursors, this.#committing.cursors),
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
      config: new MemoryPlan(this.#options, plan).hostConfig,
    });
  }

  #deploy(deployed: unknown): void {
    const { application, topology, orphans = [] } = this.#options;
    const next = deploy(deployed, { application, topology, orphans, plan: this.plan });
    if (JSON.stringify(deployed) !== JSON.stringify(next)) {
      this.#committing.cursors.set(deploymentCursor, next);
    }
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
        // The commit of work before may be under way, and may well be done.
        await this.#committing.settled().catch(() => {});
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
    const careful = isMillraceError(error, 'CYCLE_REPEATED') ? error.context['task'] : undefined;
    const pause = this.#failures.pauseAfter(error, this.#committing.commitId);
    // Also the tasks of workers that live: they hold work which was not committed.
    await this.#ahead.forget();
    if (careful === undefined) await this.#running.close();
    await this.#intake.close();
    if (pause > 0) await this.#scheduler.sleep(pause, signal);
    if (signal?.aborted) return false;
    try {
      if (careful === undefined) await this.#running.open();
      else await this.#running.reopen(String(careful));
      await this.#openTasks();
      // Time that has passed is told again at once, to all of them.
      if (careful !== undefined) await this.#running.settled();
      await this.#intake.open(await readCursors(log, application), this.plan.partitionsOf);
      return true;
    } catch (next) {
      this.#lastFailure = next;
      return false;
    }
  }

  /** What the tasks are to do in the next cycle: the next records of every one that has any. */
  async #nextWork(): Promise<{ commitId: number; work: readonly GivenWork[] }> {
    const commitId = this.#nextCommitId;
    const { commitId: begunId = commitId } = this.#ahead;
    const begun = this.#ahead.given;
    this.#backlog = begun.some(({ isBacklog }) => isBacklog);
    // A task that was opened meanwhile has a greater id, and waits for the cycle after.
    if (begunId !== commitId) return { commitId: begunId, work: this.#ahead.take() };
    this.#reading.begin(this.#running.tasks);
    const work: GivenWork[] = [];
    const busy = new Set(begun.map(({ task }) => task));
    for (const task of this.#running.tasks) {
      if (busy.has(task)) continue;
      const given = await this.#readOf(task, commitId);
      if (given === undefined) continue;
      work.push(given);
      this.#backlog ||= given.isBacklog;
    }
    return { commitId, work: [...this.#ahead.take(), ...work] };
  }

  /** The next records of a task; undefined when there are none, or it could take none. */
  async #readOf(task: RunningTask, commitId: number): Promise<GivenWork | undefined> {
    const read = await this.#reading.next(task, this.#joined, this.#cycleSize);
    if (read === undefined) return undefined;
    const { isBacklog, ...given } = read;
    return this.#given(task, { commitId, ...given }, isBacklog);
  }

  #given(
    task: RunningTask,
    work: Pick<TaskWork, 'commitId'> & Partial<TaskWork>,
    isBacklog = false,
  ): GivenWork {
    return { task, work: this.#work(task, work), isBacklog };
  }

  #work({ planned }: RunningTask, work: Pick<TaskWork, 'commitId'> & Partial<TaskWork>): TaskWork {
    return {
      taskId: planned.taskId,
      batches: [],
      caughtUp: planned.topics,
      ...work,
      ...(this.#reading.isFinal ? { isFinal: true } : {}),
      ...((this.#options.guardByClock ?? this.#options.clock === undefined)
        ? { wall: this.#wall.now() }
        : {}),
      ...(this.#options.log.limits === undefined ? {} : { now: this.#clock.now() }),
    };
  }

  /** @param ahead whether a task that is done may begin the next cycle's work */
  async #process(
    all: readonly GivenWork[],
    stages: StageClock,
    ahead: boolean,
  ): Promise<CycleWork['results']> {
    await this.#options.at?.('C2');
    const results = await allDone(
      all.map(async ({ task, work, isBacklog, result: begun }) => {
        const result = await (begun ?? task.host.process(work));
        notePositions(task, result, this.#clock.monotonic());
        tellRetry(task, result, this.#observer);
        if (ahead && isBacklog) await this.#goAhead(task, work.commitId + 1);
        return { task, result };
      }),
    );
    stages.processed();
    return results;
  }

  /** Gives a task its share of the next cycle, if that may begin. */
  async #goAhead(task: RunningTask, commitId: number): Promise<void> {
    if (this.#joined.hasChange() || this.plan.globals.length > 0) return;
    // A thread that always has work would never hear of a commit.
    if (this.#committing.untold > 1) return;
    const given = await this.#readOf(task, commitId);
    if (given !== undefined) this.#ahead.begin(given);
  }

  /** Begins the commit of a cycle's work, when the one before is done. */
  async #commit(
    work: Pick<CycleWork, 'commitId' | 'chunks' | 'results' | 'stages'>,
  ): Promise<void> {
    const { globalOffsets } = this.#running;
    await this.#committing.turn();
    this.#committing.begin({ ...work, globalOffsets });
  }

  /** Above every commit of the tasks that run here, also of those that ran elsewhere before. */
  get #nextCommitId(): number {
    let last = this.#committing.begunId;
    for (const { commitId } of this.#running.tasks) if (commitId > last) last = commitId;
    return last + 1;
  }

  get #committing(): Committer {
    return must(this.#committer, 'the runtime is started');
  }

  get #joined(): Member {
    return must(this.#member, 'the runtime is started');
  }

  get #running(): Assignment {
    return must(this.#assignment, 'the runtime is started');
  }
}
