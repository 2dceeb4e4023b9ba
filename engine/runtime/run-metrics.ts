/** Metrics of a run as a whole: its records and cycles, its state, its log and its sources. */
import type { Clock } from '../base/clock.ts';
import type { EventName, TelemetryEvents } from '../base/events.ts';
import type { PartitionLag } from './assignment.ts';
import type { MetricMaker } from './metric-maker.ts';
import { RestoreWatch } from './restore-watch.ts';

export type Handlers = { readonly [N in EventName]?: (event: TelemetryEvents[N]) => void };

/** Bounds of the cycle histograms, seconds. */
const buckets = [0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5];
const second = 1_000;

const memoryParts = ['cache', 'packed', 'backend'] as const;
type MemoryPart = (typeof memoryParts)[number];

/** @param lag asked when the metrics are read; records that wait */
export function runMetrics(
  make: MetricMaker,
  clock: Clock,
  lag: () => Promise<readonly PartitionLag[]>,
): readonly Handlers[] {
  lagMetrics(make, lag);
  return [
    cycleMetrics(make),
    taskMetrics(make, clock),
    memoryMetrics(make),
    failureMetrics(make),
    pauseMetrics(make),
    logMetrics(make),
    sourceMetrics(make),
  ];
}

function cycleMetrics(make: MetricMaker): Handlers {
  const recordsIn = make.counter('records_in_total', 'Records read from topics');
  const recordsOut = make.counter(
    'records_out_total',
    'Records written to the topics of the topology',
  );
  const dropped = make.counter('records_dropped_total', 'Drops by step and reason', [
    ...['step', 'reason'],
  ]);
  const refused = make.counter('records_dead_lettered_total', 'Failures by step and stage', [
    ...['step', 'stage'],
  ]);
  const commits = make.counter('commits_total', 'Committed cycles');
  const processing = make.histogram(
    'cycle_process_seconds',
    "Duration of a cycle's reading and processing",
    buckets,
  );
  const committing = make.histogram(
    'cycle_commit_seconds',
    "Duration of a cycle's commit, log and state",
    buckets,
  );
  const stage = make.histogram('cycle_stage_seconds', 'Time of a cycle by stage', buckets, [
    'stage',
  ]);
  const streamTime = make.gauge(
    'stream_time_seconds',
    'Greatest event time of the processed records, seconds UTC',
  );
  return {
    recordsDropped: ({ step, reason, count }) => dropped.inc({ step, reason }, count),
    recordsDeadLettered: ({ step, stage, count }) => refused.inc({ step, stage }, count),
    cycleCommitted: (cycle) => {
      recordsIn.inc({}, cycle.recordsIn);
      recordsOut.inc({}, cycle.recordsOut);
      commits.inc({});
      processing.observe({}, cycle.processMs / second);
      committing.observe({}, cycle.commitMs / second);
      for (const [name, ms] of Object.entries(cycle.stages)) {
        stage.observe({ stage: name }, ms / second);
      }
      if (Number.isFinite(cycle.streamTime)) streamTime.set({}, cycle.streamTime / second);
    },
  };
}

function taskMetrics(make: MetricMaker, clock: Clock): Handlers {
  const tasks = make.gauge('tasks', 'Tasks that run in this process');
  const threads = make.gauge('threads', 'Threads that run tasks');
  const restored = make.counter(
    'restored_records_total',
    'Changelog records applied to open tasks',
  );
  const restoring = make.gauge('restore_left_records', 'Changelog records left to apply');
  const restore = new RestoreWatch(clock);
  return {
    runtimeStarted: (event) => threads.set({}, event.threads),
    taskOpened: ({ restoredRecords }) => restored.inc({}, restoredRecords),
    restoreProgress: (event) => {
      restore.advance(event);
      restoring.set({}, restore.left);
    },
    assignmentChanged: ({ open }) => tasks.set({}, open),
  };
}

function memoryMetrics(make: MetricMaker): Handlers {
  const budget = make.gauge('memory_budget_bytes', 'Memory for state, over all tasks');
  const memory = new Map<string, Readonly<Record<MemoryPart, number>>>();
  make.asked(
    'memory_used_bytes',
    'Memory of state over all tasks, by part; cells are estimated',
    ['part'],
    (gauge) => {
      for (const part of memoryParts) {
        let bytes = 0;
        for (const parts of memory.values()) bytes += parts[part];
        gauge.set({ part }, bytes);
      }
    },
  );
  return {
    runtimeStarted: (event) => budget.set({}, event.memoryBytes),
    stateMemory: ({ task, ...parts }) => memory.set(task, parts),
  };
}

