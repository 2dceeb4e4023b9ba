/**
 * A runtime on the embedded log of a data directory or on Kafka: what `start`, `run`, `query` and
 * embedders share.
 */
import { hostname } from 'node:os';
import { systemClock } from '../base/clock.ts';
import { isPassing } from '../base/errors.ts';
import { allObservers, type Observer } from '../base/events.ts';
import { defaultMemoryBytes, keepHeapsSmall } from '../base/memory.ts';
import { systemScheduler } from '../base/scheduler.ts';
import {
  checkSetting,
  optional,
  portNumber,
  refuseSetting,
  threadCount,
} from '../base/settings.ts';
import type { RowMappings } from '../connect/row-mapping.ts';
import { changeRoutes } from '../http/change-routes.ts';
import { Console } from '../http/console.ts';
import { HealthWatch } from '../http/health.ts';
import { type HttpEndpoint, type HttpOptions, serveHttp } from '../http/http-server.ts';
import type { PageServer } from '../http/page.ts';
import { HttpProcesses, processRoutes } from '../http/processes.ts';
import type { AnyRoute } from '../http/routes.ts';
import { tableRoutes } from '../http/table-routes.ts';
import type { KafkaSettings } from '../log/kafka/settings/kafka-settings.ts';
import type { Log } from '../log/log.ts';
import type { SourceConnector } from '../runtime/connector.ts';
import type { LocalTasks } from '../runtime/local-tasks.ts';
import { type LogLevel, logObserver, type Metrics, metricsObserver } from '../runtime/observe.ts';
import { Owners } from '../runtime/owners.ts';
import { checkRuntimeSettings, type RuntimeSettings } from '../runtime/run-settings.ts';
import { Runtime } from '../runtime/runtime.ts';
import { StatsdEmitter, statsdAddress } from '../runtime/statsd.ts';
import { TableQuestions } from '../runtime/table-questions.ts';
import { TimeWatch } from '../runtime/time-watch.ts';
import { TopicTails } from '../runtime/topic-tail.ts';
import { TaskHost } from '../task/task-host.ts';
import { type LogChoice, loadBackends } from '../thread/adapters.ts';
import { loadTopology, type TopologyReference } from '../thread/load-topology.ts';
import { spawnThreads, startWorkers, type WorkerHosts } from '../thread/pool.ts';
import { Announcement } from './announcement.ts';
import { openAnyLog } from './any-log.ts';
import { type Environment, knownApplication, writeApplication } from './environment.ts';
import { answerLocally } from './local-questions.ts';
import { operateRoutes } from './operate-routes.ts';

/** What may be tuned without touching the topology. */
export type Settings = RuntimeSettings;

export interface ExecutionOptions {
  readonly env: Environment;
  /** The log is Kafka; the data directory holds state only. */
  readonly kafka?: KafkaSettings;
  /**
   * The log is one from outside: a LogFactory, or the path of a module whose default export is one.
   * A path is kept, so that the command line finds the log again. Not with `kafka`.
   */
  readonly log?: LogChoice;
  readonly reference: TopologyReference;
  /** Default: the topology's name. */
  readonly application?: string;
  /** 0: all tasks on the main thread. */
  readonly threads: number;
  readonly settings?: Settings;
  readonly sources?: readonly SourceConnector[];
  readonly observer?: Observer;
  /** Port for /metrics and /health; 0 takes a free one. */
  readonly http?: number;
  /** Where they are served; default the loopback interface. */
  readonly httpHost?: string;
  /** host:port of a DogStatsD agent, to which the metrics are sent; needs the package hot-shots. */
  readonly statsd?: string | undefined;
  /** On Kafka: host:port at which other processes reach this one; default: where it listens. */
  readonly advertise?: string;
  /** Questions that are answered beside them. */
  readonly routes?: (running: Running) => readonly AnyRoute[];
  /** Serves instead of `serveHttp`: an application with a server of its own. */
  readonly listen?: (parts: ServerParts) => Promise<HttpEndpoint>;
  /** By which rows of dead letters become records again on a replay; without them rows are left. */
  readonly mappings?: RowMappings;
  /** Questions about people and segments are among the routes: the console shows them. */
  readonly hasPeople?: boolean;
  /** Commands may ask this process over a socket in the data directory; default true. */
  readonly answers?: boolean;
  /** Log lines on standard error, JSON; default 'warn'. */
  readonly logLevel?: LogLevel;
}

/** An application that runs here. */
export interface Running {
  readonly runtime: Runtime;
  readonly log: Log;
  readonly tables: TableQuestions;
  /** What is committed, as it comes. */
  readonly tails: TopicTails;
  readonly application: string;
  /** Which process holds which task, on Kafka. */
  readonly owners: Owners;
  /** By which rows of dead letters become records again; without them rows are left. */
  readonly mappings: RowMappings | undefined;
}

