/** The joins of a stream: with other streams, tables, and outside stores. */
import { synchronous } from '../engine/base/promises.ts';
import { anObject, checkSettings, optional, refuseSetting } from '../engine/base/settings.ts';
import type { Port, Step } from '../engine/graph/node.ts';
import { msgpack } from '../engine/serde/msgpack.ts';
import type { Serde } from '../engine/serde/serde.ts';
import { streamOf } from './chain-types.ts';
import { type Flow, sameTopology } from './flow.ts';
import { type GlobalTable, globalJoinStep } from './join-global.ts';
import { selfJoinStep } from './join-self.ts';
import { streamTableJoinStep, type TableJoinOptions } from './join-stream-table.ts';
import { checkStreamJoin, streamJoinStep } from './join-streams.ts';
import type {
  Joiner,
  JoinKind,
  StreamJoinOptions,
  StreamJoinSettings,
} from './join-streams-store.ts';
import type { JoinWindow } from './join-window.ts';
import { type Answer, type LookupOptions, lookupStep } from './lookup.ts';
import type { Stream } from './stream.ts';
import type { TableJoinWait } from './stream-options.ts';
import type { Synchronous } from './synchronous.ts';
import type { Table } from './table.ts';
import type { TableGetter } from './table-getter.ts';

/** The joins, which `Stream` inherits. */
export abstract class StreamJoins<K, V> {
  readonly #flow: Flow<K, V>;

  constructor(flow: Flow<K, V>) {
    this.#flow = flow;
  }

  /**
   * Emits every pair of records of a key within the window, with the later timestamp; `name` names
   * the store. Records with a null key or value are dropped and counted. Example:
   * `orders.join('paid', payments, joinWindow({ before: 0, after: hours(1), grace: 0 }), (order,
   * payment) => ({ ...order, payment }))`.
   * @throws CONFIG_INVALID for an invalid window
   */
  join<W, R>(
    name: string,
    other: Stream<K, W>,
    window: JoinWindow,
    joiner: (left: NonNullable<V>, right: NonNullable<W>, key: K) => Synchronous<R>,
    settings: StreamJoinSettings = {},
  ): Stream<K, R> {
    return this.#joinStream('inner', name, other, window, joiner as Joiner, settings);
  }

  /**
   * As `join`; an unmatched record of this stream is emitted, with undefined for the other side,
   * when window and grace are over. A record with a null key is emitted unmatched at once.
   */
  leftJoin<W, R>(
    name: string,
    other: Stream<K, W>,
    window: JoinWindow,
    joiner: (left: NonNullable<V>, right: NonNullable<W> | undefined, key: K) => Synchronous<R>,
    settings: StreamJoinSettings = {},
  ): Stream<K, R> {
    return this.#joinStream('left', name, other, window, joiner as Joiner, settings);
  }

  /** As `leftJoin`, for the records of both streams. */
  outerJoin<W, R>(
    name: string,
    other: Stream<K, W>,
    window: JoinWindow,
    joiner: (
      left: NonNullable<V> | undefined,
      right: NonNullable<W> | undefined,
      key: K,
    ) => Synchronous<R>,
    settings: StreamJoinSettings = {},
  ): Stream<K, R> {
    return this.#joinStream('outer', name, other, window, joiner as Joiner, settings);
  }

  /**
   * Joins each record with the table's row of its key; a record without a row has no result.
   * Changes of the table emit nothing. Records with a null value, and in this join a null key, are
   * dropped and counted.
   */
  joinTable<W, R>(
    table: Table<K, W>,
    joiner: (value: NonNullable<V>, row: W, key: K) => Synchronous<R>,
    options: TableJoinWait = {},
  ): Stream<K, R> {
    return this.#joinTable('inner', table, joiner as never, options);
  }

  /** As `joinTable`; without a row or a key the joiner gets undefined. */
  leftJoinTable<W, R>(
    table: Table<K, W>,
    joiner: (value: NonNullable<V>, row: W | undefined, key: K) => Synchronous<R>,
    options: TableJoinWait = {},
  ): Stream<K, R> {
    return this.#joinTable('left', table, joiner as never, options);
  }

  /**
   * Joins each record with the row of a global table that `keyOf` names (null: no row); a record
   * without a row has no result.
   */
  joinGlobal<G, W, R>(
    table: GlobalTable<G, W>,
    keyOf: (value: V, key: K) => G | null,
    joiner: (value: V, row: W, key: K) => Synchronous<R>,
  ): Stream<K, R> {
    return this.#joinGlobal('inner', table.topic as never, keyOf as never, joiner as never);
  }

