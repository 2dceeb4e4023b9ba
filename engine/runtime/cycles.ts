/**
 * Cycles: each reads the next records of every task, lets the tasks process them, and commits all
 * that follows in one log transaction. On a log of its own, what a cycle does depends on committed
 * data alone, so a crash at any point and any number of threads end in the same bytes. On a shared
 * log the next cycle begins while one commits.
 */
import { minutes } from '../base/duration.ts';
import type { TaskWork } from '../task/host-port.ts';
import type { PassingTime } from '../task/task-options.ts';
import { Ahead, type GivenWork } from './ahead.ts';
import type { CycleSize } from './cycle-size.ts';
import { allDone, type CycleWork } from './cycle-work.ts';
import { Reading } from './reading.ts';
import type { RuntimeParts } from './runtime-parts.ts';
import type { Session } from './session.ts';
import { bringsNews } from './source-intake.ts';
import { StageClock } from './stages.ts';
import type { StateQuestions } from './state-questions.ts';
import type { RunningTask } from './task-opener.ts';
import { hasChanges, notePositions, tellRetry } from './task-results.ts';

const maintainEveryMsDefault = minutes(5);
/** For so long after a start cursors wait for the first records, to be committed with them, ms. */
const firstWorkMs = 2_000;

/** Tasks, and what of time each is to be told. */
export type Passing = readonly { readonly task: RunningTask; readonly passing: PassingTime }[];

export class Cycles {
  readonly reading: Reading;
  readonly #parts: RuntimeParts;
  readonly #session: Session;
  readonly #questions: StateQuestions;
  readonly #ahead = new Ahead();
  readonly #size: CycleSize;
  /** The last cycle had as many records of a partition as it can do with: there may be more. */
  #backlog = false;
  #cycledAt = Number.NEGATIVE_INFINITY;
  #maintainedAt: number;
  readonly #expectedUntil: number;
  #heldMs = 0;

  constructor(parts: RuntimeParts, session: Session, questions: StateQuestions) {
    const { clock, options, idle, pause } = parts;
    this.#parts = parts;
    this.#session = session;
    this.#questions = questions;
    this.#size = session.memory.cycleSize;
    this.#maintainedAt = clock.monotonic();
    this.#expectedUntil = clock.monotonic() + firstWorkMs;
    this.reading = new Reading(idle, options.maxDriftMs, ({ planned, retryAt = 0 }) => {
      return pause.holds(planned) || retryAt > clock.monotonic();
    });
  }

  get hasBacklog(): boolean {
    return this.#backlog;
  }

  /**
   * Nothing was done for so long before the next cycle, so that commits keep their distance, ms.
   */
  held(ms: number): void {
    this.#heldMs = ms;
  }

