/**
 * The runtime: runs a topology in cycles (cycles.ts) and advances its time. It is open from `start`
 * to `close`; its open resources are its session.
 */
import { MillraceError } from '../base/errors.ts';
import type { StoreRow } from '../graph/store-spec.ts';
import { readableTable } from '../graph/view.ts';
import { isInstant } from '../time/watermark.ts';
import type { PartitionLag } from './assignment.ts';
import { readCursors } from './cursors.ts';
import { Cycles } from './cycles.ts';
import { LocalTasks } from './local-tasks.ts';
import type { PauseChange, Paused } from './pause.ts';
import { Recovery } from './recovery.ts';
import { checkApplicationName, checkRuntimeSettings, settingsIn } from './run-settings.ts';
import type { RuntimeOptions } from './runtime-options.ts';
import { type RuntimeParts, runtimeParts } from './runtime-parts.ts';
import { Session } from './session.ts';
import type { Plan } from './start-plan.ts';
import { StateQuestions } from './state-questions.ts';
import type { Summary } from './summary.ts';
import { TimePassing } from './time-passing.ts';
import { type TimeReport, timeReport } from './time-report.ts';

/**
 * Interval between polls of the log when there is nothing to do, ms; a log may wake the runtime
 * earlier.
 */
const pollMs = 50;
/**
 * The runtime waits at least `workShare` times the last cycle's duration between starts of cycles,
 * capped by the commit interval.
 */
const workShare = 2;
const leastShare = 4;

export type { RuntimeOptions } from './runtime-options.ts';

export class Runtime {
  /** The tasks, for queries while cycles run. */
  readonly tasks: LocalTasks;
  readonly #parts: RuntimeParts;
  readonly #session: Session;
  readonly #cycles: Cycles;
  readonly #recovery: Recovery;
  readonly #questions: StateQuestions;
  readonly #passing: TimePassing;