/** What a server of the application is made of. */
export interface ServerParts extends HttpOptions {
  readonly host: string;
  /** Undefined while the application is not there yet. */
  readonly running: () => Running | undefined;
  readonly application: string;
  readonly observer: Observer;
  readonly page: PageServer;
}

export interface Execution {
  /** Where it serves HTTP; undefined where it does not. */
  readonly url?: string;
  readonly log: Log;
  readonly runtime: Runtime;
  readonly application: string;
  /** Told of everything that happens: log lines, metrics, health. */
  readonly observer: Observer;
  close(): Promise<void>;
}

/**
 * Opens log, threads and runtime; the caller runs and closes it.
 * @throws CONFIG_INVALID for a setting that makes no sense, among other errors of the catalogue
 */
export async function execute(options: ExecutionOptions): Promise<Execution> {
  const { env, reference, threads, settings, sources } = options;
  checkRuntimeSettings('settings', settings ?? {});
  checkSetting('threads', threads, threadCount);
  checkSetting('http', options.http, optional(portNumber));
  const agent = options.statsd === undefined ? undefined : statsdAddress(options.statsd);
  if (options.kafka !== undefined && options.log !== undefined) {
    refuseSetting('log', 'is either Kafka or one from outside: leave out the brokers, or the log');
  }
  const { stateBackend } = env;
  keepHeapsSmall(settings?.memoryBytes ?? defaultMemoryBytes());
  let spawned =
    threads === 0 ? undefined : spawnThreads(threads, stateBackend, settings?.memoryBytes);
  const observers = [logObserver(options.logLevel ?? 'warn')];
  if (options.observer !== undefined) observers.push(options.observer);
  const observer: Observer = { on: (name, event) => allObservers(observers).on(name, event) };
  const everyone = observer;
  let log: Log | undefined;
  let workers: WorkerHosts | undefined;
  let runtime: Runtime | undefined;
  let application = '';
  /** Where other processes reach this one. */
  let address: string | undefined;
  let questions: Running | undefined;
  const running = () => {
    if (runtime === undefined || log === undefined) return undefined;
    if (questions !== undefined) return questions;
    const owners = new Owners(log, application);
    const others = address === undefined ? undefined : new HttpProcesses(owners, address);
    questions = {
      ...{ runtime, log, application, owners, mappings: options.mappings },
      tables: new TableQuestions({ local: runtime.tasks, others }),
      tails: tailsOf(log, observers),
    };
    return questions;
  };
  let routes: readonly AnyRoute[] | undefined;
  let endpoint: HttpEndpoint | undefined;
  let statsd: StatsdEmitter | undefined;
  let page: Console | undefined;
  let announcement: Announcement | undefined;
  let url: string | undefined;
  const stop = async () => {
    // First: requests that are under way still write to the log.
    announcement?.cancel();
    page?.close();
    await endpoint?.close();
    await statsd?.close();
    await workers?.stop();
    await spawned?.pool.destroy();
    await log?.close();
  };
  try {
    const topology = await loadTopology(reference);
    const backends = await loadBackends(stateBackend);
    application = options.application ?? topology.name;
    const metrics = metricsOf(options, () => runtime);
    if (metrics !== undefined) observers.push(metrics.observer);
    if (options.http !== undefined) {
      const { httpHost: host = '127.0.0.1' } = options;
      const health = new HealthWatch(systemClock);
      page = new Console({
        ...{ application, topology, running, health: () => health.health },
        ...{ clock: systemClock, scheduler: systemScheduler },
        hasPeople: options.hasPeople ?? false,
      });
      observers.push(health.observer, page.watch.observer);
      const listen = options.listen ?? serveHttp;
      endpoint = await listen({
        application,
        observer: everyone,
        running,
        page,
        port: options.http,
        host,
        health: () => health.health,
        metrics: async () => ({
          contentType: metrics?.registry.contentType ?? '',
          text: (await metrics?.registry.metrics()) ?? '',
        }),
        routes: () => {
          const now = running();
          if (now === undefined) return undefined;
          routes ??= [...engineRoutes(now), ...(options.routes?.(now) ?? [])];
          return routes;
        },
      });
      if (options.kafka !== undefined) {
        address = options.advertise ?? addressOf(host, endpoint.port);
      }
      url = urlOf(host, endpoint.port);
      const lines = [
        `questions, metrics and health on http://${host}:${endpoint.port}`,
        `console on ${url}/console/`,
      ];
      announcement = new Announcement(lines, (text) => process.stderr.write(text));
      observers.push(announcement.observer);
    }
    if (agent !== undefined && metrics !== undefined) {
      const registries = () => [
        metrics.registry,
        ...(endpoint?.registry ? [endpoint.registry] : []),
      ];
      const to = { ...agent, scheduler: systemScheduler };
      statsd = await StatsdEmitter.open({ ...to, registries, observer: everyone });
    }
    // Brokers may be waited for; health tells so meanwhile.
    const { kafka } = options;
    // As the state backend: the one that ran here last, where nothing is said.
    const last = kafka === undefined ? (await knownApplication(env))?.log : undefined;
    const chosenLog = options.log ?? last;
    const opened = await openAnyLog({ env, application, kafka, log: chosenLog }, observer);
    log = opened;
    const started = await patiently(options.kafka, () =>
      Runtime.start({
        topology,
        application,
        log: opened,
        stateDirectory: env.stateDirectory,
        startHosts: async (config) => {
          if (threads === 0) return [new TaskHost(topology, config, backends)];
          // Asked for again when a worker has died.
          await workers?.stop();
          const first = spawned;
          spawned = undefined;
          workers = await startWorkers({
            ...{ topology, reference, config, threads, stateBackend },
            spawned: first,
          });
          return workers.hosts;
        },
        ...settings,
        ...(address === undefined ? {} : { address }),
        ...(sources === undefined ? {} : { sources }),
        observer,
      }),
    );
    runtime = started;
    const kept = { application, topology: reference, stateBackend };
    await writeApplication(env, {
      ...kept,
      ...(kafka && { kafka: { brokers: kafka.brokers } }),
      ...(typeof chosenLog === 'string' && { log: chosenLog }),
    });
    const asked =
      options.answers === false
        ? undefined
        : await answerLocally(env, {
            ...{ application, topology, runtime: started, log: opened },
            mappings: options.mappings,
          });
    const watch = new TimeWatch({ time: () => started.time(), observer, clock: systemClock });
    watch.start(systemScheduler);
    const close = async () => {
      watch.close();
      await asked?.close();
      await started.close();
      await stop();
    };
    const at = url === undefined ? {} : { url };
    return { ...at, log: opened, runtime: started, application, observer, close };
  } catch (error) {
    await stop();
    throw error;
  }
}

