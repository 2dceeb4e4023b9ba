/** A runtime on the embedded log of a data directory: what `start`, `run`, `query` and embedders share. */
import { systemClock } from '../base/clock.ts';
import { allObservers, type Observer } from '../base/events.ts';
import { HealthWatch } from '../http/health.ts';
import { type HttpEndpoint, serveHttp } from '../http/server.ts';
import type { EmbeddedLog } from '../log/embedded/log.ts';
import type { SourceConnector } from '../runtime/connector.ts';
import { type LogLevel, logObserver, metricsObserver } from '../runtime/observe.ts';
import { Runtime, type RuntimeOptions } from '../runtime/runtime.ts';
import { rocksBackends } from '../storage/rocksdb.ts';
import { TaskHost } from '../task/task-host.ts';
import { loadTopology, type TopologyReference } from '../thread/load-topology.ts';
import { startWorkers, type WorkerHosts } from '../thread/pool.ts';
import { type Environment, openLog, writeApplication } from './environment.ts';

/** What may be tuned without touching the topology; see RuntimeOptions. */
export type Settings = Pick<
  RuntimeOptions,
  | 'partitions'
  | 'recordsPerCycle'
  | 'dirtyBytesMax'
  | 'cacheBytes'
  | 'idleAfterMs'
  | 'maintainEveryMs'
  | 'onError'
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
  /** Port for /metrics and /health on the loopback interface; 0 takes a free one. */
  readonly http?: number;
  /** Log lines on standard error, JSON; default 'warn'. */
  readonly logLevel?: LogLevel;
}

export interface Execution {
  readonly log: EmbeddedLog;
  readonly runtime: Runtime;
  readonly application: string;
  close(): Promise<void>;
}

/** Opens log, threads and runtime; the caller runs and closes it. */
export async function execute(options: ExecutionOptions): Promise<Execution> {
  const { env, reference, threads, settings, sources } = options;
  const topology = await loadTopology(reference);
  const application = options.application ?? topology.name;
  const log = await openLog(env, application);
  let workers: WorkerHosts | undefined;
  let runtime: Runtime | undefined;
  let endpoint: HttpEndpoint | undefined;
  const stop = async () => {
    await workers?.stop();
    await log.close();
    await endpoint?.close();
  };
  const observers = [logObserver(options.logLevel ?? 'warn')];
  if (options.observer !== undefined) observers.push(options.observer);
  try {
    if (options.http !== undefined) {
      const health = new HealthWatch(systemClock);
      const { observer, registry } = metricsObserver(async () => (await runtime?.lag()) ?? []);
      observers.push(health.observer, observer);
      endpoint = await serveHttp({
        port: options.http,
        health: () => health.health,
        metrics: async () => ({
          contentType: registry.contentType,
          text: await registry.metrics(),
        }),
      });
      process.stderr.write(`metrics and health on http://127.0.0.1:${endpoint.port}\n`);
    }
    const running = await Runtime.start({
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
      observer: allObservers(observers),
    });
    runtime = running;
    await writeApplication(env, { application, topology: reference });
    const close = async () => {
      await running.close();
      await stop();
    };
    return { log, runtime: running, application, close };
  } catch (error) {
    await stop();
    throw error;
  }
}
