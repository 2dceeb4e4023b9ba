/**
 * Turns events into metrics and log lines; the only place that does. Labels contain names of steps,
 * topics and reasons, never keys or values, which may be personal.
 */
import type { StatsFs } from 'node:fs';
import { statfs } from 'node:fs/promises';
import type { Logger } from 'pino';
import type { Gauge as PromGauge, Registry } from 'prom-client';
import { systemClock } from '../base/clock.ts';
import { allObservers, type Observer } from '../base/events.ts';
import { onDemand } from '../base/on-demand.ts';
import type { PartitionLag } from './assignment.ts';
import { logText } from './log-text.ts';
import type { MetricMaker } from './metric-maker.ts';
import { RestoreWatch } from './restore-watch.ts';
import { type Handlers, runMetrics } from './run-metrics.ts';
import { timeMetrics } from './time-metrics.ts';
import type { TimeReport } from './time-report.ts';
import { workMetrics } from './work-metrics.ts';

// Loaded on demand: most runs write no lines and serve no metrics.
const pinoPackage = onDemand<typeof import('pino')>('pino');
const promPackage = onDemand<typeof import('prom-client')>('prom-client');

export const logLevels = ['debug', 'info', 'warn', 'error', 'silent'] as const;
export type LogLevel = (typeof logLevels)[number];

export interface Metrics {
  readonly observer: Observer;
  readonly registry: Registry;
}

export const logFormats = ['text', 'json'] as const;
export type LogFormat = (typeof logFormats)[number];

/**
 * Writes lines to standard error: text on a terminal, else JSON. MILLRACE_LOG_FORMAT (text or json)
 * overrides this.
 */
export function logObserver(level: LogLevel): Observer {
  const said = process.env['MILLRACE_LOG_FORMAT'];
  const isText = said === 'text' || (said !== 'json' && process.stderr.isTTY === true);
  return observerOf(logLines(isText ? textLines(level) : linesOf(level)));
}

function textLines(level: LogLevel): Lines {
  const isColoured = process.stderr.isTTY === true && process.env['NO_COLOR'] === undefined;
  const at = (own: LineLevel) => (event: object, text: string) => {
    if (logLevels.indexOf(own) < logLevels.indexOf(level)) return;
    process.stderr.write(logText(systemClock.now(), own, text, event, isColoured));
  };
  return { debug: at('debug'), info: at('info'), warn: at('warn'), error: at('error') };
}

type LineLevel = Exclude<LogLevel, 'silent'>;
type Lines = Readonly<Record<LineLevel, (event: object, text: string) => void>>;

/** The line writer for events from a level on. */
function linesOf(level: LogLevel): Lines {
  let logger: Logger | undefined;
  const at = (own: LineLevel) => (event: object, text: string) => {
    if (logLevels.indexOf(own) < logLevels.indexOf(level)) return;
    const { pino } = pinoPackage();
    logger ??= pino({ level }, pino.destination(2));
    logger[own](event, text);
  };
  return { debug: at('debug'), info: at('info'), warn: at('warn'), error: at('error') };
}

/**
 * Metrics of the runtime and of the process, which is observed from now on.
 * @param lag called when the metrics are read; waiting records
 * @param time called when the metrics are read; the time report, undefined while nothing runs
 * @param directory the directory of log and state
 */
export function metricsObserver(
  lag: () => Promise<readonly PartitionLag[]>,
  time: () => Promise<TimeReport | undefined> = async () => undefined,
  directory?: string,
): Metrics {
  const { collectDefaultMetrics, Registry } = promPackage();
  const registry = new Registry();
  collectDefaultMetrics({ register: registry });
  const make = makerOf(registry);
  timeMetrics(make, time);
  if (directory !== undefined) diskMetrics(make, directory);
  const handlers: readonly Handlers[] = [
    ...runMetrics(make, systemClock, lag),
    ...workMetrics(make, () => systemClock.now()),
  ];
  return { observer: allObservers(handlers.map(observerOf)), registry };
}

function makerOf(registry: Registry): MetricMaker {
  const { Counter, Gauge, Histogram } = promPackage();
  const of = (name: string, help: string, labelNames: readonly string[] = []) => ({
    ...{ name: `millrace_${name}`, help, labelNames: [...labelNames] },
    registers: [registry],
  });
  return {
    counter: (...about) => new Counter(of(...about)),
    gauge: (...about) => new Gauge(of(...about)),
    asked: (name, help, labelNames, fill) => {
      const own: PromGauge = new Gauge({
        ...of(name, help, labelNames),
        collect: (): void | Promise<void> => fill(own),
      });
    },
    histogram: (name, help, buckets, labelNames) =>
      new Histogram({ ...of(name, help, labelNames), buckets: [...buckets] }),
  };
}

