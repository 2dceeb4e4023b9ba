/**
 * Cycles: each reads the next records of every task, lets the tasks process them, and commits all
 * results in one log transaction. On a log with a single writer, a cycle depends on committed data
 * only, so any crash and any number of threads lead to the same bytes. On a shared log, the next
 * cycle begins while one commits.
 */

import { type CommitId, nextCommit } from '../base/commit-id.ts';
import { minutes } from '../base/duration.ts';
import type { TaskWork } from '../task/host-port.ts';
import type { PassingTime } from '../task/task-options.ts';
import { Ahead, type GivenWork } from './ahead.ts';
import { commitModelOf } from './commit-model.ts';
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
/** How long after a start cursors wait to be committed with the first records, ms. */
const firstWorkMs = 2_000;

/** Tasks with the passed time that each must receive. */
export type Passing = readonly { readonly task: RunningTask; readonly passing: PassingTime }[];

export class Cycles {
  readonly reading: Reading;
  readonly #parts: RuntimeParts;
  readonly #session: Session;
  readonly #questions: StateQuestions;
  readonly #ahead = new Ahead();
  readonly #size: CycleSize;
  /** True if the last cycle was full for a partition: there may be more records. */
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

  /** Notes how long the next cycle was delayed to keep commits apart, ms. */
  held(ms: number): void {
    this.#heldMs = ms;
  }

  /**
   * Runs one cycle, whose commit may still be in progress; returns false if there was nothing to do
   * or to wait for.
   */
  async next(): Promise<boolean> {
    const { assignment, committer, member } = this.#session;
    const { options, pause, intake, clock } = this.#parts;
    this.#questions.throwDamage();
    if (member.hasChange()) await this.drain();
    await assignment.follow();
    const stages = this.#stageClock();
    await options.at?.('read');
    await pause.look();
    const chunks = await intake.take(this.#size.records, pause);
    const fed = pause.paused.all ? 0 : await assignment.feedGlobals();
    const { commitId, work } = await this.#nextWork();
    if (work.length === 0 && fed === 0 && !chunks.some(({ chunk }) => bringsNews(chunk))) {
      if (committer.isBusy) {
        await committer.idle();
        return true;
      }
      // The slowest partition has just ended: the others may continue.
      if (this.reading.isHeldBack) return true;
      if (committer.cursors.size === 0 || this.#expectsWork) return false;
    }
    stages.fetched();
    const results = await this.#process(work, stages, this.#overlaps);
    await this.#commit({ commitId, chunks, results, stages });
    if (!this.#overlaps) await committer.idle();
    const now = clock.monotonic();
    if (this.#backlog) this.#size.took(now - this.#cycledAt);
    this.#cycledAt = now;
    await this.#maintain();
    return true;
  }

  /** Commits everything: work that tasks have begun ahead becomes a cycle of its own. */
  async drain(): Promise<void> {
    const { commitId } = this.#ahead;
    if (commitId !== undefined) {
      const stages = this.#stageClock();
      stages.fetched();
      const results = await this.#process(this.#ahead.take(), stages, false);
      await this.#commit({ commitId, chunks: [], results, stages });
    }
    await this.#session.committer.idle();
  }

  /**
   * Runs tasks without records, because time has passed. Without changes there is no commit, which
   * would make runs differ.
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
    await this.#session.committer.idle();
  }

  /** Waits until work that was begun ahead ends, and discards it. */
  forget(): Promise<void> {
    return this.#ahead.forget();
  }

  /** True while the first records are expected: a commit with only cursors would delay them. */
  get #expectsWork(): boolean {
    const { assignment } = this.#session;
    return assignment.isOpening && this.#parts.clock.monotonic() < this.#expectedUntil;
  }

  /** True if the next cycle begins while this one commits. */
  get #overlaps(): boolean {
    const { overlaps } = commitModelOf(this.#session.member);
    return overlaps && this.#backlog && this.#parts.intake.progress.length === 0;
  }

  /** Maintains the log; called when every task is at the end of its changelogs. */
  async #maintain(): Promise<void> {
    const { options, clock } = this.#parts;
    const { log, maintainEveryMs = maintainEveryMsDefault } = options;
    if (clock.monotonic() - this.#maintainedAt < maintainEveryMs) return;
    await this.drain();
    await log.maintain(clock.now());
    this.#maintainedAt = clock.monotonic();
  }

  /** The tasks' work in the next cycle: the next records of each task that has any. */
  async #nextWork(): Promise<{ commitId: CommitId; work: readonly GivenWork[] }> {
    const { tasks } = this.#session.assignment;
    const commitId = this.#nextCommitId;
    const { commitId: begunId = commitId } = this.#ahead;
    const begun = this.#ahead.given;
    this.#backlog = begun.some(({ isBacklog }) => isBacklog);
    // A task that was opened meanwhile has a greater id, and waits for the following cycle.
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

  /** The next records of a task; undefined if there are none, or it could process none. */
  async #readOf(task: RunningTask, commitId: CommitId): Promise<GivenWork | undefined> {
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

  /** @param ahead true if a finished task may begin the next cycle's work */
  async #process(
    all: readonly GivenWork[],
    stages: StageClock,
    ahead: boolean,
  ): Promise<CycleWork['results']> {
    const { options, clock, observer } = this.#parts;
    await options.at?.('process');
    const results = await allDone(
      all.map(async ({ task, work, isBacklog, result: begun }) => {
        const result = await (begun ?? task.host.process(work));
        notePositions(task, result, clock.monotonic());
        tellRetry(task, result, observer);
        if (ahead && isBacklog) await this.#goAhead(task, nextCommit(work.commitId));
        return { task, result };
      }),
    );
    stages.processed();
    return results;
  }

  /** Starts a task's part of the next cycle, if that is allowed. */
  async #goAhead(task: RunningTask, commitId: CommitId): Promise<void> {
    const { member, plan, committer } = this.#session;
    if (member.hasChange() || plan.globals.length > 0) return;
    // A thread that always has work would never receive an acknowledgement.
    if (committer.unacknowledged > 1) return;
    const given = await this.#readOf(task, commitId);
    if (given !== undefined) this.#ahead.begin(given);
  }

  /** Begins the commit of a cycle's work, after the previous one. */
  async #commit(
    work: Pick<CycleWork, 'commitId' | 'chunks' | 'results' | 'stages'>,
  ): Promise<void> {
    const { assignment, committer } = this.#session;
    const { globalOffsets } = assignment;
    await committer.turn();
    committer.begin({ ...work, globalOffsets });
  }

  /**
   * An id greater than every commit of the tasks here, including tasks that ran elsewhere before.
   */
  get #nextCommitId(): CommitId {
    const { assignment, committer } = this.#session;
    let last = committer.begunId;
    for (const { commitId } of assignment.tasks) if (commitId > last) last = commitId;
    return nextCommit(last);
  }

  #stageClock(): StageClock {
    const stages = new StageClock(() => this.#parts.clock.monotonic(), this.#heldMs);
    this.#heldMs = 0;
    return stages;
  }
}