  /**
   * One cycle, whose commit may still be under way; false when there was nothing to do, nor to wait
   * for.
   */
  async next(): Promise<boolean> {
    const { assignment, committer, member } = this.#session;
    const { options, pause, intake, clock } = this.#parts;
    this.#questions.throwDamage();
    if (member.hasChange()) await this.drain();
    await assignment.follow();
    const stages = this.#stageClock();
    await options.at?.('C1');
    await pause.look();
    const chunks = await intake.take(this.#size.records, pause);
    const fed = pause.paused.all ? 0 : await assignment.feedGlobals();
    const { commitId, work } = await this.#nextWork();
    if (work.length === 0 && fed === 0 && !chunks.some(({ chunk }) => bringsNews(chunk))) {
      if (committer.isBusy) {
        await committer.settled();
        return true;
      }
      // The slowest has just come to its end: the others go on.
      if (this.reading.isHeldBack) return true;
      if (committer.cursors.size === 0 || this.#expectsWork) return false;
    }
    stages.fetched();
    const results = await this.#process(work, stages, this.#overlaps);
    await this.#commit({ commitId, chunks, results, stages });
    if (!this.#overlaps) await committer.settled();
    const now = clock.monotonic();
    if (this.#backlog) this.#size.took(now - this.#cycledAt);
    this.#cycledAt = now;
    await this.#maintain();
    return true;
  }

  /**
   * After it nothing is uncommitted: what tasks are at of the next cycle becomes one of its own.
   */
  async drain(): Promise<void> {
    const { commitId } = this.#ahead;
    if (commitId !== undefined) {
      const stages = this.#stageClock();
      stages.fetched();
      const results = await this.#process(this.#ahead.take(), stages, false);
      await this.#commit({ commitId, chunks: [], results, stages });
    }
    await this.#session.committer.settled();
  }

  /**
   * Work without records, because time has passed. What changes nothing is not committed: that
   * would tell the runs apart.
   */
  async pass(passing: (tasks: readonly RunningTask[]) => Passing): Promise<void> {
    const stages = this.#stageClock();
    const commitId = this.#nextCommitId;
    const work = passing(this.#session.assignment.tasks).map(({ task, passing }) =>
      this.#given(task, { commitId, ...passing }),
    );
    const results = await this.#process(work, stages, false);
    if (!results.some(hasChanges)) return;
    await this.#commit({ commitId, chunks: [], results, stages });
    await this.#session.committer.settled();
  }

  /** Forgets what tasks are at of the next cycle, when nobody is at it any more. */
  forget(): Promise<void> {
    return this.#ahead.forget();
  }

  /**
   * The first records are about to come, and a commit that carries no more than cursors would be in
   * their way.
   */
  get #expectsWork(): boolean {
    const { assignment } = this.#session;
    return assignment.isOpening && this.#parts.clock.monotonic() < this.#expectedUntil;
  }

  /** Whether the next cycle begins while this one commits. */
  get #overlaps(): boolean {
    return this.#backlog && !this.#session.member.sole && this.#parts.intake.progress.length === 0;
  }

  /** When every task stands at the end of its changelogs. */
  async #maintain(): Promise<void> {
    const { options, clock } = this.#parts;
    const { log, maintainEveryMs = maintainEveryMsDefault } = options;
    if (clock.monotonic() - this.#maintainedAt < maintainEveryMs) return;
    await this.drain();
    await log.maintain(clock.now());
    this.#maintainedAt = clock.monotonic();
  }

  /** What the tasks are to do in the next cycle: the next records of every one that has any. */
  async #nextWork(): Promise<{ commitId: number; work: readonly GivenWork[] }> {
    const { tasks } = this.#session.assignment;
    const commitId = this.#nextCommitId;
    const { commitId: begunId = commitId } = this.#ahead;
    const begun = this.#ahead.given;
    this.#backlog = begun.some(({ isBacklog }) => isBacklog);
    // A task that was opened meanwhile has a greater id, and waits for the cycle after.
    if (begunId !== commitId) return { commitId: begunId, work: this.#ahead.take() };
    this.reading.begin(tasks);
    const work: GivenWork[] = [];
    const busy = new Set(begun.map(({ task }) => task));
    for (const task of tasks) {
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
    const read = await this.reading.next(task, this.#session.member, this.#size);
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
    const { options, wall, clock } = this.#parts;
    return {
      taskId: planned.taskId,
      batches: [],
      caughtUp: planned.topics,
      ...work,
      ...(this.reading.isFinal ? { isFinal: true } : {}),
      ...((options.guardByClock ?? options.clock === undefined) ? { wall: wall.now() } : {}),
      ...(options.log.limits === undefined ? {} : { now: clock.now() }),
    };
  }

  /** @param ahead whether a task that is done may begin the next cycle's work */
  async #process(
    all: readonly GivenWork[],
    stages: StageClock,
    ahead: boolean,
  ): Promise<CycleWork['results']> {
    const { options, clock, observer } = this.#parts;
    await options.at?.('C2');
    const results = await allDone(
      all.map(async ({ task, work, isBacklog, result: begun }) => {
        const result = await (begun ?? task.host.process(work));
        notePositions(task, result, clock.monotonic());
        tellRetry(task, result, observer);
        if (ahead && isBacklog) await this.#goAhead(task, work.commitId + 1);
        return { task, result };
      }),
    );
    stages.processed();
    return results;
  }

  /** Gives a task its share of the next cycle, if that may begin. */
  async #goAhead(task: RunningTask, commitId: number): Promise<void> {
    const { member, plan, committer } = this.#session;
    if (member.hasChange() || plan.globals.length > 0) return;
    // A thread that always has work would never hear of a commit.
    if (committer.untold > 1) return;
    const given = await this.#readOf(task, commitId);
    if (given !== undefined) this.#ahead.begin(given);
  }

  /** Begins the commit of a cycle's work, when the one before is done. */
  async #commit(
    work: Pick<CycleWork, 'commitId' | 'chunks' | 'results' | 'stages'>,
  ): Promise<void> {
    const { assignment, committer } = this.#session;
    const { globalOffsets } = assignment;
    await committer.turn();
    committer.begin({ ...work, globalOffsets });
  }

  /** Above every commit of the tasks that run here, also of those that ran elsewhere before. */
  get #nextCommitId(): number {
    const { assignment, committer } = this.#session;
    let last = committer.begunId;
    for (const { commitId } of assignment.tasks) if (commitId > last) last = commitId;
    return last + 1;
  }

  #stageClock(): StageClock {
    const stages = new StageClock(() => this.#parts.clock.monotonic(), this.#heldMs);
    this.#heldMs = 0;
    return stages;
  }
}
