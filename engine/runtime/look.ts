/**
 * A read-only view of an application's state on a shared log, from outside: stores are rebuilt in
 * memory from their changelogs. It does not join the group, fences no writer and writes nothing, so
 * the application may run meanwhile.
 */
import { type Clock, systemClock } from '../base/clock.ts';
import type { Topology } from '../graph/graph.ts';
import type { StoreRow } from '../graph/store-spec.ts';
import { readableTable, storesOf } from '../graph/view.ts';
import type { Log } from '../log/log.ts';
import { MemoryBackends } from '../storage/memory-backend.ts';
import { defaultErrorPolicy } from '../task/error-policy.ts';
import { TaskHost } from '../task/task-host.ts';
import { restoreTask } from './restore.ts';
import { type PlannedTask, plan } from './start-plan.ts';

export interface LookOptions {
  readonly topology: Topology;
  readonly application: string;
  readonly log: Log;
  /**
   * Called after every read, with the number of applied changelog records and the total, for one
   * store of a task.
   */
  readonly progress?: (task: string, store: string, done: number, total: number) => void;
  readonly clock?: Clock;
}

const mebibyte = 1024 * 1024;

export class Look {
  readonly #options: LookOptions;
  readonly #host: TaskHost;
  readonly #tasks: readonly PlannedTask[];
  /** Tasks that are open. */
  readonly #open = new Set<string>();
  /** Restored stores, as 'task store'. */
  readonly #restored = new Map<string, Promise<void>>();

  private constructor(options: LookOptions, host: TaskHost, tasks: readonly PlannedTask[]) {
    this.#options = options;
    this.#host = host;
    this.#tasks = tasks;
  }

  static async open(options: LookOptions): Promise<Look> {
    const { application, topology, log } = options;
    const existing = await log.topics();
    const { tasks, partitionsOf } = plan({ application, topology, existing, written: [] });
    const config = {
      ...{ application, partitionsOf, stateDirectory: '', onError: defaultErrorPolicy },
      ...{ cacheBytes: 32 * mebibyte, dirtyBytesMax: 32 * mebibyte },
    };
    return new Look(options, new TaskHost(topology, config, new MemoryBackends()), tasks);
  }

  /**
   * Current rows of a store, or of a table derived from stores, over all partitions, in the order
   * of the tasks.
   * @param keyText returns only this key
   * @throws STORE_UNKNOWN, TOPIC_UNKNOWN if the application has never run on this log
   */
  async query(name: string, keyText?: string, limit?: number): Promise<StoreRow[]> {
    const { table, store } = readableTable(this.#options.topology, name);
    const rows: StoreRow[] = [];
    for (const task of this.#tasks) {
      if (!task.stores.includes(store)) continue;
      for (const one of storesOf(this.#options.topology, table)) await this.#whole(task, one);
      rows.push(...(await this.#host.query(task.taskId, table, keyText, limit)));
    }
    return rows;
  }

  #whole(task: PlannedTask, store: string): Promise<void> {
    const key = `${task.taskId} ${store}`;
    const restored = this.#restored.get(key) ?? this.#restore(task, store);
    this.#restored.set(key, restored);
    return restored;
  }

  async close(): Promise<void> {
    await this.#host.closeAll();
  }

  async #restore(task: PlannedTask, store: string): Promise<void> {
    const { application, log, progress = () => {}, clock = systemClock } = this.#options;
    const { taskId, partition, subTopology } = task;
    const positions = new Map<string, number>();
    for (const topic of task.topics) {
      const committed = await log.committed(application, { topic, partition });
      positions.set(topic, committed?.offset ?? (await log.startOffset({ topic, partition })));
    }
    const offsets = [...positions].map(([topic, offset]) => ({ topic, offset }));
    if (!this.#open.has(taskId)) {
      this.#open.add(taskId);
      await this.#host.open({ taskId, subTopology, partition, positions: offsets });
    }
    await restoreTask({
      ...{ application, log, task, positions, clock },
      host: this.#host,
      stores: [{ store, offset: 0, commitId: 0, readAt: 0 }],
      // The application may commit meanwhile, so the ledger is of another instant.
      ledger: undefined,
      directory: '',
      shared: true,
      progress: (name, done, total) => progress(taskId, name, done, total),
      stopped: () => false,
    });
  }
}
