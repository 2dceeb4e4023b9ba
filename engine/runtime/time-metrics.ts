/**
 * The time report as metrics, computed when they are read. Their number is bounded by source
 * partitions, tasks and steps. Instants are seconds UTC; unknown ones have no value.
 */
import { keyOf } from '../log/partition-key.ts';
import type { Gauging, MetricMaker } from './metric-maker.ts';
import type { SourceTimeState, TaskTimeReport, TimeReport } from './time-report.ts';

const second = 1_000;
const states: readonly SourceTimeState[] = [
  ...(['reading', 'waits', 'witness', 'silent', 'idle', 'aside'] as const),
];

type GaugeOf = (
  name: string,
  help: string,
  labelNames: readonly string[],
  fill: (gauge: Gauging, report: TimeReport) => void,
) => void;

/** @param time called when the metrics are read; undefined while nothing runs */
export function timeMetrics(
  make: Pick<MetricMaker, 'asked'>,
  time: () => Promise<TimeReport | undefined>,
): void {
  let asking: Promise<TimeReport | undefined> | undefined;
  /**
   * Gauges that are read together share one report. If the runtime is unavailable, they have no
   * values.
   */
  const report = () => {
    asking ??= time()
      .catch(() => undefined)
      .finally(() => {
        asking = undefined;
      });
    return asking;
  };
  const gauge: GaugeOf = (name, help, labelNames, fill) =>
    make.asked(name, help, labelNames, async (own) => {
      const found = await report();
      // Partitions and tasks that went to another process have no values here.
      own.reset();
      if (found !== undefined) fill(own, found);
    });
  sourceTimes(gauge);
  taskTimes(gauge);
}

function sourceTimes(gauge: GaugeOf): void {
  const ofSource = ['topic', 'partition'];
  gauge(
    'source_time_seconds',
    'Greatest event time read from a source, seconds UTC',
    ofSource,
    (to, all) => {
      for (const { topic, partition, sourceTime } of all.sources) {
        set(to, { topic, partition: String(partition) }, sourceTime);
      }
    },
  );
  gauge(
    'source_time_lag_seconds',
    'How far the time of a source is behind the wall clock',
    ofSource,
    (to, all) => {
      for (const { topic, partition, lagMs } of all.sources) {
        set(to, { topic, partition: String(partition) }, lagMs);
      }
    },
  );
  gauge('source_state', 'Source partitions by state', ['state'], (to, all) => {
    for (const state of states) {
      to.set({ state }, all.sources.filter((source) => source.state === state).length);
    }
  });
  gauge(
    'source_time_refused',
    'Records whose time was refused, since the process started',
    ofSource,
    (to, all) => {
      for (const { topic, partition, refused } of all.sources) {
        to.set({ topic, partition: String(partition) }, refused);
      }
    },
  );
}

function taskTimes(gauge: GaugeOf): void {
  gauge('watermark_seconds', 'Watermark of a task, seconds UTC', ['task'], (to, all) => {
    for (const { task, watermark } of all.tasks) set(to, { task }, watermark);
  });
  gauge(
    'watermark_lag_seconds',
    'How far the watermark of a task is behind the wall clock',
    ['task'],
    (to, all) => {
      for (const { task, lagMs } of all.tasks) set(to, { task }, lagMs);
    },
  );
  gauge(
    'watermark_behind_seconds',
    'How far the watermark of a task is behind the newest event time of the process',
    ['task'],
    (to, all) => {
      for (const { task, behindMs } of all.tasks) set(to, { task }, behindMs);
    },
  );
  gauge(
    'step_time_behind_seconds',
    "Maximal lag of a step's time behind the newest event time of the process",
    ['step'],
    (to, all) => {
      for (const [step, ms] of behindByStep(all.tasks)) to.set({ step }, ms / second);
    },
  );
  gauge(
    'time_held_tasks',
    'Tasks held back by a source partition or a task of another process',
    ['holder'],
    (to, all) => {
      for (const { heldBackBy } of all.tasks) {
        for (const holder of heldBackBy) {
          const name = holder.kind === 'task' ? `task ${holder.task}` : keyOf(holder);
          to.inc({ holder: name });
        }
      }
    },
  );
}

function set(gauge: Gauging, labels: Record<string, string>, ms: number | null): void {
  if (ms !== null) gauge.set(labels, ms / second);
}

function behindByStep(tasks: readonly TaskTimeReport[]): ReadonlyMap<string, number> {
  const most = new Map<string, number>();
  for (const { steps } of tasks) {
    for (const { step, behindMs } of steps) {
      if (behindMs !== null) most.set(step, Math.max(most.get(step) ?? 0, behindMs));
    }
  }
  return most;
}