function failureMetrics(make: MetricMaker): Handlers {
  const lost = make.counter('workers_lost_total', 'Worker threads that died');
  const doubtful = make.counter(
    'commits_doubtful_total',
    'Commits that failed or whose outcome is unknown',
  );
  const repeated = make.counter(
    'cycles_repeated_total',
    'Cycles repeated without a record that failed',
  );
  const wiped = make.counter(
    'state_wiped_total',
    'Times that damaged state was wiped and restored',
  );
  const verified = make.counter(
    'verify_compared_total',
    'Results compared with a recomputation in SQL',
  );
  const mismatches = make.gauge(
    'verify_mismatches',
    'Results that differed in the last comparison',
  );
  return {
    workerLost: () => lost.inc({}),
    commitDoubtful: () => doubtful.inc({}),
    cycleRepeated: () => repeated.inc({}),
    stateWiped: () => wiped.inc({}),
    stateVerified: ({ compared, differing }) => {
      verified.inc({}, compared);
      mismatches.set({}, differing);
    },
  };
}

function pauseMetrics(make: MetricMaker): Handlers {
  const paused = make.gauge(
    'paused',
    'Paused parts: the application (1 or 0), and the number of topics, partitions and sources',
    ['what'],
  );
  const pausedNow = ({ all, ...parts }: TelemetryEvents['pauseChanged']) => {
    paused.set({ what: 'application' }, all ? 1 : 0);
    for (const [what, names] of Object.entries(parts)) paused.set({ what }, names.length);
  };
  pausedNow({ all: false, topics: [], partitions: [], sources: [] });
  return { pauseChanged: pausedNow };
}

function logMetrics(make: MetricMaker): Handlers {
  const ofPartition = ['topic', 'partition'];
  const away = make.gauge('log_away', '1 if no broker responds, else 0');
  const stalled = make.gauge(
    'partition_stalled',
    '1 if the partition cannot be read now, else 0',
    ofPartition,
  );
  const stalls = make.counter(
    'partition_stalls_total',
    'Times that a partition could not be read',
    ofPartition,
  );
  const offsetsLost = make.counter(
    'offsets_lost_total',
    'Times that the next offset no longer existed',
    ofPartition,
  );
  const packed = make.gauge(
    'kafka_packed_transport',
    '1 if the native helper carries the messages, else 0',
  );
  const direct = make.gauge(
    'kafka_direct_fetch',
    '1 if records are fetched without the Kafka client, else 0',
  );
  const handedBack = make.counter(
    'kafka_fetch_handed_back_total',
    'Partitions left to the Kafka client',
  );
  const writesHandedBack = make.counter(
    'kafka_writes_handed_back_total',
    'Times that writing was left to the Kafka client',
  );
  return {
    logAway: () => away.set({}, 1),
    logBack: () => away.set({}, 0),
    partitionStalled: ({ topic, partition }) => {
      stalled.set({ topic, partition: String(partition) }, 1);
      stalls.inc({ topic, partition: String(partition) });
    },
    partitionResumed: ({ topic, partition }) => {
      stalled.set({ topic, partition: String(partition) }, 0);
    },
    offsetLost: ({ topic, partition }) => offsetsLost.inc({ topic, partition: String(partition) }),
    kafkaTransport: ({ transport }) => {
      packed.set({}, transport === 'plain' ? 0 : 1);
      direct.set({}, transport === 'direct' ? 1 : 0);
    },
    fetchHandedBack: () => handedBack.inc({}),
    writesHandedBack: () => writesHandedBack.inc({}),
  };
}

function sourceMetrics(make: MetricMaker): Handlers {
  const ofSource = ['source'];
  const read = make.counter('source_records_total', 'Records read by a source', ofSource);
  const refused = make.counter(
    'source_dead_lettered_total',
    'Rows that became dead letters',
    ofSource,
  );
  const skipped = make.counter('source_skipped_total', 'Skipped rows, by reason', [
    ...['source', 'reason'],
  ]);
  const readBytes = make.counter('source_bytes_total', 'Bytes read by a source', ofSource);
  const failures = make.counter(
    'source_failures_total',
    'Times that a source did not respond',
    ofSource,
  );
  const away = make.gauge('source_away', '1 if the source does not respond, else 0', ofSource);
  return {
    connectorAdvanced: ({ source, records, bytes, deadLettered, skipped: notWanted }) => {
      read.inc({ source }, records);
      refused.inc({ source }, deadLettered);
      for (const [reason, count] of Object.entries(notWanted)) {
        skipped.inc({ source, reason }, count);
      }
      readBytes.inc({ source }, bytes);
    },
    sourceAway: ({ source }) => {
      away.set({ source }, 1);
      failures.inc({ source });
    },
    sourceBack: ({ source }) => away.set({ source }, 0),
  };
}

function lagMetrics(make: MetricMaker, lag: () => Promise<readonly PartitionLag[]>): void {
  make.asked(
    'lag_records',
    'Records that wait in the input topics of the tasks',
    ['topic', 'partition'],
    async (gauge) => {
      // Partitions that cannot be queried now, or moved to another process, have no value; the
      // others are reported.
      const lags = await lag().catch(() => []);
      gauge.reset();
      for (const { topic, partition, records } of lags) {
        gauge.set({ topic, partition: String(partition) }, records);
      }
    },
  );
}
