/** A table: the newest value of each key, and its changes as (new, old). */
import { synchronous } from '../engine/base/promises.ts';
import { aSerde, checkSettings, optional, refuseSetting } from '../engine/base/settings.ts';
import type { Port, Step } from '../engine/graph/node.ts';
import type { KeyOptions, Sink } from '../engine/graph/topic.ts';
import type { TableView } from '../engine/graph/view.ts';
import { msgpack } from '../engine/serde/msgpack.ts';
import type { Serde } from '../engine/serde/serde.ts';
import { utf8 } from '../engine/serde/utf8.ts';
import type { WindowSpec } from '../engine/time/windows/window-spec.ts';
import { groupsOf, streamOf } from './chain-types.ts';
import { type Flow, sameTopology } from './flow.ts';
import type { GroupedTable } from './group-table.ts';
import {
  answerStep,
  type ForeignKeyJoinOptions,
  matchStep,
  planStep,
  resultStep,
  subscribeStep,
} from './join-foreign-key.ts';
import type { JoinKind } from './join-streams-store.ts';
import { type RowJoiner, tableJoinGetter, tableJoinStep } from './join-tables.ts';
import { type StepOf, stepAt } from './kit/define-step.ts';
import { mergeStep } from './stateless.ts';
import type { Stream } from './stream.ts';
import { suppressStep } from './suppress.ts';
import { checkWay, type SuppressOptions } from './suppress-options.ts';
import type { Synchronous } from './synchronous.ts';
import {
  derivedGetter,
  type JoinSide,
  type RowsOf,
  storeGetter,
  type TableGetter,
} from './table-getter.ts';
import { changesStep, tableFilterStep, tableMapStep } from './table-steps.ts';
import { derivedView, joinedView, notKeptView } from './table-view.ts';

/** For a windowed table: its windows, and the serde of the key within the window. */
export interface TableWindow {
  readonly spec: WindowSpec;
  readonly base: Serde<unknown>;
  /** Whose records close the windows. */
  readonly clock: 'stream' | 'key';
}

export interface TableTraits<V> {
  readonly window?: TableWindow;
  /** How a join reads the row of a key; absent if rows cannot be read by key. */
  readonly getter?: TableGetter<V> | undefined;
  /** Name of its view; absent if it has a store. */
  readonly view?: string;
  /** True if the getter can read as of an instant. */
  readonly versioned?: boolean;
  /** For a versioned table: its changes that are not the newest of their row. */
  readonly stale?: Port;
}

/** Unique in the topology, by the number of the node. */
function viewName(store: string, kind: string, port: Port): string {
  return `${store}/${kind}-${port.node}`;
}

export class Table<K, V> implements RowsOf<K, V> {
  /** The table's store, or that of the table that it is derived from. */
  readonly store: string;
  readonly view?: string;
  /** Types only: see StoreHandle. */
  declare readonly rowType?: { readonly key: K; readonly value: V };
  readonly #flow: Flow<K, V>;
  readonly #traits: TableTraits<V>;

  constructor(flow: Flow<K, V>, store: string, traits: TableTraits<V> = {}) {
    this.#flow = flow;
    this.store = store;
    if (traits.view !== undefined) this.view = traits.view;
    this.#traits = traits;
  }

  /** Keeps the rows for which the predicate is true; a row that no longer passes is deleted. */
  filter(predicate: (value: V, key: K) => boolean): Table<K, V> {
    const passes = synchronous(predicate, "filter's function");
    return this.#then(
      tableFilterStep(passes, this.#traits.versioned === true),
      this.#flow.value,
      (value, key) => (passes(value, key) ? value : undefined),
    );
  }

  /** Maps each row to another value; a row mapped to null or undefined is deleted. */
  map<W>(fn: (value: V, key: K) => Synchronous<W>): Table<K, NonNullable<W>> {
    const map = synchronous(fn, "map's function");
    const step = tableMapStep(map, this.#traits.versioned === true);
    return this.#then<NonNullable<W>>(
      step,
      undefined,
      (value, key) => (map(value, key) ?? undefined) as NonNullable<W> | undefined,
    );
  }

