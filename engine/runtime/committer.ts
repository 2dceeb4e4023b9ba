/**
 * Commits the work of cycles, one after another: writes one log transaction with all results, then
 * acknowledges it to the tasks. The work of the next cycle may run meanwhile.
 */

import { assert, must } from '../base/assert.ts';
import type { Clock } from '../base/clock.ts';
import { type CommitId, commitIdOf, noCommit } from '../base/commit-id.ts';
import type { Observer } from '../base/events.ts';
import { changelogTopic } from '../graph/topic-names.ts';
import type { Append, GroupOffset, Writer } from '../log/log.ts';
import { keyOf } from '../log/partition-key.ts';
import { PackedBatch } from '../record/batch.ts';
import type { StepHook } from '../task/commit.ts';
import type { TaskResult } from '../task/host-port.ts';
import type { OutputBatch } from '../task/outputs.ts';
import { traceCommit } from './commit-spans.ts';
import type { SourceConnector } from './connector.ts';
import { cursorAppend } from './cursors.ts';
import { allDone, type CycleWork } from './cycle-work.ts';
import { timesAppend } from './kept-times.ts';
import { encodeLedger, offsetMetadata } from './ledger.ts';
import { reportCycle } from './report.ts';
import { bringsNews, cursorName, type Intake } from './source-intake.ts';
import type { Summary } from './summary.ts';
import type { RunningTask } from './task-opener.ts';
import { promiseAppends } from './time-promises.ts';

export interface CommitterOptions {
  readonly application: string;
  /** The log loses offset metadata, so source times are written as records. */
  readonly keepsTimes: boolean;
  readonly writer: Writer;
  /** The writer of each source, on a shared log; undefined on a log with a single writer. */
  readonly sourceWriters: ReadonlyMap<SourceConnector, Writer> | undefined;
  readonly intake: Intake;
  readonly summary: Summary;
  readonly observer: Observer;
  readonly clock: Clock;
  readonly at: StepHook | undefined;
}

/** The commit that was begun last, and the rest of those before it. */
interface UnderWay {
  readonly commitId: CommitId;
  /** Resolves when the log has the commit; then it is acknowledged to the tasks. */
  readonly logged: Promise<void>;
  /** Resolves when the earlier commits are done. */
  readonly before: Promise<void>;
  readonly done: Promise<void>;
}

export class Committer {
  readonly #options: CommitterOptions;
  /** Cursors to write with the next commit, by name. */
  readonly cursors = new Map<string, unknown>();
  #commitId: CommitId;
  #underWay: UnderWay | undefined;
  #isLogging = false;
  #unacknowledged = 0;

  constructor(options: CommitterOptions) {
    this.#options = options;
    this.#commitId = commitIdOf(options.writer.lastCommitId);
  }

  /** Id of the last commit that is done; 0 before the first. */
  get commitId(): CommitId {
    return this.#commitId;
  }

  /** Id of the last commit that was begun. */
  get begunId(): CommitId {
    return this.#underWay?.commitId ?? this.#commitId;
  }

  get isBusy(): boolean {
    return this.#underWay !== undefined;
  }

  /** Number of commits that were begun and are not acknowledged to every task. */
  get unacknowledged(): number {
    return this.#unacknowledged;
  }

  /** The process stops: waits for the log become short. */
  hurry(): void {
    const { writer, sourceWriters } = this.#options;
    for (const one of [writer, ...(sourceWriters?.values() ?? [])]) one.hurry?.();
  }

