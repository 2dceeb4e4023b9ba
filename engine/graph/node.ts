/** The nodes of a topology: frozen data, made by operators, read by describe, plan and tasks. */
import type { AnyReceiver, BuildContext } from './processor.ts';
import type { StoreSpec } from './store-spec.ts';
import type { Sink, Source } from './topic.ts';

/** A reference to an output of a node. */
export interface Port {
  readonly node: number;
  readonly port: number;
}

export interface SourceOptions {
  /** Event time of a record, ms UTC; default: the timestamp in the log. */
  readonly time?: (value: never, key: never, timestamp: number) => number;
  /**
   * A record whose time is more than this (ms) after the log's own timestamp becomes a dead letter.
   */
  readonly maxFutureSkewMs?: number;
  /**
   * How far records may be out of order within a partition, ms; the partition's time is this much
   * behind.
   */
  readonly disorder?: number;
  /** A timestamp further ahead of the wall clock, ms, is refused. */
  readonly maxAhead?: number;
  /** A jump further ahead, ms, is accepted if another record confirms it. */
  readonly maxJump?: number;
  /** A partition that has been silent for this long, ms of the wall clock, is idle. */
  readonly idleAfter?: number;
}

export interface SourceNode {
  readonly type: 'source';
  readonly id: number;
  readonly topic: Source<unknown, unknown>;
  readonly options: SourceOptions;
  readonly callSite: string;
}

export interface StepNode {
  readonly type: 'step';
  readonly id: number;
  readonly step: Step;
  /** The inputs; input `i` of the step is `inputs[i]`. */
  readonly inputs: readonly Port[];
  readonly callSite: string;
}

export interface SinkNode {
  readonly type: 'sink';
  readonly id: number;
  readonly topic: Sink<never, never>;
  readonly input: Port;
  readonly callSite: string;
}

export type GraphNode = SourceNode | StepNode | SinkNode;

/** An operator with its settings. External ones are created by `defineStep` of `millrace/steps`. */
export interface Step {
  /** Operator, e.g. 'filter'. */
  readonly kind: string;
  /**
   * Given by the author if the step has state; otherwise derived from the kind, for messages only.
   */
  readonly name: string;
  /** Settings shown by `describe` and included in the fingerprint. */
  readonly detail?: Readonly<Record<string, unknown>>;
  readonly stores: readonly StoreSpec[];
  /**
   * True if the step accepts null values of a topic (a table's deletions; a join's stream time).
   * For other steps they are dropped and counted as null_value.
   */
  readonly nulls?: boolean;
  /** Interval of the step's calls through `BuildContext.onWallClock`, ms of the wall clock. */
  readonly wallClockMs?: number;
  /** A configuration error with its remedy, reported with all others when the topology is built. */
  readonly problem?: string;
  /** Side outputs to topics (late records, ...), for `describe` and topic creation. */
  readonly sinks?: readonly Sink<never, never>[];
  /**
   * True if the step buffers records until the watermark has passed them, and forwards them in
   * order of time.
   */
  readonly ordersByTime?: boolean;
  /**
   * Keeps records for up to so long of event time, ms, and lets them go on as of their own time:
   * where time goes by the sources, an instant passes so much later for what follows. Default 0.
   */
  readonly heldMs?: number;
  /** Set by `keyBy` only: the topic that carries the records to the partition of their new key. */
  readonly repartition?: { readonly topic: Source<unknown, unknown> & Sink<never, never> };
  /** One receiver for each input. */
  build(context: BuildContext): readonly AnyReceiver[];
}
