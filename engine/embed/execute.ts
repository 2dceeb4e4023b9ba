/**
 * A runtime on the embedded log of a data directory or on Kafka, with its HTTP services; shared by
 * the commands `start`, `run` and `query` and by embedders.
 */
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
import type { Topology } from '../graph/graph.ts';
import type { KafkaSettings } from '../log/kafka/settings/kafka-settings.ts';
import type { Log } from '../log/log.ts';
import { logObserver } from '../runtime/observe.ts';
import { checkRuntimeSettings } from '../runtime/run-settings.ts';
import { Runtime } from '../runtime/runtime.ts';
import { statsdAddress } from '../runtime/statsd.ts';
import { TimeWatch } from '../runtime/time-watch.ts';
import { type LogChoice, loadBackends } from '../thread/adapters.ts';
import { loadTopology } from '../thread/load-topology.ts';
import { openAnyLog } from './any-log.ts';
import { knownApplication, writeApplication } from './environment.ts';
import type { Execution, ExecutionOptions } from './execution-options.ts';
import { answerLocally } from './local-questions.ts';
import { RunningHere } from './running-here.ts';
import { Serving } from './serving.ts';
import { TaskThreads } from './task-threads.ts';

/**
 * Opens log, threads and runtime; the caller runs and closes it.
 * @throws CONFIG_INVALID for an invalid setting, among other errors of the catalogue
 */
export async function execute(options: ExecutionOptions): Promise<Execution> {
  check(options);
  const { env, settings, threads } = options;
  const agent = options.statsd === undefined ? undefined : statsdAddress(options.statsd);
  keepHeapsSmall(settings?.memoryBytes ?? defaultMemoryBytes());
  const starting = new Starting(
    options,
    new TaskThreads(threads, env.stateBackend, settings?.memoryBytes),
  );
  try {
    return await starting.start(agent);
  } catch (error) {
    await starting.stop();
    throw error;
  }
}

function check({ settings, threads, http, kafka, log }: ExecutionOptions): void {
  checkRuntimeSettings('settings', settings ?? {});
  checkSetting('threads', threads, threadCount);
  checkSetting('http', http, optional(portNumber));
  if (kafka !== undefined && log !== undefined) {
    refuseSetting('log', 'is either Kafka or one from outside: leave out the brokers, or the log');
  }
}

/** An execution being opened; a failure closes the parts that are already open. */
class Starting {
  readonly #options: ExecutionOptions;
  readonly #threads: TaskThreads;
  readonly #observers: Observer[];
  readonly #observer: Observer;
  #serving: Serving | undefined;
  #log: Log | undefined;

  constructor(options: ExecutionOptions, threads: TaskThreads) {
    this.#options = options;
    this.#threads = threads;
    const observers = [logObserver(options.logLevel ?? 'warn')];
    if (options.observer !== undefined) observers.push(options.observer);
    this.#observers = observers;
    this.#observer = { on: (name, event) => allObservers(observers).on(name, event) };
  }

  async start(agent: ReturnType<typeof statsdAddress> | undefined): Promise<Execution> {
    const options = this.#options;
    const observer = this.#observer;
    const topology = await loadTopology(options.reference);
    const application = options.application ?? topology.name;
    const observe = (one: Observer) => {
      this.#observers.push(one);
    };
    const here = new RunningHere(application, options.mappings, observe);
    const parts = { options, application, topology, here, agent, observer, observe };
    const serving = new Serving(parts);
    this.#serving = serving;
    const backends = await loadBackends(options.env.stateBackend);
    await serving.open();
    const chosenLog = await this.#chosenLog();
    const log = await openAnyLog(
      { env: options.env, application, kafka: options.kafka, log: chosenLog },
      observer,
    );
    this.#log = log;
    here.log = log;
    const startHosts = (config: Parameters<TaskThreads['start']>[2]) =>
      this.#threads.start(topology, options.reference, config, backends);
    // The start may wait for brokers; health reports it meanwhile.
    const runtime = await patiently(options.kafka, () =>
      Runtime.start({
        ...{ topology, application, log, startHosts, observer },
        stateDirectory: options.env.stateDirectory,
        ...options.settings,
        ...(here.address === undefined ? {} : { address: here.address }),
        ...(options.sources === undefined ? {} : { sources: options.sources }),
      }),
    );
    here.runtime = runtime;
    await this.#keep(application, chosenLog);
    const answers = await this.#answerLocally({ application, topology, runtime, log });
    const watch = new TimeWatch({ time: () => runtime.time(), observer, clock: systemClock });
    watch.start(systemScheduler);
    const close = async () => {
      watch.close();
      await answers?.close();
      await runtime.close();
      await this.stop();
    };
    const at = serving.url === undefined ? {} : { url: serving.url };
    return { ...at, log, runtime, application, observer, close };
  }

  /** Closes everything except the runtime, which ends earlier. */
  async stop(): Promise<void> {
    await this.#serving?.close();
    await this.#threads.stop();
    await this.#log?.close();
  }

  /** Default, as for the state backend: the log that ran here last. */
  async #chosenLog(): Promise<LogChoice | undefined> {
    const { env, kafka, log } = this.#options;
    const last = kafka === undefined ? (await knownApplication(env))?.log : undefined;
    return log ?? last;
  }

  /** Stores the application in the data directory for later commands. */
  async #keep(application: string, chosenLog: LogChoice | undefined): Promise<void> {
    const { env, reference, kafka } = this.#options;
    await writeApplication(env, {
      ...{ application, topology: reference, stateBackend: env.stateBackend },
      ...(kafka && { kafka: { brokers: kafka.brokers } }),
      ...(typeof chosenLog === 'string' && { log: chosenLog }),
    });
  }

  async #answerLocally(asked: {
    readonly application: string;
    readonly topology: Topology;
    readonly runtime: Runtime;
    readonly log: Log;
  }): Promise<{ close(): Promise<void> } | undefined> {
    const { answers, env, mappings } = this.#options;
    return answers === false ? undefined : await answerLocally(env, { ...asked, mappings });
  }
}

/**
 * Brokers that become unavailable during the start are awaited as long as those not yet available.
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
