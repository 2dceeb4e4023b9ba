/**
 * Metrics of the tasks' work, by task, store and topic. Their number is bounded: names beyond the
 * first few hundred are counted together, as `other`.
 */
import type { WorkedTask } from '../base/events.ts';
import type { MetricMaker } from './metric-maker.ts';
import type { Handlers } from './run-metrics.ts';

/** Maximal number of distinct names of a label. */
const namesMost = 300;
const second = 1_000;
/** From hundredths of a second to days: replayed records are old. */
const latencyBuckets = [0.01, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 3_600, 86_400];
const restoreBuckets = [0.1, 0.5, 1, 5, 10, 30, 60, 120, 300, 600, 1_800];

/** @param now wall clock, ms UTC */
export function workMetrics(make: MetricMaker, now: () => number): readonly Handlers[] {
  const noteTask = taskWork(make);
  const noteWrites = writtenWork(make);
  const noteLatency = latencies(make, now);
  const tasksWorked: Handlers['tasksWorked'] = ({ all, tookMs }) => {
    const worked = all();
    for (const one of worked) {
      noteTask(one);
      noteWrites(one);
    }
    noteLatency(worked, tookMs);
  };
  return [{ tasksWorked }, moveMetrics(make)];
}

function taskWork(make: MetricMaker): (one: WorkedTask) => void {
  const taskIn = make.counter('task_records_in_total', 'Records read by a task', ['task']);
  const taskOut = make.counter(
    'task_records_out_total',
    'Records that a task wrote to the topics of the topology',
    ['task'],
  );
  const busy = make.counter('task_busy_seconds_total', 'Working time of a task, by stage', [
    ...['task', 'stage'],
  ]);
  const gets = make.counter('task_state_gets_total', 'Keys looked up in the state of a task', [
    'task',
  ]);
  const reads = make.counter(
    'task_state_disk_reads_total',
    'Keys that were not in memory; the rest of task_state_gets_total were cache hits',
    ['task'],
  );
  const tasks = new Names();
  return (one) => {
    const task = tasks.of(one.task);
    taskIn.inc({ task }, one.recordsIn);
    taskOut.inc({ task }, one.recordsOut);
    for (const [stage, ms] of Object.entries(one.stages)) busy.inc({ task, stage }, ms / second);
    gets.inc({ task }, one.lookups.keys);
    reads.inc({ task }, one.lookups.reads);
  };
}

/** Counts of writes to stores and topics. */
function writtenWork(make: MetricMaker): (one: WorkedTask) => void {
  const puts = make.counter('store_puts_total', 'Changes of a store, one per key and commit', [
    'store',
  ]);
  const putBytes = make.counter('store_put_bytes_total', 'Bytes of changes of a store', ['store']);
  const written = make.counter('topic_records_written_total', 'Records written to a topic', [
    'topic',
  ]);
  const writtenBytes = make.counter('topic_bytes_written_total', 'Bytes written to a topic', [
    'topic',
  ]);
  const [stores, topics] = [new Names(), new Names()];
  return (one) => {
    for (const { name, records, bytes } of one.stores) {
      const store = stores.of(name);
      puts.inc({ store }, records);
      putBytes.inc({ store }, bytes);
    }
    for (const { name, records, bytes } of one.topics) {
      const topic = topics.of(name);
      written.inc({ topic }, records);
      writtenBytes.inc({ topic }, bytes);
    }
  };
}

function latencies(
  make: MetricMaker,
  now: () => number,
): (worked: readonly WorkedTask[], tookMs: number) => void {
  const fromEvent = make.histogram(
    'latency_from_event_seconds',
    'Time from the event time of the newest record of a task and cycle to its commit',
    latencyBuckets,
  );
  const fromArrival = make.histogram(
    'latency_from_arrival_seconds',
    "Time from the start of a cycle's reading to its commit",
    latencyBuckets,
  );
  return (worked, tookMs) => {
    for (const one of worked) {
      if (one.recordsIn > 0 && Number.isFinite(one.streamTime)) {
        fromEvent.observe({}, Math.max(0, now() - one.streamTime) / second);
      }
    }
    fromArrival.observe({}, tookMs / second);
  };
}

/** How tasks come and go. */
function moveMetrics(make: MetricMaker): Handlers {
  const moved = make.counter('partitions_moved_total', 'Assigned and revoked partitions, by kind', [
    'kind',
  ]);
  const rebalances = make.counter('rebalances_total', 'Changes of the assignment, by kind', [
    'kind',
  ]);
  const restore = make.histogram('restore_seconds', "Duration of a task's restore", restoreBuckets);
  const restoring = make.gauge('restoring_tasks', 'Tasks that are being opened or restored');
  return {
    partitionsMoved: ({ kind, count }) => {
      rebalances.inc({ kind }, 1);
      moved.inc({ kind }, count);
    },
    taskOpened: ({ restoreMs }) => restore.observe({}, restoreMs / second),
    assignmentChanged: ({ opening }) => restoring.set({}, opening),
  };
}

/** The first names of a label, and `other`. */
export class Names {
  readonly #known = new Set<string>();

  of(name: string): string {
    if (this.#known.has(name)) return name;
    if (this.#known.size >= namesMost) return 'other';
    this.#known.add(name);
    return name;
  }
}