/** Free disk space of the data directory, measured when the metrics are read. */
function diskMetrics(make: MetricMaker, directory: string): void {
  const gauge = (name: string, help: string, of: (stats: StatsFs) => number) =>
    make.asked(name, help, [], async (own) => {
      const stats = await statfs(directory).catch(() => undefined);
      if (stats !== undefined) own.set({}, of(stats));
    });
  gauge('disk_free_bytes', 'Free space on the disk of log and state', (s) => s.bavail * s.bsize);
  gauge('disk_size_bytes', 'Size of the disk of log and state', (s) => s.blocks * s.bsize);
}

function observerOf(handlers: Handlers): Observer {
  return { on: (name, event) => handlers[name]?.(event as never) };
}

function logLines(log: Lines): Handlers {
  const restore = new RestoreWatch(systemClock);
  return {
    runtimeStarting: (event) => log.info(event, 'starting'),
    restoreProgress: (event) => {
      const state = restore.advance(event);
      if (state !== undefined) log.info({ ...event, ...state }, 'restoring');
    },
    taskOpened: (event) => log.info(event, 'task opened'),
    assignmentChanged: (event) => log.debug(event, 'tasks'),
    upkeepFailed: (event) => log.warn(event, 'consumed records were not deleted'),
    assignmentAwaited: (event) =>
      log.warn(event, 'the group assigns nothing: are its members, and the brokers, well?'),
    stateVerified: (event) =>
      event.differing === 0
        ? log.info(event, 'verified')
        : log.error(event, 'state differs from the log: run verify'),
    offsetsBehind: (event) =>
      log.warn(event, 'committed offsets are older than the changelog, asking again'),
    stateWiped: ({ isForeign, ...event }) =>
      log.warn(
        event,
        `state was ${isForeign ? "another's" : 'damaged'}; it is wiped and restored from its changelog`,
      ),
    metricsUnsent: (event) => log.warn(event, 'metrics were not sent'),
    sourceAway: (event) => log.warn(event, 'a source does not answer, trying again'),
    sourceBack: (event) => log.warn(event, 'a source answers again'),
    recordWaits: (event) => log.warn(event, 'a record failed and is tried again'),
    pauseChanged: (event) => log.warn(event, 'what is paused has changed'),
    logAway: (event) => log.warn(event, 'no broker answers, waiting'),
    logBack: (event) => log.warn(event, 'a broker answers again'),
    partitionStalled: (event) => log.error(event, 'the partition cannot be read, trying again'),
    partitionResumed: (event) => log.warn(event, 'the partition is read again'),
    timeHeld: (event) =>
      log.warn(event, 'time stands still: describe --live says who waits for whom'),
    timeReleased: (event) => log.warn(event, 'time goes on'),
    offsetLost: (event) => log.error(event, 'records were deleted before they were read'),
    offsetsMissing: (event) =>
      log.error(event, 'the group has lost the offsets of a task: it counts records again'),
    kafkaTransport: (event) =>
      event.reason === undefined
        ? log.info(event, 'Kafka client')
        : log.warn(event, 'Kafka client: not the fastest way that there is'),
    fetchHandedBack: (event) => log.warn(event, 'the Kafka client fetches the partition, slower'),
    writesHandedBack: (event) => log.warn(event, 'the Kafka client writes, slower'),
    commitDoubtful: (event) => log.warn(event, 'commit in doubt, tasks go on from the last one'),
    cycleRepeated: (event) => log.info(event, 'a cycle is repeated without a record that failed'),
    recovered: (event) => log.info(event, 'recovered'),
    runtimeStarted: (event) => log.info(event, 'running'),
    workerLost: (event) => log.warn(event, 'worker lost, its tasks go on from the last commit'),
    recordsDeadLettered: (event) => log.info(event, 'records went to the dead letters'),
    recordsDropped: (event) => log.debug(event, 'records had no effect'),
    cycleCommitted: (event) => log.debug(event, 'cycle committed'),
    runtimeStopped: (event) => log.info(event, 'stopped'),
  };
}
