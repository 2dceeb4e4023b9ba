/** The last application of a data directory, opened for questions; it may be running meanwhile. */
import { systemClock } from '../base/clock.ts';
import { MillraceError } from '../base/errors.ts';
import { openAnyLog } from '../embed/any-log.ts';
import {
  type ApplicationFile,
  type Environment,
  environment,
  knownApplication,
  openKeptLog,
  readApplication,
} from '../embed/environment.ts';
import { execute } from '../embed/execute.ts';
import { type RunningProcess, runningProcess } from '../embed/local-questions.ts';
import { openKafkaLog } from '../log/kafka/adapter/kafka-log.ts';
import type { KafkaSettings } from '../log/kafka/settings/kafka-settings.ts';
import type { Log } from '../log/log.ts';
import { Look } from '../runtime/look.ts';
import { RestoreWatch, restoreText } from '../runtime/restore-watch.ts';
import { loadTopology, type TopologyReference } from '../thread/load-topology.ts';
import { type KafkaFlags, kafkaConfiguration } from './kafka-options.ts';

export interface KeptOptions extends KafkaFlags {
  readonly data: string;
  readonly json?: boolean;
}

/**
 * Log and state of the application that ran last: those of the running process, if there is one;
 * otherwise they are opened without running anything. On Kafka the state is read from the
 * changelogs, because other processes may hold parts of it.
 */
export async function withApplication<T>(
  options: KeptOptions,
  use: (
    opened: Pick<RunningProcess, 'application' | 'log' | 'runtime'> & {
      readonly reference: TopologyReference;
    },
  ) => Promise<T>,
): Promise<T> {
  const env = environment(options.data);
  const file = await readApplication(env);
  const { application, topology: reference } = file;
  const settings = await kafkaOf(options, file);
  const look = async (log: Log) => {
    try {
      const topology = await loadTopology(reference);
      const options = { topology, application, log, progress: restoreLine() };
      return await use({ application, reference, log, runtime: await Look.open(options) });
    } finally {
      await log.close();
    }
  };
  if (settings !== undefined) return look(await openKafkaLog({ settings, application }));
  const running = await runningProcess(env);
  if (running !== undefined) return use({ ...running, reference });
  if (file.log !== undefined) return look(await openAnyLog({ env, application, log: file.log }));
  // Without a log, its error says what is missing.
  await (await openKeptLog(env, application)).close();
  const execution = await execute({ env, reference, application, threads: 0, answers: false });
  try {
    return await use({ ...execution, reference });
  } finally {
    await execution.close();
  }
}

/** The log of the data directory, even while a process runs there, or Kafka. */
export async function openInspected(options: KeptOptions): Promise<Log> {
  const env = environment(options.data);
  const file = await knownApplication(env);
  const settings = await kafkaOf(options, file);
  if (settings !== undefined) {
    return openKafkaLog({ settings, application: 'millrace-inspect' });
  }
  const { application } = file ?? (await readApplication(env));
  const running = await runningProcess(env);
  if (running !== undefined) return running.log;
  if (file?.log !== undefined) return openAnyLog({ env, application, log: file.log });
  return openKeptLog(env, application);
}

/**
 * Asks the process that runs in the data folder to write. If none runs, writes to its log directly;
 * on Kafka always directly.
 * @param options.application whose; default: what ran last in the data folder
 */
export async function withWrittenLog<T>(
  options: KeptOptions & { readonly application?: string },
  use: {
    running(process: RunningProcess): Promise<T>;
    stopped(opened: {
      readonly log: Log;
      readonly application: string;
      readonly reference: TopologyReference | undefined;
      readonly isShared: boolean;
      readonly env: Environment;
    }): Promise<T>;
  },
): Promise<T> {
  const env = environment(options.data);
  const file = await knownApplication(env);
  const settings = await kafkaOf(options, file);
  const application = options.application ?? (file ?? (await readApplication(env))).application;
  const reference = file?.application === application ? file.topology : undefined;
  const running = settings === undefined ? await runningProcess(env) : undefined;
  if (running !== undefined) {
    if (running.application === application) return use.running(running);
    const problem = `${running.application} runs in ${env.directory}, not ${application}`;
    throw new MillraceError('USAGE', { problem });
  }
  const opened = { application, reference, env, isShared: settings !== undefined };
  const log = await openWritten(env, application, settings, file);
  try {
    return await use.stopped({ ...opened, log });
  } finally {
    await log.close();
  }
}

function openWritten(
  env: Environment,
  application: string,
  settings: KafkaSettings | undefined,
  file: ApplicationFile | undefined,
): Promise<Log> {
  if (settings !== undefined) return openKafkaLog({ settings, application });
  if (file?.log !== undefined) return openAnyLog({ env, application, log: file.log });
  return openKeptLog(env, application);
}

/** Kafka at the given brokers, or at those of the last run. */
export async function kafkaOf(
  options: KafkaFlags,
  file: ApplicationFile | undefined,
): Promise<KafkaSettings | undefined> {
  const named = (await kafkaConfiguration(options))?.settings;
  if (named !== undefined || file?.kafka === undefined) return named;
  return (await kafkaConfiguration({ ...options, brokers: file.kafka.brokers }))?.settings;
}

/** Number of changelog records from which a restore is reported. */
const worthSaying = 100_000;

function restoreLine(): (task: string, store: string, done: number, total: number) => void {
  const watch = new RestoreWatch(systemClock);
  return (task, store, done, total) => {
    const state = watch.advance({ task, store, done, total });
    if (state === undefined || state.total < worthSaying) return;
    process.stderr.write(`${restoreText(state)}\n`);
  };
}
