/** A stream of records, with its operators. */
import {
  aFunction,
  anObject,
  aSerde,
  checkSetting,
  checkSettings,
  choice,
  optional,
  refuseSetting,
} from '../engine/base/settings.ts';
import type { Step } from '../engine/graph/node.ts';
import type { KeyOptions, Sink } from '../engine/graph/topic.ts';
import { msgpack } from '../engine/serde/msgpack.ts';
import type { Serde } from '../engine/serde/serde.ts';
import { utf8 } from '../engine/serde/utf8.ts';
import type { WindowSpec } from '../engine/time/windows/window-spec.ts';
import { keyAggregate } from './aggregate-expiring.ts';
import { type Aggregate, checkAggregate } from './aggregate-value.ts';
import { count } from './aggregates/count.ts';
import { reduce } from './aggregates/reduce.ts';
import { type AsyncCall, asyncMapStep } from './async-map.ts';
import { handIn } from './chain-types.ts';
import { type CogroupAggregate, CogroupedStream } from './cogroup.ts';
import { dedupeStep } from './dedupe.ts';
import { type Flow, sameTopology } from './flow.ts';
import type { AsyncOptions } from './in-flight.ts';
import { keyByStep } from './key-by.ts';
import type { Collections } from './keyed-collections.ts';
import { type StepOf, stepAt } from './kit/define-step.ts';
import { orderByTimeStep } from './order-by-time.ts';
import { processStep } from './process.ts';
import type { NoCollections, ProcessSpec } from './process-spec.ts';
import { routeStep } from './route.ts';
import { type TtlOption, ttlRule } from './row-expiry.ts';
import { filterStep, flatMapStep, mapStep, mergeStep, peekStep, splitStep } from './stateless.ts';
import { StreamJoins } from './stream-joins.ts';
import type { KeyBySettings } from './stream-options.ts';
import { type Synchronous, synchronousAggregate, type Unawaited } from './synchronous.ts';
import { Table } from './table.ts';
import { type StandardSchema, validateStep } from './validate.ts';
import { WindowedStream } from './windowed-stream.ts';

/** A predicate that is a type guard. */
type Guard<V, W extends V> = (value: V, ...rest: never[]) => value is W;

/** The type of values that pass a predicate. */
type Passed<V, P> = P extends Guard<V, infer W> ? W : V;

/** The narrowed type of a type guard; unknown for any other predicate. */
type Taken<V, P> = P extends Guard<V, infer W> ? W : never;

/** The streams of a split, by branch. */
export type Branches<K, V, B> = { readonly [N in keyof B]: Stream<K, Passed<V, B[N]>> } & {
  readonly otherwise: Stream<K, Exclude<V, Taken<V, B[keyof B]>>>;
};

export class Stream<K, V> extends StreamJoins<K, V> {
  readonly #flow: Flow<K, V>;

  constructor(flow: Flow<K, V>) {
    super(flow);
    this.#flow = flow;
  }

  /**
   * Keeps the records for which the predicate is true; a type guard narrows the type of the values.
   * @example `orders.filter((order) => order.amount > 0)`
   */
  filter<W extends V>(predicate: (value: V, key: K) => value is W): Stream<K, W>;
  filter(predicate: (value: V, key: K) => boolean): Stream<K, V>;
  filter(predicate: (value: V, key: K) => boolean): Stream<K, V> {
    return this.#then(filterStep(predicate), this.#flow.value);
  }

  /**
   * Maps each record to another value; key and timestamp (ms UTC) stay the same. Records mapped to
   * null or undefined are treated as null values by later steps.
   */
  map<W>(fn: (value: V, key: K, timestamp: number) => Synchronous<W>): Stream<K, W> {
    return this.#then<W>(mapStep(fn), undefined);
  }

  /**
   * Emits a record for each value of the result, in order, with the key and timestamp of the
   * original record.
   */
  flatMap<W>(fn: (value: V, key: K) => Iterable<Synchronous<W>>): Stream<K, W> {
    return this.#then<W>(flatMapStep(fn), undefined);
  }

  /**
   * Maps each record with an asynchronous function: several concurrent calls, but one at a time per
   * key; results keep the order of the records. The commit waits for the calls. A call may be
   * repeated after a failure or a crash, so it should be idempotent. If all calls of a record fail,
   * the error policy decides.
   * @throws CONFIG_INVALID for an invalid option
   */
  asyncMap<W>(
    fn: (value: V, call: AsyncCall<K>) => W | Promise<W>,
    options: AsyncOptions = {},
  ): Stream<K, W> {
    return this.#then<W>(asyncMapStep(fn, options), undefined);
  }