  /**
   * Starts a commit (call after `turn()`). Its error surfaces from the next `turn()` or
   * `idle()`.
   */
  begin(work: CycleWork): void {
    assert(!this.#isLogging, 'commits follow one another');
    this.#isLogging = true;
    this.#unacknowledged++;
    let isLogged = () => {};
    const told = new Promise<void>((resolve) => {
      isLogged = resolve;
    });
    const before = this.#underWay?.done ?? Promise.resolve();
    const own = this.#commit(work, isLogged, before);
    own.catch(() => {});
    const done = allDone([before, own]).then(() => {});
    done.catch(() => {});
    const logged = Promise.race([told, own]);
    logged.catch(() => {});
    this.#underWay = { commitId: work.commitId, logged, before, done };
  }

  /**
   * Resolves when the last commit is durable and the one before it is acknowledged by every task.
   * (A task at work receives the last acknowledgement late.) Throws a failure once.
   */
  async turn(): Promise<void> {
    try {
      await this.#underWay?.logged;
      await this.#underWay?.before;
    } catch {
      await this.idle();
    }
  }

  /** Resolves when no commit is in progress; throws a failure once. */
  async idle(): Promise<void> {
    const underWay = this.#underWay;
    if (underWay === undefined) return;
    try {
      await underWay.done;
    } finally {
      this.#underWay = undefined;
      this.#isLogging = false;
      this.#unacknowledged = 0;
    }
  }

  async #commit(work: CycleWork, isLogged: () => void, before: Promise<void>): Promise<void> {
    const { at, clock, intake, summary, observer } = this.#options;
    const { commitId, chunks, results, stages } = work;
    const begin = clock.monotonic();
    stages.committing();
    await at?.('begin');
    const { ends, cursors } = await this.#commitToLog(work);
    stages.committed();
    traceCommit(results, { commitId, end: clock.now(), tookMs: clock.monotonic() - begin });
    // Cursors that were set meanwhile belong to the next commit.
    for (const [name, value] of cursors) {
      if (this.cursors.get(name) === value) this.cursors.delete(name);
    }
    this.#commitId = commitId;
    intake.committed(chunks);
    await at?.('acknowledge');
    for (const { task, result } of results) {
      for (const { store } of result.changelogs) task.commits.set(store, commitId);
    }
    this.#isLogging = false;
    isLogged();
    const report = (told: readonly number[]) => {
      reportCycle(summary, observer, {
        commitId,
        chunks,
        results: results.map(({ result }) => result),
        processMs: stages.processMs,
        commitMs: clock.monotonic() - begin,
        toldMs: stages.sinceCommitted,
        stages: stages.stages(results.map((of, i) => ({ ...of, toldMs: told[i] ?? 0 }))),
      });
    };
    let told: readonly number[];
    try {
      // Acknowledge in order: a task that missed commit n must not persist the positions of n + 1.
      await before;
      told = await allDone(
        results.map(({ task, result }) => this.#acknowledge(task, result, commitId, ends)),
      );
    } catch (error) {
      // The log has the commit anyway, so it counts; the reopened tasks read it there.
      report([]);
      throw error;
    }
    this.#unacknowledged--;
    await at?.('done');
    report(told);
  }

  /**
   * Writes the commit; returns the end offset of each written partition, by 'topic/partition', and
   * the written cursors.
   */
  async #commitToLog(work: CycleWork): Promise<{
    readonly ends: ReadonlyMap<string, number>;
    readonly cursors: ReadonlyMap<string, unknown>;
  }> {
    const { chunks, results, stages, commitId, globalOffsets } = work;
    const { application, at, sourceWriters, writer } = this.#options;
    const appends: Append[] = [];
    for (const { source, chunk } of chunks) {
      const own = sourceWriters === undefined ? this.cursors : new Map<string, unknown>();
      if (bringsNews(chunk)) own.set(cursorName(source), chunk.cursor);
      const outputs = chunk.outputs.map(appendOf);
      if (sourceWriters === undefined) appends.push(...outputs);
      else if (own.size > 0) {
        outputs.push(cursorAppend(application, own));
        const its = must(sourceWriters.get(source), 'a source has a writer');
        await its.commit({ appends: outputs, offsets: [], commitId });
      }
    }
    appends.push(...this.#resultAppends(results));
    const cursors = new Map(this.cursors);
    if (cursors.size > 0) appends.push(cursorAppend(application, cursors));
    const offsets = [...results.flatMap((r) => offsetsOf(r, commitId)), ...globalOffsets];
    const isEmpty = appends.length === 0 && offsets.length === 0;
    if (sourceWriters !== undefined && isEmpty) return { ends: new Map(), cursors };
    const { ends } = await writer.commit({
      appends,
      offsets,
      commitId,
      onPhase: stages.phases(at),
    });
    const byPartition = ends.map((end) => [keyOf(end), end.offset] as const);
    return { ends: new Map(byPartition), cursors };
  }

  /** Outputs and changelogs, task by task. */
  #resultAppends(results: CycleWork['results']): Append[] {
    const { application, keepsTimes } = this.#options;
    const appends: Append[] = [];
    for (const { task, result } of results) {
      appends.push(...result.outputs.map(appendOf));
      for (const { store, image } of result.changelogs) {
        const topic = changelogTopic(application, store);
        appends.push(appendOf({ topic, partition: task.planned.partition, image }));
      }
    }
    appends.push(...promiseAppends(results));
    const times = keepsTimes ? timesAppend(application, results) : undefined;
    if (times !== undefined) appends.push(times);
    return appends;
  }

  /** Acknowledges a task's part of the commit; returns how long that took in the task, ms. */
  #acknowledge(
    task: RunningTask,
    result: TaskResult,
    commitId: CommitId,
    endOf: ReadonlyMap<string, number>,
  ): Promise<number> {
    const { application, clock } = this.#options;
    const { taskId, partition, sourceOf } = task.planned;
    const ends = result.changelogs.map(({ store }) => ({
      store,
      offset: must(
        endOf.get(`${changelogTopic(application, store)}/${partition}`),
        'a changelog was appended to',
      ),
    }));
    for (const [store, topic] of sourceOf) {
      const position = result.positions.find((at) => at.topic === topic);
      ends.push({ store, offset: must(position, 'a task reads its sources').offset });
    }
    return task.host.commit(taskId, commitId, ends, clock.now());
  }
}

function appendOf({ topic, partition, image }: OutputBatch): Append {
  return { topic, partition, batch: new PackedBatch(image) };
}

/** The offsets of a task's sources, the first with the ledger entry of the commit. */
function offsetsOf(
  { task, result }: CycleWork['results'][number],
  commitId: CommitId,
): GroupOffset[] {
  const { partition, stores } = task.planned;
  const changed = new Set(result.changelogs.map(({ store }) => store));
  const commits = stores.map((store) =>
    changed.has(store) ? commitId : (task.commits.get(store) ?? noCommit),
  );
  const ledger = encodeLedger({ commitId, stores: commits }, stores);
  return result.positions.map(({ topic, offset, time }, i) => {
    const waitsTo = task.positions.get(topic) === offset ? task.undecided.get(topic) : undefined;
    const metadata = offsetMetadata(i === 0 ? ledger : '', { time, waitsTo });
    return { topic, offset, partition, ...(metadata === undefined ? {} : { metadata }) };
  });
}
