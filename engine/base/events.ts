/**
 * Every telemetry event, in one place. A layer reports through the Observer port and knows neither
 * metrics nor logs; runtime/observe.ts binds these events to prom-client and pino.
 */

/** Why a record had no effect. Each is counted by reason; there is no other way to drop. */
export const dropReasons = [
  'null_key',
  'null_value',
  'late',
  'negative_timestamp',
  'duplicate',
  'expired',
  'invalid',
  'no_consent',
  'erased',
  'skipped',
] as const;
export type DropReason = (typeof dropReasons)[number];

/** Where a datum went wrong. */
export type FailureStage = 'source' | 'deserialise' | 'process' | 'produce' | 'future';

/** What a task did in a cycle. */
export interface WorkedTask {
  readonly task: string;
  readonly recordsIn: number;
  readonly recordsOut: number;
  /** ms by stage. */
  readonly stages: Readonly<Record<string, number>>;
  /** Keys that were looked for, and those of them that were not in memory. */
  readonly lookups: { readonly keys: number; readonly reads: number };
  /** What it wrote to changelogs, by store, and to topics. */
  readonly stores: readonly Written[];
  readonly topics: readonly Written[];
  /** Greatest event time that it has taken in, ms UTC. */
  readonly streamTime: number;
}

export interface Written {
  readonly name: string;
  readonly records: number;
  readonly bytes: number;
}

