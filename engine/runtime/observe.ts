/**
 * The one place where events become metrics and log lines. Labels hold names of steps, topics and
 * reasons; never keys or values, which may be personal.
 */
import type { StatsFs } from 'node:fs';
import { statfs } from 'node:fs/promises';
import type { Logger } from 'pino';
import type { Gauge as PromGauge, Registry } from 'prom-client';
import { systemClock } from '../base/clock.ts';
import {
  allObservers,
  type EventName,
  type Observer,
  type TelemetryEvents,
} from '../base/events.ts';
import { onDemand } from '../base/on-demand.ts';
import type { PartitionLag } from './assignment.ts';
import { logText } from './log-text.ts';
import { RestoreWatch } from './restore-watch.ts';
import { timeMetrics } from './time-metrics.ts';
import type { TimeReport } from './time-report.ts';
import { type MetricMaker, workMetrics } from './work-metrics.ts';

// Most runs write no line, and serve no metrics.
const pinoPackage = onDemand<typeof import('pino')>('pino');
const promPackage = onDemand<typeof import('prom-client')>('prom-client');

export const logLevels = ['debug', 'info', 'warn', 'error', 'silent'] as const;
export type LogLevel = (typeof logLevels)[number];

export interface Metrics {
  readonly observer: Observer;
  readonly registry: Registry;
}

type Handlers = { readonly [N in EventName]?: (event: TelemetryEvents[N]) => void };

/** Bounds of the cycle histograms, seconds. */
const buckets = [0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5];
const second = 1_000;

const memoryParts = ['cache', 'packed', 'backend'] as const;
type MemoryPart = (typeof memoryParts)[number];

export const logFormats = ['text', 'json'] as const;
export type LogFormat = (typeof logFormats)[number];

/**
 * Lines on standard error: as a person reads them on a terminal, else JSON.
 * MILLRACE_LOG_FORMAT (text or json) decides otherwise.
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

/** Where lines go from a level on. */
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
 * Metrics of the runtime and of the process, which is watched from now on: for who serves them.
 * @param lag asked when the metrics are read; records that wait
 * @param time asked when the metrics are read; how time stands, undefined while nothing runs
 * @param directory where log and state lie
 */
export function metricsObserver(
  lag: () => Promise<readonly PartitionLag[]>,
  time: () => Promise<TimeReport | undefined> = async () => undefined,
  directory?: string,
): Metrics {
  const { collectDefaultMetrics, Gauge, Registry } = promPackage();
  const registry = new Registry();
  collectDefaultMetrics({ register: registry });
  timeMetrics((name, help, labelNames, fill) => {
    const registers = [registry];
    const own: PromGauge = new Gauge({
      name,
      help,
      labelNames,
      registers,
      collect: (): Promise<void> => fill(own),
    });
  }, time);
  const worked = workMetrics(makerOf(registry), () => systemClock.now());
  if (directory !== undefined) diskMetrics(registry, directory);
  const observers = [observerOf(metrics(registry, lag)), observerOf(worked as Handlers)];
  return { observer: allObservers(observers), registry };
}

function makerOf(registry: Registry): MetricMaker {
  const { Counter, Gauge, Histogram } = promPackage();
  const registers = [registry];
  const own = (name: string) => `millrace_${name}`;
  return {
    counter: (name, help, labelNames = []) =>
      new Counter({ name: own(name), help, labelNames, registers }),
    gauge: (name, help) => new Gauge({ name: own(name), help, registers }),
    histogram: (name, help, buckets) =>
      new Histogram({ name: own(name), help, buckets, registers }),
  };
}

/** What is free where log and state lie, asked when the metrics are read. */
function diskMetrics(registry: Registry, directory: string): void {
  const { Gauge } = promPackage();
  const registers = [registry];
  const gauge = (name: string, help: string, of: (stats: StatsFs) => number) =>
    new Gauge({
      ...{ name, help, registers },
      async collect() {
        const stats = await statfs(directory).catch(() => undefined);
        if (stats !== undefined) this.set(of(stats));
      },
    });
  gauge('millrace_disk_free_bytes', 'Free where log and state lie', (s) => s.bavail * s.bsize);
  gauge('millrace_disk_size_bytes', 'Size of the disk of log and state', (s) => s.blocks * s.bsize);
}