  /**
   * Calls `fn` for each record, which is forwarded unchanged. Side effects of `fn` are not
   * exactly-once.
   */
  peek(fn: (value: V, key: K, timestamp: number) => Unawaited): Stream<K, V> {
    return this.#then(peekStep(fn), this.#flow.value);
  }

  /**
   * Sends each record to the first branch whose predicate is true, or to `otherwise`. A type guard
   * gives its branch the narrowed type, and `otherwise` the rest.
   * @example `const { large, otherwise } = orders.split({ large: (o) => o.amount > 100 })`
   */
  split<B extends Readonly<Record<string, (value: V, key: K) => boolean>>>(
    branches: B,
  ): Branches<K, V, B> {
    const port = this.#flow.graph.step(splitStep(branches), [this.#flow.port]);
    const names = [...Object.keys(branches), 'otherwise'];
    const streams = names.map((_, i) => new Stream({ ...this.#flow, port: { ...port, port: i } }));
    return Object.fromEntries(names.map((name, i) => [name, streams[i]])) as never;
  }

  /**
   * The records of both streams, in the order in which the task processes them: by timestamp.
   * @throws CONFIG_INVALID for a stream of another topology
   */
  merge<W>(other: Stream<K, W>): Stream<K, V | W> {
    const { graph, key } = this.#flow;
    sameTopology('merge', graph, other.#flow.graph);
    const port = graph.step(mergeStep(2), [this.#flow.port, other.#flow.port]);
    return new Stream<K, V | W>({ graph, port, key, value: undefined });
  }

  /**
   * Gives each record a new key, through a repartition topic named after `name`. If the key is null
   * or undefined, the record is dropped and counted as null_key. Keys that are not strings need a
   * serde: `{ key: int64 }`.
   * @example `orders.keyBy('by-customer', (order) => order.customer)`
   * @throws CONFIG_INVALID for an invalid option
   */
  keyBy<K2 = string>(
    name: string,
    keyOf: (value: V, key: K) => K2 | null | undefined,
    ...rest: KeyOptions<K2, KeyBySettings<K2, V>>
  ): Stream<K2, V> {
    const options: KeyBySettings<K2, V> & { readonly key?: Serde<K2> } = rest[0] ?? {};
    checkSettings(name, options, {
      key: optional(aSerde),
      value: optional(aSerde),
      partitioner: optional(aFunction),
      order: optional(choice('arrival', 'time')),
    });
    const key = options.key ?? (utf8 as unknown as Serde<K2>);
    const value = options.value ?? this.#flow.value ?? msgpack<V>();
    const { graph } = this.#flow;
    const step = keyByStep(name, keyOf, key, value, options.partitioner);
    const keyed = graph.step(step, [this.#flow.port]);
    const isOrdered = options.order === 'time';
    const port = isOrdered
      ? graph.step(orderByTimeStep(`${name}-order`, key, value), [keyed])
      : keyed;
    return new Stream<K2, V>({ graph, port, key, value });
  }

  /**
   * A custom operator with state and timers for each key; `name` names the store. A record with a
   * null key is dropped and counted. See docs/operators/process.md.
   * @throws CONFIG_INVALID for an invalid setting, or a table of another topology
   */
  process<S, R = never, C extends Collections = NoCollections>(
    name: string,
    spec: ProcessSpec<K, V, S, R, C>,
  ): Stream<K, R> {
    const { graph, key, port: input } = this.#flow;
    const step = processStep(name, spec, key, spec.state ?? msgpack<S>());
    const tables = (spec.tables ?? []).map((table) => {
      if (table instanceof Table) {
        const side = table.joinSide();
        sameTopology(`${name}.tables`, graph, side.graph);
        return side.port;
      }
      return refuseSetting(`${name}.tables`, 'are tables of t.table() or made of them, no others');
    });
    const port = graph.step(step, [input, ...tables]);
    return new Stream<K, R>({ graph, port, key, value: undefined });
  }

  /** Validates each value with a schema; an invalid one becomes a dead letter with the issues. */
  validate<R>(schema: StandardSchema<R>): Stream<K, R> {
    return this.#then<R>(validateStep(schema), undefined);
  }

  /**
   * Drops repetitions of an id within `withinMs` (ms of stream time, ≥ 0), per key. Older records
   * are late, and records with a null key are dropped; all are counted. `name` names the store.
   * @throws CONFIG_INVALID for an invalid duration
   */
  dedupe(name: string, idOf: (value: V, key: K) => string, withinMs: number): Stream<K, V> {
    const { key, value } = this.#flow;
    return this.#then(dedupeStep(name, idOf, withinMs, key), value);
  }

  /**
   * Writes each record to one of the topics: `choose` returns its name in `topics`, or null for
   * none.
   */
  route<N extends string>(
    topics: Readonly<Record<N, Sink<K, V>>>,
    choose: (value: V, key: K) => N | null,
  ): void {
    const { graph, port } = this.#flow;
    graph.step(routeStep(topics, choose), [port]);
  }

  /**
   * Writes the records to a topic, at the commit. Null values are written as tombstones, which
   * delete a row.
   */
  to(topic: Sink<K, NonNullable<V>>): void {
    this.#flow.graph.sink(topic, this.#flow.port);
  }

  /**
   * Applies an external operator, created by `defineStep` of `millrace/steps`.
   * @throws CONFIG_INVALID if it is not such an operator
   */
  apply<R>(step: StepOf<K, V, R>): Stream<K, R> {
    return this.#then<R>(stepAt(step, this.#flow), step.valueAt(this.#flow));
  }

  /** Applies a function of streams, to share parts of a topology. */
  via<R>(part: (stream: Stream<K, V>) => R): R {
    return part(this);
  }

  /**
   * The aggregate of all records of a key; `name` names the store. A record with a null key or
   * value has no effect and is counted. If the aggregate returns null or undefined, there is no
   * row. With `ttlMs`, a key's row is deleted this many ms after its newest record, and the next
   * record starts from `init`.
   * @example `orders.aggregate('turnover', sum((order) => order.cents))`
   * @throws CONFIG_INVALID for an invalid aggregate
   */
  aggregate<A>(
    name: string,
    aggregate: Aggregate<NonNullable<V>, A>,
    options: { readonly value?: Serde<A> } & TtlOption = {},
  ): Table<K, A> {
    checkSettings(name, options, { value: optional(aSerde), ttlMs: ttlRule });
    checkAggregate(name, aggregate);
    const { graph, key, port: input } = this.#flow;
    const { value = msgpack<A>(), ttlMs } = options;
    const { step, getter } = keyAggregate(name, synchronousAggregate(aggregate), key, value, ttlMs);
    return new Table({ graph, port: graph.step(step, [input]), key, value }, name, { getter });
  }

  /** The number of records of a key; otherwise as `aggregate`. */
  count(name: string, options: TtlOption = {}): Table<K, number> {
    return this.aggregate(name, count<NonNullable<V>>(), options);
  }

  /** Folds the records of a key, starting with the first one; otherwise as `aggregate`. */
  reduce(
    name: string,
    fn: (total: NonNullable<V>, value: NonNullable<V>) => NonNullable<V>,
    options: TtlOption = {},
  ): Table<K, NonNullable<V>> {
    const value = (this.#flow.value ?? msgpack<V>()) as Serde<NonNullable<V>>;
    return this.aggregate(name, reduce(fn), { value, ...options });
  }

  /**
   * Starts one aggregate over several streams, each with its own `add`: `a.cogroup({ init },
   * addA).with(b, addB).aggregate(name)`.
   */
  cogroup<A>(
    whole: CogroupAggregate<A>,
    add: (accumulator: A, value: NonNullable<V>, timestamp: number) => A,
  ): CogroupedStream<K, NonNullable<V>, A> {
    checkSetting('cogroup.whole', whole, anObject);
    checkSetting('cogroup.init', whole.init, aFunction);
    checkSetting('cogroup.merge', whole.merge, optional(aFunction));
    checkSetting('cogroup.add', add, aFunction);
    return new CogroupedStream<K, NonNullable<V>, A>(whole, [
      { flow: this.#flow as Flow<K, unknown>, add },
    ]);
  }

  /**
   * Cuts the stream into windows, for an aggregate. Records with a null key or value have no effect
   * there and are counted.
   * @example `clicks.window(tumbling({ size: hours(1), grace: 0 })).count('clicks-per-hour')`
   */
  window(spec: WindowSpec): WindowedStream<K, NonNullable<V>> {
    return new WindowedStream(this.#flow as Flow<K, NonNullable<V>>, spec);
  }

  #then<W>(step: Step, value: Serde<W> | undefined): Stream<K, W> {
    const { graph, key } = this.#flow;
    return new Stream<K, W>({ graph, port: graph.step(step, [this.#flow.port]), key, value });
  }
}

handIn({ stream: Stream });
