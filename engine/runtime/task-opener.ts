/**
 * Opens a task on a host: reads the group's committed offsets, brings its stores to the end of
 * their changelogs, and compares both with the ledger.
 */

import type { Clock } from '../base/clock.ts';
import { type CommitId, noCommit } from '../base/commit-id.ts';
import { isMillraceError, MillraceError } from '../base/errors.ts';
import type { Observer } from '../base/events.ts';
import type { Scheduler } from '../base/scheduler.ts';
import { changelogTopic } from '../graph/topic-names.ts';
import type { Log, TopicPartition } from '../log/log.ts';
import type { HostConfig, HostPort, TaskResult } from '../task/host-port.ts';
import { KeptTimes } from './kept-times.ts';
import { decodeLedger, type LedgerEntry, timeOf } from './ledger.ts';
import { restoreTask } from './restore.ts';
import type { PlannedTask } from './start-plan.ts';

export interface RunningTask {
  readonly planned: PlannedTask;
  readonly host: HostPort;
  /** Next offset of each source topic. */
  readonly positions: Map<string, number>;
  /** Id of the last commit that changed each store. */
  readonly commits: Map<string, CommitId>;
  /** Id of the task's last commit, from the log's ledger; 0 if unknown. */
  readonly commitId: CommitId;
  /** True once the task has returned unread records: keep them readable for the next cycle. */
  handsBack: boolean;
  /** End offset of the last records it was given, while it returns none. */
  offeredUpTo: number;
  /**
   * Topics whose next record waits for a witness of its time, with the end offset of the waiting
   * records.
   */
  readonly undecided: Map<string, number>;
  /** Topics whose next record is judged by the records after it, which must be read with it. */
  readonly wants: Set<string>;
  /** Time of its sources after the last cycle, by topic. */
  sourceTimes: TaskResult['sourceTimes'];
  /** Its watermark, ms UTC. */
  watermark: number;
  /** When a waiting record is tried again, on the monotonic clock, ms; undefined if none waits. */
  retryAt: number | undefined;
  /** Topics read to their end. */
  readonly silent: Set<string>;
}

/** What to do if the log no longer has the next offset. */
export type OffsetLost = 'stop' | 'earliest' | 'latest';

/**
 * True if a run continues after its next offset was lost: the tasks are reopened at the offset that
 * the policy selects.
 */
export function goesOnAfter(error: MillraceError, policy: OffsetLost = 'stop'): boolean {
  return error.code === 'OFFSET_LOST' && policy !== 'stop';
}

/**
 * How long committed offsets older than a changelog are attributed to a coordinator that is still
 * loading, ms.
 */
const staleOffsetsMs = 60_000;
/** How long a coordinator that has just started may return no offset at all, ms. */
const noOffsetsMs = 10_000;
const askAgainMs = 250;
/** Maximal number of wipes while one task is opened: freshly restored state should be intact. */
const wipedAtOpening = 2;

export interface TaskOpenerOptions {
  readonly log: Log;
  /** True if the log has members other than this process. */
  readonly shared: boolean;
  readonly config: HostConfig;
  readonly onOffsetLost: OffsetLost;
  /** Number of resets of the application. */
  readonly resets: number;
  readonly observer: Observer;
  readonly clock: Clock;
  readonly scheduler: Scheduler;
}

export interface OpenedTask {
  readonly task: RunningTask;
  /** Changelog records that were applied. */
  readonly restored: number;
}

interface CommittedTask {
  /** Next offset of each source topic. */
  readonly positions: Map<string, number>;
  /** Time of each source, as text. */
  readonly times: ReadonlyMap<string, string>;
  readonly ledger: LedgerEntry | undefined;
}

/** The read position of a source partition. */
export interface Position {
  readonly offset: number;
  readonly metadata?: string;
  /** True if the group has no committed offset. */
  readonly isStart?: boolean;
}

export class TaskOpener {
  readonly #options: TaskOpenerOptions;
  /** Undefined where the log keeps them beside the offsets. */
  readonly #kept: KeptTimes | undefined;
  /** When the group is no longer asked for missing offsets, on the monotonic clock, ms. */
  #waitsUntil: number | undefined;

