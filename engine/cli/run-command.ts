/**
 * `run`: runs a topology module on the embedded log or on Kafka, until it is interrupted or has
 * caught up.
 */
import { resolve } from 'node:path';
import { systemClock } from '../base/clock.ts';
import { MillraceError } from '../base/errors.ts';
import type { Observer, TelemetryEvents } from '../base/events.ts';
import { environment, prepare } from '../embed/environment.ts';
import { execute } from '../embed/execute.ts';
import type { SourceConnector } from '../runtime/connector.ts';
import type { LogLevel } from '../runtime/observe.ts';
import { RestoreWatch, restoreText } from '../runtime/restore-watch.ts';
import type { OffsetLost } from '../runtime/task-opener.ts';
import type { BackendChoice } from '../storage/backends.ts';
import { moduleChosen } from '../thread/adapters.ts';
import { loadTopology, type TopologyReference } from '../thread/load-topology.ts';
import { balance, checkTaken } from './balance.ts';
import { type InputToken, inputGroups } from './input-groups.ts';
import { onInterrupt, whileStarting } from './interrupt.ts';
import { type KafkaFlags, kafkaConfiguration } from './kafka-options.ts';
import { print, printJson } from './output.ts';
import { sourcesFrom } from './pulled-sources.ts';
import type { ShippedApplication } from './shipped-application.ts';
import { type TimeFlags, timeSettings } from './time-flags.ts';
import { checkNames, groupSources, mappedSource, topicOf } from './topic-input.ts';

/** Number of changelog records from which a restore is reported. */
const worthSaying = 10_000;

export interface RunOptions extends KafkaFlags, TimeFlags {
  /** Longest time from the first signal to the end of the process, ms. */
  readonly stopWithin?: number;
  /** The inputs: see input-groups.ts. */
  readonly tokens: readonly InputToken[];
  /** File of the pulled sources (docs/SOURCES.md). */
  readonly sources?: string;
  readonly onOffsetLost?: OffsetLost;
  readonly data: string;
  readonly stateBackend?: BackendChoice;
  /** A log from outside, by module. */
  readonly log?: string;
  /** Bytes for state. */
  readonly memory?: number;
  readonly application?: string;
  readonly threads: number;
  readonly partitions?: number;
  readonly recordsPerCycle?: number;
  readonly untilCaughtUp?: boolean;
  readonly fresh?: boolean;
  readonly orphan?: readonly string[];
  readonly http?: number;
  readonly httpHost?: string;
  /** host:port of a DogStatsD agent. */
  readonly statsd?: string;
  readonly logLevel: LogLevel;
  readonly json?: boolean;
}

export async function run(
  module: string,
  options: RunOptions,
  application: ShippedApplication,
): Promise<void> {
  const env = environment(options.data, options.stateBackend, options.fresh);
  const kafka = (await kafkaConfiguration(options))?.settings;
  const say = (text: string) => process.stderr.write(`${text}\n`);
  const signal = onInterrupt(say, options.stopWithin);
  const { application: name, threads, partitions, onOffsetLost } = options;
  const { recordsPerCycle } = options;
  const reference = { module: resolve(module) };
  // Report errors in the module, the input or the options before anything is deleted.
  await loadTopology(reference);
  const sources = await sourcesOf(reference, options, application, say);
  await prepare(env, options.fresh === true, options);
  const started = whileStarting(signal, say);
  const execution = await execute({
    env,
    reference,
    sources,
    threads,
    observer: restoreLines(say),
    logLevel: options.logLevel,
    ...(options.http === undefined ? {} : { http: options.http }),
    ...(options.httpHost === undefined ? {} : { httpHost: options.httpHost }),
    statsd: options.statsd,
    ...(options.advertise === undefined ? {} : { advertise: options.advertise }),
    mappings: application.mappings,
    ...(name === undefined ? {} : { application: name }),
    ...(kafka === undefined ? {} : { kafka }),
    ...(options.log === undefined ? {} : { log: moduleChosen('log', options.log) }),
    settings: {
      ...(kafka === undefined ? {} : { commitIntervalMs: kafka.commitIntervalMs }),
      ...(options.memory === undefined ? {} : { memoryBytes: options.memory }),
      ...(partitions === undefined ? {} : { partitions }),
      ...(recordsPerCycle === undefined ? {} : { recordsPerCycle }),
      ...(options.orphan === undefined ? {} : { orphans: options.orphan }),
      ...(onOffsetLost === undefined ? {} : { onOffsetLost }),
      ...timeSettings(options),
    },
  });
  started();
  try {
    const { runtime } = execution;
    const tasks = runtime.plan.tasks.length;
    say(`${execution.application}: ${tasks} tasks on ${threads || 'the main'} thread(s)`);
    const summary =
      options.untilCaughtUp === true
        ? await runtime.runUntilCaughtUp(signal)
        : await runtime.run(signal);
    if (options.json === true) printJson(summary);
    else print(balance(summary));
    checkTaken(summary);
  } finally {
    await execution.close();
  }
}

/** Reports the progress of a long restore; short ones are not reported. */
function restoreLines(say: (text: string) => void): Observer {
  const watch = new RestoreWatch(systemClock);
  return {
    on: (name, event) => {
      if (name !== 'restoreProgress') return;
      const state = watch.advance(event as TelemetryEvents['restoreProgress']);
      if (state !== undefined && state.total >= worthSaying) say(restoreText(state));
    },
  };
}

/**
 * A mapping turns the rows of `--input` into its records. Without one, rows are records of one
 * topic.
 */
async function sourcesOf(
  reference: TopologyReference,
  options: RunOptions,
  application: ShippedApplication,
  say: (text: string) => void,
): Promise<SourceConnector[]> {
  const pulled =
    options.sources === undefined
      ? []
      : await sourcesFrom(options.sources, {
          application,
          topology: await loadTopology(reference),
          isReady: false,
          warn: say,
          bounded: options.untilCaughtUp === true,
        });
  const sources = [...(await inputSources(reference, options, application, say)), ...pulled];
  checkNames(sources);
  return sources;
}

async function inputSources(
  reference: TopologyReference,
  { tokens, data }: RunOptions,
  { mappings }: ShippedApplication,
  say: (text: string) => void,
): Promise<SourceConnector[]> {
  const groups = inputGroups(tokens);
  const [first, ...others] = groups;
  if (first === undefined) return [];
  const topology = await loadTopology(reference);
  if (first.inputs.length === 0 && first.mapping !== undefined && others.length === 0) {
    const file = await mappings.ownInput(first.mapping, environment(data).directory);
    if (file !== undefined) {
      const mapping = await mappings.read(first.mapping);
      return [mappedSource([file], mapping, topicOf(topology, mappings, first.topic))];
    }
  }
  if (groups.some(({ inputs }) => inputs.length === 0)) {
    throw new MillraceError('USAGE', {
      problem: '--mapping, --topic, --key and --time need --input',
    });
  }
  return groupSources(topology, groups, say, mappings);
}
