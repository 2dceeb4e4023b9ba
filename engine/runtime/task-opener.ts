/**
 * Opens a task on a host: from what the group has committed of its sources, with its stores brought
 * to the end of their changelogs, and both held against the ledger.
 */
import type { Clock } from '../base/clock.ts';
import { isMillraceError, MillraceError } from '../base/errors.ts';
import type { Observer } from '../base/events.ts';
import type { Scheduler } from '../base/scheduler.ts';
import type { Log, TopicPartition } from '../log/log.ts';
import type { HostConfig, HostPort, TaskResult } from '../task/host-port.ts';
import { decodeLedger, type LedgerEntry, timeOf } from './ledger.ts';
import { restoreTask } from './restore.ts';
import type { PlannedTask } from './start-plan.ts';

export interface RunningTask {
  readonly planned: PlannedTask;
  readonly host: HostPort;
  /** Next offset of each source topic. */
  readonly positions: Map<string, number>;
  /** Id of the last commit that changed each store. */
  readonly commits: Map<string, number>;
  /** Id of the task's last commit, as far as the log's ledger says; 0 when it does not. */
  readonly commitId: number;
  /** It leaves records of what it is given for the next cycle: they must be there again then. */
  handsBack: boolean;
  /** Where what it was given last ends, while it leaves nothing. */
  offeredUpTo: number;
  /**
   * Topics whose next record waits for a witness of its time, and where what waits with it ends.
   */
  readonly undecided: Map<string, number>;
  /** Topics whose next record is judged by those after it, which are to be read with it. */
  readonly wants: Set<string>;
  /** How far its sources' time is, by topic, as the last cycle left it. */
  sourceTimes: TaskResult['sourceTimes'];
  /** How far its time is, ms UTC. */
  watermark: number;
  /**
   * A record waits to be tried again until then, on the monotonic clock, ms; undefined: none does.
   */
  retryAt: number | undefined;
  /** Topics that are read to their end. */
  readonly silent: Set<string>;
}

/** What to do when the log no longer has the offset that is to be read next. */
export type OffsetLost = 'stop' | 'earliest' | 'latest';

/**
 * Whether a run goes on after its next offset was lost: the policy says where, when the tasks are
 * opened again.
 */
export function goesOnAfter(error: MillraceError, policy: OffsetLost = 'stop'): boolean {
  return error.code === 'OFFSET_LOST' && policy !== 'stop';
}

/**
 * How long committed offsets that are older than a changelog are taken for a coordinator's that is
 * not up to date yet, ms.
 */
const staleOffsetsMs = 60_000;
const askAgainMs = 250;
/**
 * Damage is met so often while one task is opened, at most: what is restored anew should be whole.
 */
const wipedAtOpening = 2;

export interface TaskOpenerOptions {
  readonly log: Log;
  /** The log has other members than this process. */
  readonly shared: boolean;
  readonly config: HostConfig;
  readonly onOffsetLost: OffsetLost;
  /** How often the application was reset. */
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
  /** How far the time of each has come, as text. */
  readonly times: ReadonlyMap<string, string>;
  readonly ledger: LedgerEntry | undefined;
}

export class TaskOpener {
  readonly #options: TaskOpenerOptions;

  constructor(options: TaskOpenerOptions) {
    this.#options = options;
  }

  /**
   * Answers undefined when the opening was stopped. @param turn when its stores may be restored
   * @param careful cycles for which it is to be careful (task/task.ts)
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
          // With the task its state goes; it is restored whole.
          await host.close(planned.taskId);
          this.#tellWiped(planned.taskId, String(error.context['problem']));
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
   * What is committed, when it is not what was found before. Another member may have committed
   * since: this process was held still, or lost the partitions meanwhile. Or the group's
   * coordinator has just come back and tells of an earlier commit than the changelog has (seen on
   * Kafka 4.1.2): then it is asked again for a while. Throws the mismatch when it stands.
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
    const problem = stores.find((store) => store.wiped !== undefined)?.wiped;
    if (problem !== undefined) this.#tellWiped(taskId, problem);
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
      commitId: ledger?.commitId ?? 0,
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

  #tellWiped(task: string, problem: string): void {
    this.#options.observer.on('stateWiped', { task, problem });
  }

  /** What the group has committed of a task's sources, and the ledger beside it. */
  async #committedOf({ topics, partition, stores }: PlannedTask): Promise<CommittedTask> {
    const positions = new Map<string, number>();
    const times = new Map<string, string>();
    let ledger: LedgerEntry | undefined;
    for (const topic of topics) {
      const { offset, metadata } = await this.position({ topic, partition });
      positions.set(topic, offset);
      times.set(topic, timeOf(metadata));
      ledger ??= decodeLedger(metadata, stores);
    }
    return { positions, times, ledger };
  }

  /**
   * Where a source partition is to be read on: at the group's committed offset, else at its start.
   */
  async position(at: TopicPartition): Promise<{ offset: number; metadata?: string }> {
    const { log, config, onOffsetLost } = this.#options;
    const [committed, start] = await Promise.all([
      log.committed(config.application, at),
      log.startOffset(at),
    ]);
    if (committed === undefined) return { offset: start };
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