  /** As `joinGlobal`; without a row the joiner gets undefined. */
  leftJoinGlobal<G, W, R>(
    table: GlobalTable<G, W>,
    keyOf: (value: V, key: K) => G | null,
    joiner: (value: V, row: W | undefined, key: K) => Synchronous<R>,
  ): Stream<K, R> {
    return this.#joinGlobal('left', table.topic as never, keyOf as never, joiner as never);
  }

  /**
   * Joins each record with a value that `fetch` reads from an outside store, for the key that
   * `keyOf` returns (null: no call). A record without a value has no result. Values are cached in
   * memory for a while. Calls may be repeated.
   * @throws CONFIG_INVALID for an invalid option
   */
  lookup<W, R>(
    keyOf: (value: V, key: K) => string | null,
    fetch: (key: string, signal: AbortSignal) => Answer<W> | Promise<Answer<W>>,
    joiner: (value: V, answer: W, key: K) => Synchronous<R>,
    options: LookupOptions = {},
  ): Stream<K, R> {
    const step = { kind: 'inner' as const, keyOf, fetch, joiner: joiner as never };
    return this.#through<R>(lookupStep<K, V, W, R>(step, options));
  }

  /** As `lookup`; without a value the joiner gets undefined. */
  leftLookup<W, R>(
    keyOf: (value: V, key: K) => string | null,
    fetch: (key: string, signal: AbortSignal) => Answer<W> | Promise<Answer<W>>,
    joiner: (value: V, answer: W | undefined, key: K) => Synchronous<R>,
    options: LookupOptions = {},
  ): Stream<K, R> {
    return this.#through<R>(lookupStep({ kind: 'left', keyOf, fetch, joiner }, options));
  }

  #joinStream<W, R>(
    kind: JoinKind,
    name: string,
    other: Stream<K, W>,
    window: JoinWindow,
    joiner: Joiner,
    settings: StreamJoinSettings,
  ): Stream<K, R> {
    const { graph, key, value } = this.#flow;
    sameTopology(name, graph, other.#flow.graph);
    const [left, right] = [this.#flow.port, other.#flow.port];
    const itself = left.node === right.node && left.port === right.port;
    const options: StreamJoinOptions = {
      ...settings,
      name,
      kind,
      window,
      joiner: synchronous(joiner, 'the joiner'),
      key: key as Serde<unknown>,
      leftValue: (value ?? msgpack<V>()) as Serde<unknown>,
      rightValue: (other.#flow.value ?? msgpack<W>()) as Serde<unknown>,
    };
    checkStreamJoin(options, settings);
    const port =
      itself && kind === 'inner'
        ? graph.step(selfJoinStep(options), [left])
        : graph.step(streamJoinStep(options), [left, right]);
    return this.#at<R>(port);
  }

  #joinTable<W, R>(
    kind: 'inner' | 'left',
    table: Table<K, W>,
    joiner: TableJoinOptions['joiner'],
    options: TableJoinWait,
  ): Stream<K, R> {
    const { graph, key, value } = this.#flow;
    checkSettings('joinTable', options, { wait: optional(anObject) });
    const side = table.joinSide();
    sameTopology('joinTable', graph, side.graph);
    if (options.wait !== undefined && !side.versioned) {
      const problem = 'only a versioned table can be waited for: give the table a historyMs';
      refuseSetting(`${options.wait.name}.graceMs`, problem);
    }
    const step = streamTableJoinStep({
      kind,
      joiner: synchronous(joiner, 'the joiner'),
      getter: side.getter as TableGetter<unknown>,
      ...options,
      key: key as Serde<unknown>,
      value: (value ?? msgpack<V>()) as Serde<unknown>,
    });
    const port = graph.step(step, [this.#flow.port, side.port]);
    return this.#at<R>(port);
  }

  #joinGlobal<R>(
    kind: 'inner' | 'left',
    topic: Parameters<typeof globalJoinStep>[1],
    keyOf: (value: unknown, key: unknown) => unknown,
    joiner: (value: unknown, row: unknown, key: unknown) => unknown,
  ): Stream<K, R> {
    const step = globalJoinStep(
      kind,
      topic,
      synchronous(keyOf, 'the key function') as never,
      synchronous(joiner, 'the joiner') as never,
    );
    return this.#through<R>(step);
  }

  #through<R>(step: Step): Stream<K, R> {
    return this.#at<R>(this.#flow.graph.step(step, [this.#flow.port]));
  }

  #at<R>(port: Port): Stream<K, R> {
    const { graph, key } = this.#flow;
    return streamOf<K, R>({ graph, port, key, value: undefined });
  }
}
