/**
 * All telemetry events. A layer reports through the Observer port, independent of metrics and logs;
 * runtime/observe.ts binds the events to prom-client and pino.
 */

/** Reasons why a record had no effect. Every drop is counted by reason. */
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

/** The stage at which a record failed. */
export type FailureStage = 'source' | 'deserialise' | 'process' | 'produce' | 'future';

/** The work of a task in a cycle. */
export interface WorkedTask {
  readonly task: string;
  readonly recordsIn: number;
  readonly recordsOut: number;
  /** ms by stage. */
  readonly stages: Readonly<Record<string, number>>;
  /** Number of keys looked up, and how many of them were not in memory. */
  readonly lookups: { readonly keys: number; readonly reads: number };
  /** Its writes to changelogs, by store, and to topics. */
  readonly stores: readonly Written[];
  readonly topics: readonly Written[];
  /** Greatest event time so far, ms UTC. */
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
    /** From the log's commit to its acknowledgement by every task, ms. */
    readonly toldMs: number;
    /** Time by stage, ms (runtime/stages.ts). */
    readonly stages: Readonly<Record<string, number>>;
    readonly streamTime: number;
  };
  /** The work of the tasks in a committed cycle; only created if an observer needs it. */
  tasksWorked: {
    /** From the start of the cycle's reading to its commit, ms. */
    readonly tookMs: number;
    readonly all: () => readonly WorkedTask[];
  };
  /** Partitions were assigned to this process, or revoked. */
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
  /** Number of tasks that are open here, and that are being opened. */
  assignmentChanged: { readonly open: number; readonly opening: number };
  /** Progress of a store's restore, in changelog records. */
  restoreProgress: {
    readonly task: string;
    readonly store: string;
    readonly done: number;
    readonly total: number;
  };
  /** A commit failed or its outcome is unknown: all tasks continue from the last known one. */
  commitDoubtful: { readonly problem: string; readonly attempt: number };
  /** A worker thread died; `attempt` counts the failures since the last commit. */
  workerLost: { readonly problem: string; readonly attempt: number };
  /**
   * A record failed in a step after it had changed state, or state could not be encoded: the tasks
   * continue from the last commit, and `task` is careful for a while.
   */
  cycleRepeated: { readonly task: string; readonly step: string; readonly problem: string };
  /** After each of these: the assigned tasks are open, or being opened. */
  recovered: Readonly<Record<string, never>>;
  connectorAdvanced: {
    readonly source: string;
    readonly records: number;
    readonly bytes: number;
    readonly deadLettered: number;
    /** Skipped records, by reason. */
    readonly skipped: Readonly<Record<string, number>>;
  };
  /** A source does not respond, or refuses; the request is retried after `waitMs`. */
  sourceAway: {
    readonly source: string;
    readonly problem: string;
    readonly attempt: number;
    readonly waitMs: number;
  };
  /** The source responds again. */
  sourceBack: { readonly source: string };
  /** Consumed records of repartition topics could not be deleted; this is retried. */
  upkeepFailed: { readonly problem: string };
  /** The transport to and from the Kafka client; `reason`: why not the best one. */
  kafkaTransport: { readonly transport: string; readonly reason: string | undefined };
  /** The Kafka client fetches the partition, because the direct transport could not. */
  fetchHandedBack: { readonly topic: string; readonly partition: number; readonly reason: string };
  /** A partition could not be read for some seconds; reading is retried. */
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
   * Tasks wait for a source partition, or a task of another process, whose time has not moved for a
   * minute.
   */
  timeHeld: {
    /** 'topic/partition', or 'task 0_1'. */
    readonly holder: string;
    readonly state: string;
    /** Number of waiting tasks of this process, and the first one. */
    readonly tasks: number;
    readonly task: string | undefined;
    readonly heldMs: number;
  };
  /** Its time has moved. */
  timeReleased: { readonly holder: string; readonly heldMs: number };
  /**
   * The next offset of a partition no longer existed, and the run continues at the start or the
   * end, as configured.
   */
  offsetLost: {
    readonly topic: string;
    readonly partition: number;
    readonly offset: number;
    readonly start: number;
    readonly end: number;
    readonly goesOnAt: number;
  };
  /**
   * A changelog of a task has records, but no source has a committed offset, and the run reads
   * them from the start, as configured.
   */
  offsetsMissing: {
    readonly task: string;
    readonly store: string;
    readonly topics: readonly string[];
  };
  /** The Kafka client writes, because the direct transport could not. */
  writesHandedBack: { readonly reason: string };
  /** The group has not sent any assignment yet; reported once a minute. */
  assignmentAwaited: { readonly waitedMs: number };
  /** The group's committed offsets are older than a task's changelogs; they are read again. */
  offsetsBehind: { readonly task: string; readonly problem: string };
  /** Metrics could not be sent; reported once per problem. */
  metricsUnsent: { readonly address: string; readonly problem: string };
  /**
   * State was compared with an independent recomputation from the log: number of compared and of
   * different results.
   */
  stateVerified: { readonly compared: number; readonly differing: number };
  /** A record failed and is tried again later; its task reads nothing until then. */
  recordWaits: {
    readonly task: string;
    readonly topic: string;
    readonly offset: number;
    /** Number of attempts. */
    readonly attempt: number;
    readonly afterMs: number;
  };
  /**
   * Reading was paused or resumed: the whole application, topics, partitions ('topic/0'), sources.
   */
  pauseChanged: {
    readonly all: boolean;
    readonly topics: readonly string[];
    readonly partitions: readonly string[];
    readonly sources: readonly string[];
  };
  /**
   * A task's state was damaged, or belonged to another task: it is deleted and restored from its
   * changelog.
   */
  stateWiped: {
    readonly task: string;
    readonly problem: string;
    readonly isForeign: boolean;
  };
  /** No broker responds: the process waits, and loses nothing. */
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
  /** Memory of a task's state, bytes; after each of its commits. */
  stateMemory: {
    readonly task: string;
    readonly cache: number;
    readonly packed: number;
    readonly backend: number;
  };
  runtimeStopped: { readonly application: string; readonly reason: string };
}

export type EventName = keyof TelemetryEvents;

/** The port: receives every event, must not throw and must not block. */
export interface Observer {
  on<N extends EventName>(name: N, event: TelemetryEvents[N]): void;
}

export const silentObserver: Observer = { on() {} };

/** Forwards events to several observers, in order. */
export function allObservers(observers: readonly Observer[]): Observer {
  return {
    on(name, event) {
      for (const observer of observers) observer.on(name, event);
    },
  };
}
