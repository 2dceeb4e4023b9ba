/**
 * The activity of the running topology for the console, summed from its events: totals, and the
 * last minutes.
 */
import type { Clock } from '../base/clock.ts';
import type { EventName, Observer, TelemetryEvents } from '../base/events.ts';
import type { Scheduler } from '../base/scheduler.ts';

/** Totals since the start, at an instant; `at` ms UTC. */
export type Sample = readonly [
  at: number,
  recordsIn: number,
  recordsOut: number,
  dropped: number,
  deadLettered: number,
];

export interface StepTotals {
  /** By reason. */
  readonly drops: Record<string, number>;
  /** By stage. */
  readonly deadLetters: Record<string, number>;
}

export interface SourceTotals {
  records: number;
  bytes: number;
  deadLettered: number;
  readonly skipped: Record<string, number>;
}

/** A message for operators. */
export interface Notice {
  /** ms UTC. */
  readonly at: number;
  readonly text: string;
  readonly level: 'info' | 'warning';
}

const second = 1_000;
const samplesKept = 300;
const cyclesKept = 256;
const noticesKept = 30;

type Cycle = TelemetryEvents['cycleCommitted'];
type Handlers = { readonly [N in EventName]?: (event: TelemetryEvents[N]) => void };

export class FlowWatch {
  readonly observer: Observer;
  readonly samples: Sample[] = [];
  readonly steps = new Map<string, StepTotals>();
  readonly sources = new Map<string, SourceTotals>();
  readonly notices: Notice[] = [];
  readonly #clock: Clock;
  readonly #cycles: Cycle[] = [];
  readonly #memory = new Map<string, { cache: number; packed: number; backend: number }>();
  readonly #restores = new Map<string, { done: number; total: number }>();
  #in = 0;
  #out = 0;
  #dropped = 0;
  #deadLettered = 0;
  #threads = 0;
  #budget = 0;
  #tasks = 0;

  constructor(clock: Clock) {
    this.#clock = clock;
    const handlers = this.#handlers();
    this.observer = { on: (name, event) => handlers[name]?.(event as never) };
  }