  private constructor(parts: RuntimeParts, session: Session, tickedAt: number) {
    const { topology } = parts.options;
    this.#parts = parts;
    this.#session = session;
    this.#questions = new StateQuestions((work) => this.#recovery.survive(work));
    this.#cycles = new Cycles(parts, session, this.#questions);
    this.#recovery = new Recovery(parts, session, this.#cycles);
    const runUntilCaughtUp = (stop?: AbortSignal) =>
      this.#runUntil(() => session.assignment.caughtUp(), stop);
    const working = { cycles: this.#cycles, recovery: this.#recovery, runUntilCaughtUp };
    this.#passing = new TimePassing(parts, session, working, tickedAt);
    this.tasks = new LocalTasks(topology, this.#questions, session, parts.summary);
  }

  /** Opens the writer, creates topics, opens and restores every task. */
  static async start(options: RuntimeOptions): Promise<Runtime> {
    checkApplicationName(options.application);
    checkRuntimeSettings('', settingsIn(options));
    const parts = runtimeParts(options);
    const { observer, summary, intake, clock } = parts;
    const { application, log } = options;
    // Time that passes while the session opens counts for the steps as well.
    const tickedAt = clock.now();
    observer.on('runtimeStarting', { application });
    try {
      const session = await Session.open(parts);
      const runtime = new Runtime(parts, session, tickedAt);
      try {
        summary.continued = session.committer.commitId > 0;
        await intake.open(await readCursors(log, application), session.plan.partitionsOf);
      } catch (error) {
        await session.close();
        throw error;
      }
      const { assignment, memory } = session;
      const { tasks, openTasks } = assignment;
      const threads = openTasks.hosts.length;
      const { memoryBytes } = memory;
      observer.on('runtimeStarted', { application, tasks: tasks.length, threads, memoryBytes });
      return runtime;
    } catch (error) {
      await intake.close();
      observer.on('runtimeStopped', { application, reason: 'closed' });
      throw error;
    }
  }

  get summary(): Summary {
    return this.#parts.summary;
  }

  get plan(): Plan {
    return this.#session.plan;
  }

  /** Records that wait in the topics the tasks read. */
  lag(): Promise<PartitionLag[]> {
    return this.#session.assignment.lag();
  }

  /** The time of source partitions, tasks and steps, and what holds it back. */
  async time(): Promise<TimeReport> {
    const { options, wall, refusedTimes: refused } = this.#parts;
    const { application } = options;
    const { tasks } = this.#session.assignment;
    const [at, lags] = [wall.now(), await this.lag()];
    return timeReport({ application, at, tasks, lags, refused });
  }

  /**
   * Rows of a table over all partitions, in task order; with `keyText`, of one key.
   * @param table a store, or a table among the topology's exports
   * @throws STORE_UNKNOWN, and TABLE_NOT_KEPT for a table whose rows cannot be read
   */
  async query(table: string, keyText?: string, limit?: number): Promise<StoreRow[]> {
    const readable = readableTable(this.#parts.options.topology, table);
    return this.#questions.ask(() =>
      this.#session.assignment.openTasks.query(readable, keyText, limit),
    );
  }

  /** The current pauses, as this process knows them. */
  get paused(): Paused {
    return this.#parts.pause.paused;
  }

  /**
   * Pauses or resumes reading. The change is stored in the log, for this and every other process of
   * the application.
   * @throws CONFIG_INVALID for an unknown part
   */
  pause(change: PauseChange): Promise<Paused> {
    const { intake, pause } = this.#parts;
    const sources = intake.progress.map(({ name }) => name);
    return pause.change(change, this.plan, sources);
  }

  /** Runs one cycle; returns false if there was nothing to do, or the signal aborted a recovery. */
  async cycle(signal?: AbortSignal): Promise<boolean> {
    const worked = await this.#advance(signal);
    await this.#settle(signal);
    return worked;
  }

  /**
   * Runs a cycle whose commit may still be in progress; returns false if there was nothing to do or
   * to wait for.
   */
  async #advance(signal?: AbortSignal): Promise<boolean> {
    return (await this.#recovery.survive(() => this.#cycles.next(), signal)) ?? false;
  }

  /** Waits until all started work is committed. */
  async #settle(signal?: AbortSignal): Promise<void> {
    await this.#recovery.survive(() => this.#cycles.drain(), signal);
  }

  /**
   * Runs cycles until all sources are done and every topic is read to its end, by whichever member.
   */
  async runUntilCaughtUp(signal?: AbortSignal): Promise<Summary> {
    const { assignment } = this.#session;
    const done = () => assignment.groupCaughtUp();
    await this.#work(() => this.#runUntil(done, signal), signal);
    if (this.#parts.options.atEnd === 'close') await this.closeInput(signal);
    return this.summary;
  }

  /**
   * Closes everything that is open, because the input has ended: windows, sessions, timers, waiting
   * joins, step after step. Later input continues as if nothing had been closed. Call when caught
   * up.
   */
  async closeInput(signal?: AbortSignal): Promise<void> {
    const { reading } = this.#cycles;
    const { assignment } = this.#session;
    reading.isFinal = true;
    try {
      // Reopened tasks do not know that the input has ended.
      await this.#recovery.undisturbed(async () => {
        for (const task of assignment.tasks) task.undecided.clear();
        await this.#passing.partByPart({ atEnd: true }, signal);
        await this.#runUntil(() => assignment.groupCaughtUp(), signal);
      }, signal);
    } finally {
      reading.isFinal = false;
    }
  }