/** Where somebody takes them. */
function metricsOf(
  { env, http, statsd }: ExecutionOptions,
  runtime: () => Runtime | undefined,
): Metrics | undefined {
  if (http === undefined && statsd === undefined) return undefined;
  return metricsObserver(
    async () => (await runtime()?.lag()) ?? [],
    async () => runtime()?.time(),
    env.directory,
  );
}

/**
 * Where a person opens it: one that listens everywhere is reached here by this machine's own name.
 */
function urlOf(host: string, port: number): string {
  const own = host === '0.0.0.0' || host === '::' ? 'localhost' : host;
  return `http://${own.includes(':') ? `[${own}]` : own}:${port}`;
}

/** What is answered of every topology. */
export function engineRoutes(asked: Running): readonly AnyRoute[] {
  const local = {
    ask: (...args: Parameters<LocalTasks['ask']>) => asked.runtime.tasks.ask(...args),
    get commitId() {
      return asked.runtime.tasks.commitId;
    },
  };
  const processes = processRoutes({
    local,
    get owners() {
      return asked.owners;
    },
  });
  return [...tableRoutes(asked), ...changeRoutes(asked), ...operateRoutes(asked), ...processes];
}

/** The address by which another machine is to find this one, where nothing is said. */
function addressOf(host: string, port: number): string {
  const name = ['0.0.0.0', '::', ''].includes(host) ? hostname() : host;
  return name.includes(':') ? `[${name}]:${port}` : `${name}:${port}`;
}

/** Tails that hear of each commit of this process. */
function tailsOf(log: Log, observers: Observer[]): TopicTails {
  const tails = new TopicTails(log);
  observers.push({
    on: (name) => {
      if (name === 'cycleCommitted') tails.committed();
    },
  });
  return tails;
}

/**
 * Brokers that go away while the run starts are waited for, as long as those that are not there
 * yet.
 */
async function patiently<T>(kafka: KafkaSettings | undefined, start: () => Promise<T>): Promise<T> {
  const end = systemClock.monotonic() + (kafka?.connectTimeoutMs ?? 0);
  for (;;) {
    try {
      return await start();
    } catch (error) {
      const over = systemClock.monotonic() >= end;
      if (over || !isPassing(error)) throw error;
      process.stderr.write(`${error.message}; trying again\n`);
    }
  }
}
