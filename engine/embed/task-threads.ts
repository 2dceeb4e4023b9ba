/** Where the tasks of an application run: in worker threads, or on the main one. */
import type { Topology } from '../graph/graph.ts';
import type { BackendFactory } from '../storage/backend.ts';
import type { BackendChoice } from '../storage/backends.ts';
import type { HostConfig, HostPort } from '../task/host-port.ts';
import { TaskHost } from '../task/task-host.ts';
import type { TopologyReference } from '../thread/load-topology.ts';
import { endSpawned, spawnThreads, startWorkers, type WorkerHosts } from '../thread/pool.ts';

export class TaskThreads {
  readonly #threads: number;
  readonly #stateBackend: BackendChoice;
  /** Threads that load while the log is opened; the first start uses them. */
  #spawned: ReturnType<typeof spawnThreads> | undefined;
  #workers: WorkerHosts | undefined;

  /** @param threads 0: all tasks on the main thread */
  constructor(threads: number, stateBackend: BackendChoice, memoryBytes: number | undefined) {
    this.#threads = threads;
    this.#stateBackend = stateBackend;
    if (threads > 0) this.#spawned = spawnThreads(threads, stateBackend, memoryBytes);
  }

  /** Hosts of tasks. Called again after a worker has died, which ends the others. */
  async start(
    topology: Topology,
    reference: TopologyReference,
    config: HostConfig,
    backends: BackendFactory,
  ): Promise<readonly HostPort[]> {
    if (this.#threads === 0) return [new TaskHost(topology, config, backends)];
    await this.#workers?.stop();
    const spawned = this.#spawned;
    this.#spawned = undefined;
    this.#workers = await startWorkers({
      ...{ topology, reference, config, threads: this.#threads },
      ...{ stateBackend: this.#stateBackend, spawned },
    });
    return this.#workers.hosts;
  }

  async stop(): Promise<void> {
    await this.#workers?.stop();
    if (this.#spawned !== undefined) await endSpawned(this.#spawned);
  }
}