  /** Every change as a record; a deletion has the value null. */
  changes(): Stream<K, V | null> {
    const { graph, key, value } = this.#flow;
    const port = graph.step(changesStep(), [this.#everyChange]);
    // Writers of values (topics, repartitions) handle null themselves.
    return streamOf<K, V | null>({ graph, port, key, value: value as Serde<V | null> });
  }

  /**
   * Buffers changes until the window closes, for a time, until the next tick of the wall clock, or
   * until the commit; `name` names the store. See docs/operators/suppress.md.
   * @throws CONFIG_INVALID for an invalid combination of options
   */
  suppress(name: string, options: SuppressOptions<V>): Table<K, V> {
    checkWay(name, options as SuppressOptions);
    const { window } = this.#traits;
    const base = window?.base ?? (this.#flow.key as Serde<unknown>);
    if ('untilClosed' in options && window?.clock === 'key') {
      const problem =
        "windows on the key's clock close by it alone: aggregate with emit 'close' instead";
      refuseSetting(`${name}.untilClosed`, problem);
    }
    const value = this.#flow.value ?? msgpack<V>();
    const step = suppressStep(
      name,
      options as SuppressOptions,
      window?.spec,
      base,
      value as Serde<unknown>,
    );
    const view = (kept: string) =>
      notKeptView(
        kept,
        this.#readAs,
        `suppress '${name}' lets changes go on and keeps none of them`,
      );
    return this.#then(step, value, undefined, view);
  }

  /**
   * Applies an external operator, created by `defineStep` of `millrace/steps` with `nulls`. It
   * receives each change: the new row (null for a deletion) and the old row (undefined if there was
   * none), and must forward its own changes in the same form. Rows of the result are not kept.
   * @throws CONFIG_INVALID if it is not such an operator
   */
  apply<R>(step: StepOf<K, V | null, R | null>): Table<K, R> {
    const input = this.#flow as Flow<K, V | null>;
    const made = stepAt(step, input);
    const problem = `step '${made.name}' keeps no rows of its results: aggregate them`;
    const view = (kept: string) => notKeptView(kept, this.#readAs, problem);
    return this.#then<R>(made, step.valueAt(input) as Serde<R> | undefined, undefined, view);
  }

  /**
   * Joins the rows of both tables with the same key. If the joiner returns null or undefined, there
   * is no row.
   */
  join<W, R>(other: Table<K, W>, joiner: (left: V, right: W) => Synchronous<R>): Table<K, R> {
    return this.#join('inner', other, joiner as RowJoiner);
  }

  /** Every row of this table, joined with the other's row or undefined. */
  leftJoin<W, R>(
    other: Table<K, W>,
    joiner: (left: V, right: W | undefined) => Synchronous<R>,
  ): Table<K, R> {
    return this.#join('left', other, joiner as RowJoiner);
  }

  /** Every row of either table, with undefined for a missing side. */
  outerJoin<W, R>(
    other: Table<K, W>,
    joiner: (left: V | undefined, right: W | undefined) => Synchronous<R>,
  ): Table<K, R> {
    return this.#join('outer', other, joiner as RowJoiner);
  }

  /**
   * Joins each row with the other table's row that its foreign key names; a row without a foreign
   * key (null) or a match has no result. `name` names the stores.
   */
  joinForeign<F, W, R>(
    name: string,
    other: Table<F, W>,
    foreignKey: (value: V, key: K) => F | null | undefined,
    joiner: (left: V, right: W) => Synchronous<R>,
  ): Table<K, R> {
    return this.#joinForeign('inner', name, other, foreignKey, joiner as RowJoiner);
  }

  /** As `joinForeign`; a row without a match is joined with undefined. */
  leftJoinForeign<F, W, R>(
    name: string,
    other: Table<F, W>,
    foreignKey: (value: V, key: K) => F | null | undefined,
    joiner: (left: V, right: W | undefined) => Synchronous<R>,
  ): Table<K, R> {
    return this.#joinForeign('left', name, other, foreignKey, joiner as RowJoiner);
  }

  /**
   * Groups the rows, through a repartition topic named after `name`: the function returns the
   * group's key and the value, or null for no group. Group keys that are not strings need a serde:
   * `{ key: int64 }`.
   * @throws CONFIG_INVALID for an invalid option
   */
  groupBy<V2, K2 = string>(
    name: string,
    groupOf: (value: V, key: K) => readonly [key: K2, value: V2] | null,
    ...rest: KeyOptions<K2, { readonly value?: Serde<V2> }>
  ): GroupedTable<K2, V2> {
    const options: { readonly key?: Serde<K2>; readonly value?: Serde<V2> } = rest[0] ?? {};
    checkSettings(name, options, { key: optional(aSerde), value: optional(aSerde) });
    const { key = utf8 as unknown as Serde<K2>, value = msgpack<V2>() } = options;
    const group = synchronous(groupOf, "groupBy's function");
    return groupsOf(this.#flow, name, group, key, value, this.#traits.getter);
  }

  /** Writes every change to a topic: the new row, null for a deletion. */
  to(topic: Sink<K, V>): void {
    this.#flow.graph.sink(topic, this.#everyChange);
  }

  /** Throws CONFIG_INVALID for a table whose rows cannot be read by key. */
  joinSide(): JoinSide<V> {
    const { getter, versioned = false } = this.#traits;
    const { graph, port } = this.#flow;
    if (getter !== undefined) return { graph, port, getter, versioned };
    const problem =
      'a windowed or suppressed table keeps no row by key: join before, or a table of it';
    refuseSetting(this.store, problem);
  }

  #join<W, R>(kind: JoinKind, other: Table<K, W>, joiner: RowJoiner): Table<K, R> {
    const { graph, key } = this.#flow;
    const [left, right] = [this.joinSide(), other.joinSide()];
    sameTopology('join', graph, right.graph);
    const getters = [left.getter, right.getter] as const as readonly [
      TableGetter<unknown>,
      TableGetter<unknown>,
    ];
    const join = synchronous(joiner, 'the joiner');
    const port = graph.step(tableJoinStep(kind, join, getters), [left.port, right.port]);
    const getter = tableJoinGetter(kind, join, getters) as TableGetter<R>;
    const name = viewName(this.store, 'join', port);
    const of = [this.#readAs, other.#readAs] as const;
    const view = graph.view(joinedView(name, of, kind, join, key as Serde<unknown>));
    const flow = { graph, port, key, value: undefined };
    return new Table<K, R>(flow, this.store, { getter, view });
  }

  #joinForeign<F, W, R>(
    kind: 'inner' | 'left',
    name: string,
    other: Table<F, W>,
    foreignKey: (value: V, key: K) => F | null | undefined,
    joiner: RowJoiner,
  ): Table<K, R> {
    const { graph, key } = this.#flow;
    const [left, right] = [this.joinSide(), other.joinSide()];
    sameTopology(name, graph, right.graph);
    const result = msgpack<R>();
    const sideOf = <K1, V1>(flow: Flow<K1, V1>) => ({
      key: flow.key as Serde<unknown>,
      value: (flow.value ?? msgpack<V1>()) as Serde<unknown>,
    });
    const options: ForeignKeyJoinOptions = {
      name,
      kind,
      foreignKey: synchronous(
        foreignKey as ForeignKeyJoinOptions['foreignKey'],
        'the foreign key function',
      ),
      joiner: synchronous(joiner, 'the joiner'),
      left: sideOf(this.#flow),
      right: sideOf(other.#flow),
      result: result as Serde<unknown>,
      leftGetter: left.getter as TableGetter<unknown>,
      rightGetter: right.getter as TableGetter<unknown>,
    };
    const planned = graph.step(planStep(options), [left.port]);
    const subscribed = graph.step(subscribeStep(options), [planned]);
    const matched = graph.step(matchStep(options), [subscribed, right.port]);
    const answered = graph.step(answerStep(options), [matched]);
    const { step, store } = resultStep(options);
    const port = graph.step(step, [answered, { ...planned, port: 1 }, left.port]);
    const getter = storeGetter<R>(store as never);
    return new Table<K, R>({ graph, port, key, value: result }, name, { getter });
  }

  /** The name for reading its rows. */
  get #readAs(): string {
    return this.view ?? this.store;
  }

  /** The port with all changes, including those of a versioned table that are not the newest. */
  get #everyChange(): Port {
    const { stale } = this.#traits;
    const { graph, port } = this.#flow;
    return stale === undefined ? port : graph.step(mergeStep(2), [port, stale]);
  }

  /**
   * @param derive the same step on one row, for joins; undefined if rows cannot be read afterwards
   */
  #then<W>(
    step: Step,
    value: Serde<W> | undefined,
    derive: ((value: V, key: K) => W | undefined) | undefined,
    viewOf?: (name: string) => TableView,
  ): Table<K, W> {
    const { graph, key } = this.#flow;
    const port = graph.step(step, [this.#flow.port]);
    const { getter, stale, ...traits } = this.#traits;
    // Steps that cannot be read row by row (suppress) only handle the newest rows.
    const staleToo =
      stale === undefined || derive === undefined ? {} : { stale: graph.step(step, [stale]) };
    const derived =
      getter === undefined || derive === undefined ? undefined : derivedGetter(getter, key, derive);
    const name = viewName(this.store, step.kind, port);
    const view =
      derive === undefined ? viewOf?.(name) : derivedView(name, this.#readAs, derive as never);
    return new Table<K, W>({ graph, port, key, value }, this.store, {
      ...traits,
      view: graph.view(view as TableView),
      ...staleToo,
      getter: derived,
    });
  }
}
