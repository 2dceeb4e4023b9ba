/** The tasks of a runtime and the hosts that run them: opened at the last commit, closed together. */
import { must } from '../base/assert.ts';
import type { Clock } from '../base/clock.ts';
import { MillraceError } from '../base/errors.ts';
import type { Observer } from '../base/events.ts';
import type { StoreRow } from '../graph/store-spec.ts';
import type { GroupOffset, Log } from '../log/log.ts';
import type { HostConfig, HostPort } from '../task/task-host.ts';
import { GlobalFeed } from './global-feed.ts';
import type { Plan, PlannedTask } from './plan.ts';
import { restoreTask } from './restore.ts';

export interface RunningTask {
  readonly planned: PlannedTask;
  readonly host: HostPort;
  /** Next offset of each source topic. */
  readonly positions: Map<string, number>;
}

export interface PartitionLag {
  readonly topic: string;
  readonly partition: number;
  readonly records: number;
}

export interface AssignmentOptions {
  readonly log: Log;
  readonly config: HostConfig;
  readonly planned: readonly PlannedTask[];
  readonly globals: Plan['globals'];
  readonly startHosts: (config: HostConfig) => Promise<readonly HostPort[]>;
  readonly observer: Observer;
  readonly clock: Clock;
}

export class Assignment {
  readonly #options: AssignmentOptions;
  readonly #globals: GlobalFeed;
  #hosts: readonly HostPort[] = [];
  #tasks: RunningTask[] = [];
  /** Changelog records that were applied to open the tasks. */
  restored = 0;

  constructor(options: AssignmentOptions) {
    this.#options = options;
    this.#globals = new GlobalFeed(options.log, options.config.application, options.globals);
  }

  /** Takes in what is new for the global tables; answers how many records. */
  feedGlobals(): Promise<number> {
    return this.#globals.next(this.#hosts);
  }

  /** How far the global tables are, to be committed with what was read with them. */
  get globalOffsets(): readonly GroupOffset[] {
    return this.#globals.offsets;
  }

  get tasks(): readonly RunningTask[] {
    return this.#tasks;
  }

  get threads(): number {
    return this.#hosts.length;
  }

  /** Starts hosts, opens every task where the log's committed offsets say, and restores its state. */
  async open(): Promise<void> {
    const { config, planned } = this.#options;
    this.#hosts = await this.#options.startHosts(config);
    await this.#globals.load(this.#hosts);
    for (const [i, task] of planned.entries()) {
      const host = must(this.#hosts[i % this.#hosts.length], 'there is a host');
      this.#tasks.push(await this.#openTask(task, host));
    }
  }

  /** Closes every task; what was not committed is forgotten. Errors of dead hosts are of no interest. */
  async close(): Promise<void> {
    const hosts = this.#hosts;
    this.#hosts = [];
    this.#tasks = [];
    for (const host of hosts) {
      await host.closeAll().catch((error: unknown) => {
        if (!(error instanceof MillraceError && error.code === 'WORKER_FAILED')) throw error;
      });
    }
  }

  /** Records that wait in the topics the tasks read. */
  async lag(): Promise<PartitionLag[]> {
    const lags: PartitionLag[] = [];
    for (const { planned, positions } of this.#tasks) {
      for (const [topic, position] of positions) {
        const { partition } = planned;
        const end = await this.#options.log.endOffset({ topic, partition });
        lags.push({ topic, partition, records: end - position });
      }
    }
    return lags;
  }

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

  async #openTask(planned: PlannedTask, host: HostPort): Promise<RunningTask> {
    const { log, config, observer, clock } = this.#options;
    const { application, stateDirectory } = config;
    const { taskId: task, partition, subTopology } = planned;
    const begin = clock.monotonic();
    const positions = new Map<string, number>();
    for (const topic of planned.topics) {
      const at = { topic, partition };
      const committed = await log.committed(application, at);
      positions.set(topic, committed ?? (await log.startOffset(at)));
    }
    const stores = await host.open({
      taskId: task,
      subTopology,
      partition,
      positions: [...positions].map(([topic, offset]) => ({ topic, offset })),
    });
    const restoredRecords = await restoreTask({
      application,
      log,
      host,
      task: planned,
      positions: stores,
      directory: `${stateDirectory}/${task}`,
      progress: (done, total) => observer.on('restoreProgress', { task, done, total }),
    });
    this.restored += restoredRecords;
    const restoreMs = clock.monotonic() - begin;
    observer.on('taskOpened', { task, restoredRecords, restoreMs });
    return { planned, host, positions };
  }
}