  /** Runs cycles until one finds no work and `done` agrees. */
  async #runUntil(done: () => Promise<boolean>, signal?: AbortSignal): Promise<void> {
    while (signal?.aborted !== true) {
      await this.tick(signal);
      if (await this.#advance(signal)) await this.#parts.scheduler.yieldNow();
      else if (this.#isIdle && (await this.#recovery.survive(done, signal))) return;
      else await this.#news(signal);
    }
    await this.#settle(signal);
  }

  /**
   * True if nothing waits for a commit, the end of a pause or a retry, and no source may have more.
   */
  get #isIdle(): boolean {
    const { options, pause, intake } = this.#parts;
    const { assignment, committer } = this.#session;
    const waits = assignment.tasks.some(({ retryAt }) => retryAt !== undefined);
    if (pause.isAny || (waits && options.clockStands !== true)) return false;
    return committer.cursors.size === 0 && !intake.expectsMore;
  }

  /**
   * Waits until there may be something to do: records, a change of the membership, or an opened
   * task.
   */
  async #news(signal?: AbortSignal): Promise<void> {
    const { member, assignment } = this.#session;
    const wait = member.wait(pollMs, signal);
    await (assignment.isOpening ? Promise.race([wait, assignment.openTasks.nextOpened()]) : wait);
  }

  /** Runs work in cycles; after the signal is aborted, waits for the log as briefly as possible. */
  async #work(work: () => Promise<void>, signal: AbortSignal | undefined): Promise<void> {
    const hurry = () => this.#session.committer.hurry();
    signal?.addEventListener('abort', hurry);
    try {
      await this.#questions.whileCycling(work);
    } finally {
      signal?.removeEventListener('abort', hurry);
    }
  }

  /** Runs until the signal is aborted. */
  async run(signal: AbortSignal): Promise<Summary> {
    await this.#work(() => this.#run(signal), signal);
    return this.summary;
  }

  async #run(signal: AbortSignal): Promise<void> {
    const { options, clock, intake } = this.#parts;
    let toClose = options.atEnd === 'close' && intake.progress.length > 0;
    while (!signal.aborted) {
      const begin = clock.monotonic();
      await this.tick(signal);
      await this.#passing.passIdle(signal);
      if (await this.#advance(signal)) await this.#rest(begin, signal);
      else if (toClose && intake.progress.every(({ done }) => done)) {
        toClose = false;
        await this.closeInput(signal);
      } else await this.#news(signal);
    }
    await this.#settle(signal);
  }

  /**
   * Keeps commits apart while nothing waits.
   * @param begin start of the cycle, on the monotonic clock, ms
   */
  async #rest(begin: number, signal: AbortSignal): Promise<void> {
    const { options, clock, scheduler } = this.#parts;
    const { commitIntervalMs = 0 } = options;
    const lastWork = clock.monotonic();
    const wait = Math.max(commitIntervalMs / leastShare, workShare * (lastWork - begin));
    const rest = begin + Math.min(commitIntervalMs, wait) - lastWork;
    if (rest <= 0 || this.#cycles.hasBacklog) {
      await scheduler.yieldNow();
      return;
    }
    await scheduler.sleep(rest, signal);
    this.#cycles.held(clock.monotonic() - lastWork);
  }

  /**
   * Advances every task to `idleClock` (ms UTC) without records, and runs until all results are
   * processed or the signal is aborted. Call when caught up.
   */
  async advanceIdle(idleClock: number, signal?: AbortSignal): Promise<void> {
    if (!isInstant(idleClock)) {
      const problem = `the idle clock is ${String(idleClock)}, not whole ms UTC from 0 to 8.64e15`;
      throw new MillraceError('CONFIG_INVALID', { field: 'idleClock', problem });
    }
    await this.#passing.partByPart({ idleClock }, signal);
  }

  /** See TimePassing. */
  tick(signal?: AbortSignal): Promise<void> {
    return this.#passing.tick(signal);
  }

  /**
   * Closes tasks, sources and writers, and leaves the group; the log stays open. Discards
   * uncommitted work.
   */
  async close(): Promise<void> {
    const { options, intake, observer } = this.#parts;
    await this.#cycles.forget();
    await this.#session.committer.idle().catch(() => {});
    await intake.close();
    await this.#session.close();
    const { application } = options;
    observer.on('runtimeStopped', { application, reason: 'closed' });
  }
}