function observerOf(handlers: Handlers): Observer {
  return { on: (name, event) => handlers[name]?.(event as never) };
}

function metrics(registry: Registry, lag: () => Promise<readonly PartitionLag[]>): Handlers {
  const { Counter, Gauge, Histogram } = promPackage();
  const registers = [registry];
  const counter = (name: string, help: string, labelNames: string[] = []) =>
    new Counter({ name: `millrace_${name}`, help, labelNames, registers });
  const gauge = (name: string, help: string) =>
    new Gauge({ name: `millrace_${name}`, help, registers });
  const histogram = (name: string, help: string) =>
    new Histogram({ name: `millrace_${name}`, help, buckets, registers });
  const recordsIn = counter('records_in_total', 'Records taken from topics');
  const recordsOut = counter('records_out_total', 'Records written to the topics of the topology');
  const dropped = counter('records_dropped_total', 'Drops by step and reason', ['step', 'reason']);
  const refused = counter('records_dead_lettered_total', 'Failures by step and stage', [
    'step',
    'stage',
  ]);
  const commits = counter('commits_total', 'Committed cycles');
  const processing = histogram('cycle_process_seconds', 'Reading and processing of a cycle');
  const committing = histogram('cycle_commit_seconds', 'Commit of a cycle, log and state');
  const stage = new Histogram({
    name: 'millrace_cycle_stage_seconds',
    help: 'Where the time of a cycle goes, by stage',
    labelNames: ['stage'],
    buckets,
    registers,
  });
  const streamTime = gauge('stream_time_seconds', 'Greatest event time taken in, seconds UTC');
  const tasks = gauge('tasks', 'Tasks that run here');
  const threads = gauge('threads', 'Threads that run tasks');
  const restored = counter('restored_records_total', 'Changelog records applied to open tasks');
  const restoring = gauge('restore_left_records', 'Changelog records to be applied yet');
  const restore = new RestoreWatch(systemClock);
  const lost = counter('workers_lost_total', 'Worker threads that died');
  const doubtful = counter('commits_doubtful_total', 'Commits that failed or are not known');
  const repeated = counter('cycles_repeated_total', 'Cycles repeated without a record that failed');
  const budget = gauge('memory_budget_bytes', 'Memory for state, over all tasks');
  const memory = new Map<string, Readonly<Record<MemoryPart, number>>>();
  new Gauge({
    name: 'millrace_memory_used_bytes',
    help: 'Memory that state takes, over all tasks, by part; cells as estimated',
    labelNames: ['part'],
    registers,
    collect() {
      for (const part of memoryParts) {
        let bytes = 0;
        for (const parts of memory.values()) bytes += parts[part];
        this.set({ part }, bytes);
      }
    },
  });
  const wiped = counter('state_wiped_total', 'Times that damaged state was wiped and restored');
  const paused = new Gauge({
    name: 'millrace_paused',
    help: 'What is paused: the application (1 or 0), and how many topics, partitions, sources',
    labelNames: ['what'],
    registers,
  });
  const pausedNow = ({ all, ...parts }: TelemetryEvents['pauseChanged']) => {
    paused.set({ what: 'application' }, all ? 1 : 0);
    for (const [what, names] of Object.entries(parts)) paused.set({ what }, names.length);
  };
  pausedNow({ all: false, topics: [], partitions: [], sources: [] });
  const away = gauge('log_away', 'No broker answers: 1, else 0');
  const stalled = new Gauge({
    name: 'millrace_partition_stalled',
    help: 'The partition cannot be read now: 1, else 0',
    labelNames: ['topic', 'partition'],
    registers,
  });
  const stalls = counter('partition_stalls_total', 'Times that a partition could not be read', [
    'topic',
    'partition',
  ]);
  const offsetsLost = counter('offsets_lost_total', 'Times that the next offset was gone', [
    'topic',
    'partition',
  ]);
  const verified = counter('verify_compared_total', 'Results compared with a recomputation in SQL');
  const mismatches = gauge('verify_mismatches', 'Results that differed in the last comparison');
  const packed = gauge('kafka_packed_transport', 'The native helper carries the messages: 1 or 0');
  const direct = gauge('kafka_direct_fetch', 'Records are fetched past the Kafka client: 1 or 0');
  const handedBack = counter(
    'kafka_fetch_handed_back_total',
    'Partitions left to the Kafka client',
  );
  const writesHandedBack = counter(
    'kafka_writes_handed_back_total',
    'Times that writing was left to the Kafka client',
  );
  const sourceRecords = counter('source_records_total', 'Records read by a source', ['source']);
  const sourceRefused = counter('source_dead_lettered_total', 'Rows that became dead letters', [
    'source',
  ]);
  const sourceSkipped = counter('source_skipped_total', 'Rows that were not wanted, by reason', [
    'source',
    'reason',
  ]);
  const sourceBytes = counter('source_bytes_total', 'Bytes read by a source', ['source']);
  const sourceFailures = counter('source_failures_total', 'Times that a source did not answer', [
    'source',
  ]);
  const sourceAway = new Gauge({
    name: 'millrace_source_away',
    help: 'The outside of the source does not answer: 1, else 0',
    labelNames: ['source'],
    registers,
  });
  new Gauge({
    name: 'millrace_lag_records',
    help: 'Records that wait in the topics the tasks read',
    labelNames: ['topic', 'partition'],
    registers,
    async collect() {
      // What cannot be asked now, and what went to another process, has no value; the others are
      // told all the same.
      const lags = await lag().catch(() => []);
      this.reset();
      for (const { topic, partition, records } of lags) {
        this.set({ topic, partition: String(partition) }, records);
      }
    },
  });
  return {
    runtimeStarted: (event) => {
      threads.set(event.threads);
      budget.set(event.memoryBytes);
    },
    stateMemory: ({ task, ...parts }) => memory.set(task, parts),
    taskOpened: ({ restoredRecords }) => restored.inc(restoredRecords),
    restoreProgress: (event) => {
      restore.advance(event);
      restoring.set(restore.left);
    },
    assignmentChanged: ({ open }) => tasks.set(open),
    commitDoubtful: () => doubtful.inc(),
    cycleRepeated: () => repeated.inc(),
    stateWiped: () => wiped.inc(),
    sourceAway: ({ source }) => {
      sourceAway.set({ source }, 1);
      sourceFailures.inc({ source });
    },
    sourceBack: ({ source }) => sourceAway.set({ source }, 0),
    pauseChanged: pausedNow,
    logAway: () => away.set(1),
    logBack: () => away.set(0),
    partitionStalled: ({ topic, partition }) => {
      stalled.set({ topic, partition: String(partition) }, 1);
      stalls.inc({ topic, partition: String(partition) });
    },
    partitionResumed: ({ topic, partition }) => {
      stalled.set({ topic, partition: String(partition) }, 0);
    },
    offsetLost: ({ topic, partition }) => offsetsLost.inc({ topic, partition: String(partition) }),
    kafkaTransport: ({ transport }) => {
      packed.set(transport === 'plain' ? 0 : 1);
      direct.set(transport === 'direct' ? 1 : 0);
    },
    fetchHandedBack: () => handedBack.inc(),
    writesHandedBack: () => writesHandedBack.inc(),
    stateVerified: ({ compared, differing }) => {
      verified.inc(compared);
      mismatches.set(differing);
    },
    workerLost: () => lost.inc(),
    connectorAdvanced: ({ source, records, bytes, deadLettered, skipped }) => {
      sourceRecords.inc({ source }, records);
      sourceRefused.inc({ source }, deadLettered);
      for (const [reason, count] of Object.entries(skipped)) {
        sourceSkipped.inc({ source, reason }, count);
      }
      sourceBytes.inc({ source }, bytes);
    },
    recordsDropped: ({ step, reason, count }) => dropped.inc({ step, reason }, count),
    recordsDeadLettered: ({ step, stage, count }) => refused.inc({ step, stage }, count),
    cycleCommitted: (cycle) => {
      recordsIn.inc(cycle.recordsIn);
      recordsOut.inc(cycle.recordsOut);
      commits.inc();
      processing.observe(cycle.processMs / second);
      committing.observe(cycle.commitMs / second);
      for (const [name, ms] of Object.entries(cycle.stages)) {
        stage.observe({ stage: name }, ms / second);
      }
      if (Number.isFinite(cycle.streamTime)) streamTime.set(cycle.streamTime / second);
    },
  };
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
    stateWiped: (event) =>
      log.warn(event, 'state was damaged; it is wiped and restored from its changelog'),
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