export interface TelemetryEvents {
  /** One cycle was committed. Durations in milliseconds, event time in ms UTC. */
  cycleCommitted: {
    readonly commitId: number;
    readonly recordsIn: number;
    readonly recordsOut: number;
    readonly processMs: number;
    readonly commitMs: number;
    /** From the log's commit until every task had heard of it, ms. */
    readonly toldMs: number;
    /** Where the time went, ms by stage (runtime/stages.ts). */
    readonly stages: Readonly<Record<string, number>>;
    readonly streamTime: number;
  };
  /** What the tasks of a committed cycle did; it is put together only for who asks. */
  tasksWorked: {
    /** From when the cycle began to take records to its commit, ms. */
    readonly tookMs: number;
    readonly all: () => readonly WorkedTask[];
  };
  /** Partitions were given to this process, or taken away. */
  partitionsMoved: { readonly kind: 'assigned' | 'revoked'; readonly count: number };
  recordsDropped: { readonly step: string; readonly reason: DropReason; readonly count: number };
  recordsDeadLettered: {
    readonly task: string;
    readonly step: string;
    readonly stage: FailureStage;
    readonly count: number;
  };
  taskOpened: {
    readonly task: string;
    readonly restoredRecords: number;
    readonly restoreMs: number;
  };
  /** How many tasks are open here, and how many are being opened. */
  assignmentChanged: { readonly open: number; readonly opening: number };
  /** Changelog records of one store, of those to be applied. */
  restoreProgress: {
    readonly task: string;
    readonly store: string;
    readonly done: number;
    readonly total: number;
  };
  /** A commit failed or its outcome is not known: all tasks go on from the last one that is. */
  commitDoubtful: { readonly problem: string; readonly attempt: number };
  /** A worker thread died; `attempt` counts the failures since the last commit. */
  workerLost: { readonly problem: string; readonly attempt: number };
  /**
   * A record failed in a step after it had changed state, or state could not be written: the tasks
   * go on from the last commit, and `task` notes for a while how each record's changes are taken
   * back.
   */
  cycleRepeated: { readonly task: string; readonly step: string; readonly problem: string };
  /** After each of them: the tasks that are ours are open, or being opened. */
  recovered: Readonly<Record<string, never>>;
  connectorAdvanced: {
    readonly source: string;
    readonly records: number;
    readonly bytes: number;
    readonly deadLettered: number;
    /** Records that were not wanted, by reason. */
    readonly skipped: Readonly<Record<string, number>>;
  };
  /** The outside of a source does not answer, or refuses; it is asked again after `waitMs`. */
  sourceAway: {
    readonly source: string;
    readonly problem: string;
    readonly attempt: number;
    readonly waitMs: number;
  };
  /** It answers again. */
  sourceBack: { readonly source: string };
  /** Consumed records of repartition topics could not be deleted; it is tried again. */
  upkeepFailed: { readonly problem: string };
  /** How messages cross to and from the Kafka client; `reason`: why not the best way. */
  kafkaTransport: { readonly transport: string; readonly reason: string | undefined };
  /** The Kafka client fetches the partition: Millrace's own, faster way could not. */
  fetchHandedBack: { readonly topic: string; readonly partition: number; readonly reason: string };
  /** A partition could not be read for some seconds; it is tried again and again. */
  partitionStalled: {
    readonly topic: string;
    readonly partition: number;
    readonly problem: string;
  };
  /** It is read again. */
  partitionResumed: {
    readonly topic: string;
    readonly partition: number;
    readonly stalledMs: number;
  };
  /**
   * Tasks wait for a source partition, or a task that does not run here, whose time has not moved
   * for a minute.
   */
  timeHeld: {
    /** 'topic/partition', or 'task 0_1'. */
    readonly holder: string;
    readonly state: string;
    /** How many tasks of this process wait, and the first of them. */
    readonly tasks: number;
    readonly task: string | undefined;
    readonly heldMs: number;
  };
  /** It has moved. */
  timeReleased: { readonly holder: string; readonly heldMs: number };
  /**
   * The next offset of a partition was gone, and the run goes on at the start or the end, as it was
   * told to.
   */
  offsetLost: {
    readonly topic: string;
    readonly partition: number;
    readonly offset: number;
    readonly start: number;
    readonly end: number;
    readonly goesOnAt: number;
  };
  /** The Kafka client writes: Millrace's own, faster way could not. */
  writesHandedBack: { readonly reason: string };
  /** The group has assigned nothing yet, not even that there is nothing; told once a minute. */
  assignmentAwaited: { readonly waitedMs: number };
  /**
   * The group's committed offsets are older than what a task's changelogs say; they are asked for
   * again.
   */
  offsetsBehind: { readonly task: string; readonly problem: string };
  /** Metrics could not be sent to where they are wanted; told once a trouble. */
  metricsUnsent: { readonly address: string; readonly problem: string };
  /**
   * State was compared with a recomputation from the log by other means: how much, and how much
   * differs.
   */
  stateVerified: { readonly compared: number; readonly differing: number };
  /** A record failed and is tried again later; its task reads nothing until then. */
  recordWaits: {
    readonly task: string;
    readonly topic: string;
    readonly offset: number;
    /** How often it was tried. */
    readonly attempt: number;
    readonly afterMs: number;
  };
  /**
   * Reading was paused, or goes on: the whole application, topics, partitions ('topic/0'), sources.
   */
  pauseChanged: {
    readonly all: boolean;
    readonly topics: readonly string[];
    readonly partitions: readonly string[];
    readonly sources: readonly string[];
  };
  /** A task's state was damaged, or another's: it is deleted, and restored from its changelog. */
  stateWiped: {
    readonly task: string;
    readonly problem: string;
    readonly isForeign: boolean;
  };
  /** No broker answers: what runs waits, and loses nothing. */
  logAway: { readonly problem: string };
  logBack: { readonly awayMs: number };
  runtimeStarting: { readonly application: string };
  runtimeStarted: {
    readonly application: string;
    readonly tasks: number;
    readonly threads: number;
    /** The budget for state, bytes. */
    readonly memoryBytes: number;
  };
  /** What the state of a task takes in memory, bytes; after each of its commits. */
  stateMemory: {
    readonly task: string;
    readonly cache: number;
    readonly packed: number;
    readonly backend: number;
  };
  runtimeStopped: { readonly application: string; readonly reason: string };
}

export type EventName = keyof TelemetryEvents;

/** The port: told of every event, must not throw and must not block. */
export interface Observer {
  on<N extends EventName>(name: N, event: TelemetryEvents[N]): void;
}

export const silentObserver: Observer = { on() {} };

/** Tells several observers in order. */
export function allObservers(observers: readonly Observer[]): Observer {
  return {
    on(name, event) {
      for (const observer of observers) observer.on(name, event);
    },
  };
}