  constructor(options: TaskOpenerOptions) {
    const { log, config } = options;
    this.#options = options;
    if (log.keepsMetadata === false) this.#kept = new KeptTimes(log, config.application);
  }

  /**
   * Opens a task; returns undefined if the opening was stopped.
   * @param turn resolves when its stores may be restored
   * @param careful number of cycles for which it is careful (task/task.ts)
   */
  async open(
    planned: PlannedTask,
    host: HostPort,
    stopped: () => boolean,
    turn: Promise<void>,
    careful?: number,
  ): Promise<OpenedTask | undefined> {
    let wiped = 0;
    const giveUpAt = this.#options.clock.monotonic() + staleOffsetsMs;
    if (stopped()) return undefined;
    for (let found = await this.#committedOf(planned); !stopped(); ) {
      try {
        return await this.#openAt(planned, host, stopped, found, turn, careful);
      } catch (error) {
        if (isMillraceError(error, 'STATE_CORRUPT') && wiped++ < wipedAtOpening) {
          // Closing the task deletes its damaged state; it is then fully restored.
          await host.close(planned.taskId);
          const problem = String(error.context['problem']);
          this.#options.observer.on('stateWiped', {
            ...{ task: planned.taskId, problem, isForeign: false },
          });
          continue;
        }
        if (!isMillraceError(error, 'LEDGER_MISMATCH')) throw error;
        await host.close(planned.taskId);
        found = await this.#newerThan(found, planned, stopped, { error, giveUpAt });
      }
    }
    return undefined;
  }

  /**
   * Reads the committed offsets again after a mismatch, and returns them if they have changed.
   * Another member may have committed since, because this process was suspended or lost the
   * partitions meanwhile. Or the group's coordinator has just restarted and returns an earlier
   * commit than the changelog has (seen on Kafka 4.1.2); then it is asked again for a while. Throws
   * the mismatch if it persists.
   */
  async #newerThan(
    before: CommittedTask,
    planned: PlannedTask,
    stopped: () => boolean,
    mismatch: { readonly error: MillraceError; readonly giveUpAt: number },
  ): Promise<CommittedTask> {
    const { clock, scheduler, observer, shared } = this.#options;
    const { error, giveUpAt } = mismatch;
    const { expected, actual } = error.context;
    const isBehind = shared && Number(expected) < Number(actual);
    for (let told = false; ; told = true) {
      const found = await this.#committedOf(planned);
      if (found.ledger?.commitId !== before.ledger?.commitId || stopped()) return found;
      if (!isBehind || clock.monotonic() >= giveUpAt) throw error;
      if (!told) observer.on('offsetsBehind', { task: planned.taskId, problem: error.message });
      await scheduler.sleep(askAgainMs);
    }
  }

  async #openAt(
    planned: PlannedTask,
    host: HostPort,
    stopped: () => boolean,
    { positions, times, ledger }: CommittedTask,
    turn: Promise<void>,
    careful: number | undefined,
  ): Promise<OpenedTask | undefined> {
    const { log, config, observer, clock, shared, resets } = this.#options;
    const { application, stateDirectory } = config;
    const { taskId, partition, subTopology } = planned;
    const stores = await host.open({
      taskId,
      subTopology,
      partition,
      resets,
      positions: [...positions].map(([topic, offset]) => ({
        ...{ topic, offset },
        time: times.get(topic),
      })),
      ...(careful === undefined ? {} : { careful }),
    });
    const wiped = stores.find((store) => store.wiped !== undefined)?.wiped;
    if (wiped !== undefined) observer.on('stateWiped', { task: taskId, ...wiped });
    await turn;
    const begin = clock.monotonic();
    const { records, commits } = await restoreTask({
      application,
      log,
      host,
      task: planned,
      stores,
      positions,
      ledger,
      directory: `${stateDirectory}/${taskId}`,
      clock,
      shared,
      progress: (store, done, total) =>
        observer.on('restoreProgress', { task: taskId, store, done, total }),
      stopped,
    });
    if (stopped()) {
      await host.close(taskId);
      return undefined;
    }
    const restoreMs = clock.monotonic() - begin;
    observer.on('taskOpened', { task: taskId, restoredRecords: records, restoreMs });
    const task: RunningTask = {
      planned,
      host,
      positions,
      commits,
      commitId: ledger?.commitId ?? noCommit,
      handsBack: positions.size > 1,
      offeredUpTo: 0,
      undecided: new Map(),
      wants: new Set(),
      sourceTimes: [],
      watermark: Number.NEGATIVE_INFINITY,
      retryAt: undefined,
      silent: new Set(),
    };
    return { task, restored: records };
  }

  /**
   * Checks a task of whose sources the group has no offset, before anything is processed: read from
   * the start, they would count records again if its changelogs have any. Then it asks the group
   * again for a while, and throws OFFSETS_MISSING unless the policy allows to continue. Returns
   * true if the group has an offset now.
   */
  async isBehind(task: PlannedTask): Promise<boolean> {
    const { log, config, onOffsetLost, observer, clock, scheduler } = this.#options;
    const { application } = config;
    const { taskId, topics, partition } = task;
    const store = await this.#storeWithRecords(task);
    if (store === undefined) return false;
    this.#waitsUntil ??= clock.monotonic() + noOffsetsMs;
    while (clock.monotonic() < this.#waitsUntil) {
      for (const topic of topics) {
        if ((await log.committed(application, { topic, partition })) !== undefined) return true;
      }
      await scheduler.sleep(askAgainMs);
    }
    if (onOffsetLost !== 'earliest') {
      throw new MillraceError('OFFSETS_MISSING', {
        ...{ task: taskId, store, topics: topics.join(', '), application },
      });
    }
    observer.on('offsetsMissing', { task: taskId, store, topics });
    return false;
  }

  /** A store of a task whose changelog has records. */
  async #storeWithRecords({
    stores,
    sourceOf,
    partition,
  }: PlannedTask): Promise<string | undefined> {
    const { log, config } = this.#options;
    for (const store of stores) {
      if (sourceOf.has(store)) continue;
      const at = { topic: changelogTopic(config.application, store), partition };
      const [start, end] = await Promise.all([log.startOffset(at), log.endOffset(at)]);
      // A commit that was aborted leaves an end, but nothing to read.
      if (start < end && (await log.read(at, start, { records: 1, once: true })) !== undefined) {
        return store;
      }
    }
    return undefined;
  }

  /** The group's committed offsets of a task's sources, with the ledger. */
  async #committedOf({ topics, partition, stores }: PlannedTask): Promise<CommittedTask> {
    const positions = new Map<string, number>();
    const times = new Map<string, string>();
    let ledger: LedgerEntry | undefined;
    for (const topic of topics) {
      const { offset, metadata } = await this.position({ topic, partition });
      positions.set(topic, offset);
      const kept = await this.#kept?.of({ topic, partition }, offset);
      times.set(topic, kept ?? timeOf(metadata));
      ledger ??= decodeLedger(metadata, stores);
    }
    return { positions, times, ledger };
  }

  /** The read position of a source partition: the group's committed offset, or its start. */
  async position(at: TopicPartition): Promise<Position> {
    const { log, config, onOffsetLost } = this.#options;
    const [committed, start] = await Promise.all([
      log.committed(config.application, at),
      log.startOffset(at),
    ]);
    if (committed === undefined) return { offset: start, isStart: true };
    const end = await log.endOffset(at);
    if (committed.offset >= start && committed.offset <= end) return committed;
    if (onOffsetLost === 'stop') {
      const { offset } = committed;
      throw new MillraceError('OFFSET_LOST', { ...at, offset, start, end });
    }
    const goesOnAt = onOffsetLost === 'earliest' ? start : end;
    const { offset } = committed;
    this.#options.observer.on('offsetLost', { ...at, offset, start, end, goesOnAt });
    return { ...committed, offset: goesOnAt };
  }
}
