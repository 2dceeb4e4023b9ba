/** Options of several commands. Each call creates a new one. */
import { InvalidArgumentError, Option } from 'commander';
import { bytesOf, leastMemoryBytes } from '../base/memory.ts';
import { ms, portNumber, threadCount } from '../base/settings.ts';
import { defaultData } from '../embed/environment.ts';
import { logLevels } from '../runtime/observe.ts';
import { backendNames } from '../storage/backends.ts';
import { stopWithinMs } from './interrupt.ts';
import { numberOption } from './number-option.ts';

/** Default host of the HTTP server. */
export const standardPort = 8_080;

export const dataOption = (): Option =>
  new Option('--data <folder>', 'where log and state lie')
    .env('MILLRACE_DATA')
    .default(defaultData);

export const memoryOption = (): Option =>
  new Option(
    '--memory <size>',
    'for state, over all threads, such as 512M; default: 30 % of what the container or machine has beside 200M',
  )
    .env('MILLRACE_MEMORY')
    .argParser(memorySize);

export const stateBackendOption = (): Option =>
  new Option(
    '--state-backend <name>',
    `what log and state are kept in: ${backendNames.join(' or ')}; or a module whose default export is a BackendFactory, for the state`,
  ).env('MILLRACE_STATE_BACKEND');

export const logOption = (): Option =>
  new Option(
    '--log <module>',
    'a log from outside: a module whose default export is a LogFactory; not with --brokers',
  ).env('MILLRACE_LOG');

export const threadsOption = (): Option =>
  numberOption('--threads <n>', 'worker threads; 0 = all on the main thread', threadCount).default(
    2,
  );

export const stopWithinOption = (): Option =>
  numberOption('--stop-within <ms>', 'from SIGTERM to the end, at most', ms(0))
    .env('MILLRACE_STOP_WITHIN')
    .default(stopWithinMs);

export const jsonOption = (): Option => new Option('--json', 'print JSON');

export const httpOption = (): Option =>
  numberOption(
    '--http <port>',
    'serve the console, /metrics and /health on this port; 0 = a free port',
    portNumber,
  ).env('MILLRACE_HTTP');

export const httpHostOption = (): Option =>
  new Option('--http-host <address>', 'where --http listens')
    .env('MILLRACE_HTTP_HOST')
    .default('127.0.0.1');

export const statsdOption = (): Option =>
  new Option('--statsd <host:port>', 'send the metrics to this DogStatsD agent, too').env(
    'MILLRACE_STATSD',
  );

export const maxDriftOption = (): Option =>
  numberOption(
    '--max-drift <ms>',
    'partitions are read no further ahead of the slowest, in event time',
    ms(0),
  );

export const atEndOption = (): Option =>
  new Option(
    '--at-end <what>',
    'of bounded input: close what is still open, or keep it for more (the default)',
  ).choices(['close', 'keep']);

export const idleAfterOption = (): Option =>
  numberOption(
    '--idle-after <ms>',
    'without records for so long, time passes by the clock: windows close, timers fire',
    ms(0),
  );

export const logLevelOption = (): Option =>
  new Option('--log-level <level>', 'of JSON log lines on standard error')
    .choices(logLevels)
    .default('warn');

export const sourcesOption = (): Option =>
  new Option(
    '--sources <file>',
    'JSON with sources to pull from: REST, tables, buckets, streams (docs/SOURCES.md)',
  ).env('MILLRACE_SOURCES');

export const orphanOption = (): Option =>
  new Option('--orphan <store...>', 'stores of the topology before that may be left behind');

export const freshOption = (): Option =>
  new Option('--fresh', 'forget what earlier runs left in the data folder');

function memorySize(text: string): number {
  const bytes = bytesOf(text);
  if (bytes === undefined || bytes < leastMemoryBytes) {
    throw new InvalidArgumentError('It must be a size from 16M, such as 512M or 2G.');
  }
  return bytes;
}
