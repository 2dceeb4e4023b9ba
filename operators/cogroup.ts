/**
 * cogroup: one aggregate over the records of several streams of a key, each with its own `add`. It
 * keeps one cell per key (or per window), while a join of aggregates would keep one per stream.
 *
 * The records of the streams are processed in the order of the task: by timestamp.
 */
import { aSerde, checkSettings, optional } from '../engine/base/settings.ts';
import type { Port, Step } from '../engine/graph/node.ts';
import type { AnyReceiver } from '../engine/graph/processor.ts';
import type { Sink } from '../engine/graph/topic.ts';
import { msgpack } from '../engine/serde/msgpack.ts';
import type { Serde } from '../engine/serde/serde.ts';
import type { Windowed } from '../engine/serde/windowed.ts';
import type { WindowSpec } from '../engine/time/windows/window-spec.ts';
import { keyAggregate } from './aggregate-expiring.ts';
import type { Aggregate } from './aggregate-value.ts';
import { type Flow, sameTopology } from './flow.ts';
import { type TtlOption, ttlRule } from './row-expiry.ts';
import type { Stream } from './stream.ts';
import { synchronousAggregate } from './synchronous.ts';
import { Table } from './table.ts';
import { type WindowAggregateOptions, windowedTable } from './windowed-stream.ts';

/** The common accumulator of a cogroup's streams. Laws as in aggregate-value.ts. */
export interface CogroupAggregate<A> {
  /** Part of the topology's fingerprint. */
  readonly name?: string;
  init(): A;
  /** Combines two accumulators: session windows need it; hopping windows with it run on slices. */
  merge?(left: A, right: A): A;
  /** True if the result depends on the order of arrival. */
  readonly ordered?: boolean;
}

type Add<A> = (accumulator: A, value: never, timestamp: number) => A;

interface Part<K, A> {
  readonly flow: Flow<K, unknown>;
  readonly add: Add<A>;
}

/** A record with the number of its stream. */
class PartValue {
  readonly part: number;
  readonly value: unknown;

  constructor(part: number, value: unknown) {
    this.part = part;
    this.value = value;
  }
}

/** Streams that are aggregated together; `with` adds another one. */
export class CogroupedStream<K, V, A> {
  readonly #whole: CogroupAggregate<A>;
  readonly #parts: readonly Part<K, A>[];

  constructor(whole: CogroupAggregate<A>, parts: readonly Part<K, A>[]) {
    this.#whole = whole;
    this.#parts = parts;
  }

  /**
   * Adds another stream with the same keys and partitions.
   * @param add adds one of its records to the accumulator
   */
  with<W>(
    other: Stream<K, W>,
    add: (accumulator: A, value: W, timestamp: number) => A,
  ): CogroupedStream<K, V | W, A> {
    const { graph } = this.#first;
    const parts = other.cogroup(this.#whole, add).#parts;
    for (const { flow } of parts) sameTopology('cogroup.with', graph, flow.graph);
    return new CogroupedStream(this.#whole, [...this.#parts, ...parts]);
  }

  /**
   * The aggregate of each key; `name` names the store. Records with a null key or value are dropped
   * and counted. With `ttlMs`, a row expires this many ms after its newest record.
   */
  aggregate(name: string, options: { readonly value?: Serde<A> } & TtlOption = {}): Table<K, A> {
    checkSettings(name, options, { value: optional(aSerde), ttlMs: ttlRule });
    const { graph, key } = this.#first;
    const { value = msgpack<A>(), ttlMs } = options;
    const aggregate = synchronousAggregate(this.#aggregate);
    const { step, getter } = keyAggregate(name, aggregate, key as Serde<K>, value, ttlMs);
    const port = graph.step(this.#tagged(step), this.#ports);
    return new Table<K, A>({ graph, port, key: key as Serde<K>, value }, name, { getter });
  }

  /** Cuts the streams into windows: one aggregate per key and window. Sessions need `merge`. */
  window(spec: WindowSpec): WindowedCogroup<K, V, A> {
    return new WindowedCogroup((name, options) =>
      windowedTable({
        flow: this.#first as Flow<K, PartValue>,
        inputs: this.#ports,
        name,
        spec,
        aggregate: this.#aggregate,
        options: untaggedLate(options),
        stepOf: (step) => this.#tagged(step),
      }),
    );
  }

  get #first(): Flow<K, unknown> {
    return (this.#parts[0] as Part<K, A>).flow;
  }

  get #ports(): Port[] {
    return this.#parts.map(({ flow }) => flow.port);
  }

  get #aggregate(): Aggregate<PartValue, A> {
    const adds = this.#parts.map(({ add }) => add);
    return {
      ...this.#whole,
      init: () => this.#whole.init(),
      add: (accumulator, { part, value }, timestamp) =>
        (adds[part] as Add<A>)(accumulator, value as never, timestamp),
    };
  }

  /** Turns the step of one input into a step with one input per stream. */
  #tagged(step: Step): Step {
    return {
      ...step,
      kind: step.kind.replace('aggregate', 'cogroup'),
      build: (context) => {
        const [inner] = step.build(context) as [AnyReceiver];
        return this.#parts.map((_, part): AnyReceiver => {
          return {
            receive: (key, value, timestamp) => {
              const none = value === null || value === undefined;
              inner.receive(key, none ? null : new PartValue(part, value), timestamp);
            },
          };
        });
      },
    };
  }
}

/** Cogrouped streams cut into windows. */
export class WindowedCogroup<K, V, A> {
  readonly #tableOf: (
    name: string,
    options: WindowAggregateOptions<K, V, A>,
  ) => Table<Windowed<K>, A>;

  constructor(
    tableOf: (name: string, options: WindowAggregateOptions<K, V, A>) => Table<Windowed<K>, A>,
  ) {
    this.#tableOf = tableOf;
  }

  /**
   * The aggregate of each key and window; `name` names the store. Records with a null key or value,
   * and late ones, are dropped and counted.
   * @throws CONFIG_INVALID if the window cannot use the aggregate
   */
  aggregate(name: string, options: WindowAggregateOptions<K, V, A> = {}): Table<Windowed<K>, A> {
    return this.#tableOf(name, options);
  }
}

/** Writes late records to their topic in their original form. */
function untaggedLate<K, V, A>(
  options: WindowAggregateOptions<K, V, A>,
): WindowAggregateOptions<K, PartValue, A> {
  const { late, ...others } = options;
  if (late === undefined) return others;
  const { valueEncoder, partitioner, ...same } = late;
  const sink: Sink<K, PartValue> = {
    ...same,
    ...(partitioner === undefined
      ? {}
      : {
          partitioner: (key, tagged, partitions) =>
            partitioner(key, tagged === null ? null : (tagged.value as V), partitions),
        }),
    valueEncoder: {
      format: valueEncoder.format,
      encode: ({ value }) => valueEncoder.encode(value as V),
    },
  };
  return { ...others, late: sink };
}
