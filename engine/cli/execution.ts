/** What `start`, `run` and `query` share: a runtime on the embedded log of a data directory. */
import type { Observer } from '../base/events.ts';
import type { EmbeddedLog } from '../log/embedded/log.ts';
import type { SourceConnector } from '../runtime/connector.ts';
import { Runtime, type RuntimeOptions } from '../runtime/runtime.ts';
import { rocksBackends } from '../storage/rocksdb.ts';
import { TaskHost } from '../task/task-host.ts';
import { loadTopology, type TopologyReference } from '../thread/load-topology.ts';
import { startWorkers, type WorkerHosts } from '../thread/pool.ts';
import { type Environment, openLog, writeApplication } from './environment.ts';

/** What may be tuned without touching the topology; see RuntimeOptions. */
export type Settings = Pick<
  RuntimeOptions,
  'partitions' | 'recordsPerCycle' | 'dirtyBytesMax' | 'cacheBytes' | 'idleAfterMs' | 'onError'
>;

export interface ExecutionOptions {
  readonly env: Environment;
  readonly reference: TopologyReference;
  /** Default: the topology's name. */
  readonly application?: string;
  /** 0: all tasks on the main thread. */
  readonly threads: number;
  readonly settings?: Settings;
  readonly sources?: readonly SourceConnector[];
  readonly observer?: Observer;
}

export interface Execution {
  readonly log: EmbeddedLog;
  readonly runtime: Runtime;
  readonly application: string;
  close(): Promise<void>;
}

export async function execute(options: ExecutionOptions): Promise<Execution> {
  const { env, reference, threads, settings, sources, observer } = options;
  const topology = await loadTopology(reference);
  const application = options.application ?? topology.name;
  const log = await openLog(env, application);
  let workers: WorkerHosts | undefined;
  const stop = async () => {
    await workers?.stop();
    await log.close();
  };
  try {
    const runtime = await Runtime.start({
      topology,
      application,
      log,
      stateDirectory: env.stateDirectory,
      startHosts: async (config) => {
        if (threads === 0) return [new TaskHost(topology, config, rocksBackends)];
        // Asked for again when a worker has died.
        await workers?.stop();
        workers = await startWorkers({ topology, reference, config, threads });
        return workers.hosts;
      },
      ...settings,
      ...(sources === undefined ? {} : { sources }),
      ...(observer === undefined ? {} : { observer }),
    });
    await writeApplication(env, { application, topology: reference });
    const close = async () => {
      await runtime.close();
      await stop();
    };
    return { log, runtime, application, close };
  } catch (error) {
    await stop();
    throw error;
  }
}