  /** Takes a sample every second until the signal is aborted. */
  async sample(scheduler: Scheduler, signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      this.samples.push(this.now);
      if (this.samples.length > samplesKept) this.samples.shift();
      await scheduler.sleep(second, signal);
    }
  }

  get now(): Sample {
    return [this.#clock.now(), this.#in, this.#out, this.#dropped, this.#deadLettered];
  }

  get threads(): number {
    return this.#threads;
  }

  get tasks(): number {
    return this.#tasks;
  }

  /** Memory of the state in bytes, by part and by task, and its budget. */
  get memory() {
    const parts = { cache: 0, packed: 0, backend: 0 };
    const tasks: Record<string, number> = {};
    for (const [task, { cache, packed, backend }] of this.#memory) {
      parts.cache += cache;
      parts.packed += packed;
      parts.backend += backend;
      tasks[task] = cache + packed + backend;
    }
    return { budget: this.#budget, ...parts, tasks };
  }

  /** Changelog records still to be applied, and their total. */
  get restoring(): { readonly done: number; readonly total: number } | undefined {
    const all = [...this.#restores.values()];
    const done = all.reduce((sum, one) => sum + one.done, 0);
    const total = all.reduce((sum, one) => sum + one.total, 0);
    return done < total ? { done, total } : undefined;
  }

  /** For the last cycles: ms per cycle by stage, and percentiles of the total duration, ms. */
  get cycles() {
    const stages: Record<string, number> = {};
    for (const cycle of this.#cycles) {
      for (const [name, ms] of Object.entries(cycle.stages))
        stages[name] = (stages[name] ?? 0) + ms;
    }
    const count = this.#cycles.length;
    for (const name of Object.keys(stages)) stages[name] = (stages[name] ?? 0) / count;
    const whole = this.#cycles.map((one) => one.processMs + one.commitMs).sort((a, b) => a - b);
    const percentile = (share: number) => whole[Math.min(count - 1, Math.floor(count * share))];
    return { count, stages, half: percentile(0.5) ?? null, most: percentile(0.99) ?? null };
  }

  #handlers(): Handlers {
    const step = (name: string): StepTotals => {
      const totals = this.steps.get(name) ?? { drops: {}, deadLetters: {} };
      this.steps.set(name, totals);
      return totals;
    };
    const warn = (text: string) => this.#note(text, 'warning');
    const tell = (text: string) => this.#note(text, 'info');
    return {
      cycleCommitted: (cycle) => {
        this.#in += cycle.recordsIn;
        this.#out += cycle.recordsOut;
        this.#cycles.push(cycle);
        if (this.#cycles.length > cyclesKept) this.#cycles.shift();
      },
      recordsDropped: ({ step: name, reason, count }) => {
        this.#dropped += count;
        add(step(name).drops, reason, count);
      },
      recordsDeadLettered: ({ step: name, stage, count }) => {
        this.#deadLettered += count;
        add(step(name).deadLetters, stage, count);
      },
      connectorAdvanced: ({ source, records, bytes, deadLettered, skipped }) => {
        const totals = this.sources.get(source) ?? {
          ...{ records: 0, bytes: 0, deadLettered: 0 },
          skipped: {},
        };
        this.sources.set(source, totals);
        totals.records += records;
        totals.bytes += bytes;
        totals.deadLettered += deadLettered;
        for (const [reason, count] of Object.entries(skipped)) add(totals.skipped, reason, count);
      },
      stateMemory: ({ task, ...parts }) => this.#memory.set(task, parts),
      restoreProgress: ({ task, store, done, total }) =>
        this.#restores.set(`${task} ${store}`, { done, total }),
      assignmentChanged: ({ open }) => {
        this.#tasks = open;
      },
      runtimeStarted: ({ threads, memoryBytes }) => {
        this.#threads = threads;
        this.#budget = memoryBytes;
        this.#restores.clear();
        tell('The application started.');
      },
      recovered: () => {
        this.#restores.clear();
        tell('The tasks go on from the last commit.');
      },
      workerLost: ({ problem }) => warn(`A worker thread died: ${problem}`),
      commitDoubtful: ({ problem }) => warn(`A commit is in doubt: ${problem}`),
      cycleRepeated: ({ step: name, problem }) =>
        warn(`A cycle is repeated without a record that failed in ${name}: ${problem}`),
      stateWiped: ({ task, problem }) =>
        warn(`The state of task ${task} was wiped and is restored: ${problem}`),
      logAway: ({ problem }) => warn(`No broker answers: ${problem}`),
      logBack: ({ awayMs }) => tell(`A broker answers again, after ${Math.round(awayMs)} ms.`),
      partitionStalled: ({ topic, partition, problem }) =>
        warn(`Partition ${partition} of ${topic} cannot be read: ${problem}`),
      partitionResumed: ({ topic, partition }) =>
        tell(`Partition ${partition} of ${topic} is read again.`),
      ...this.#offsetHandlers(warn),
      stateVerified: ({ compared, differing }) => {
        if (differing > 0) warn(`${differing} of ${compared} results differ from the log.`);
      },
    };
  }

  #offsetHandlers(warn: (text: string) => void): Handlers {
    return {
      offsetLost: ({ topic, partition }) =>
        warn(`Records of ${topic}, partition ${partition}, were deleted before they were read.`),
      offsetsMissing: ({ task, topics }) =>
        warn(
          `The group has no offset of task ${task}: ${topics.join(', ')} is read from the start.`,
        ),
    };
  }

  #note(text: string, level: Notice['level']): void {
    this.notices.unshift({ at: this.#clock.now(), text, level });
    if (this.notices.length > noticesKept) this.notices.pop();
  }
}

function add(counts: Record<string, number>, name: string, by: number): void {
  counts[name] = (counts[name] ?? 0) + by;
}
