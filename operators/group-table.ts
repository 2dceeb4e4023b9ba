/**
 * Aggregates over a table (KGroupedTable): each change of a row subtracts the old value from its
 * group and adds the new one to its group, through a repartition topic. A row that stays in its
 * group is one update.
 */

import { refusePromise } from '../engine/base/promises.ts';
import {
  aFunction,
  aSerde,
  checkSetting,
  checkSettings,
  optional,
  refuseSetting,
} from '../engine/base/settings.ts';
import type { Step } from '../engine/graph/node.ts';
import type { AnyReceiver, BuildContext } from '../engine/graph/processor.ts';
import type { Cells, StoreSpec } from '../engine/graph/store-spec.ts';
import { declaredTopic } from '../engine/graph/topic.ts';
import { msgpack } from '../engine/serde/msgpack.ts';
import type { Serde } from '../engine/serde/serde.ts';
import { type AggregateCell, aggregateStore } from './aggregate.ts';
import { checkAggregate, type SubtractableAggregate } from './aggregate-value.ts';
import { count } from './aggregates/count.ts';
import { numberFormOf } from './aggregates/number-form.ts';
import { reduce } from './aggregates/reduce.ts';
import { handIn } from './chain-types.ts';
import type { Flow } from './flow.ts';
import { expiringGroup } from './group-expiring.ts';
import { present } from './present.ts';
import { type TtlOption, ttlRule } from './row-expiry.ts';
import { synchronousAggregate } from './synchronous.ts';
import { Table } from './table.ts';
import { rowOf, storeGetter, type TableGetter } from './table-getter.ts';
import { Heard, type UnderWay, underWay } from './under-way.ts';

/** The values that leave and enter a group. */
export interface GroupChange<V> {
  readonly left?: V;
  /** Time of the change that added `left` to the group, ms UTC; for groups that expire. */
  readonly leftAt?: number;
  readonly came?: V;
}

/** Bits of `which`. */
const [hasLeft, hasCame, hasTime] = [1, 2, 4];

/** u8 which · u32 length of the first · f64 time of the first, if present · values. */
function changeSerde<V>(value: Serde<V>): Serde<GroupChange<V>> {
  return {
    format: `change(${value.format})`,
    encode: (change) => {
      const present = [change.left, change.came];
      const parts = present.map((one) =>
        one === undefined ? Buffer.alloc(0) : Buffer.from(value.encode(one)),
      );
      const { left, leftAt, came } = change;
      const head = Buffer.allocUnsafe(leftAt === undefined ? 5 : 13);
      head[0] =
        (left === undefined ? 0 : hasLeft) +
        (came === undefined ? 0 : hasCame) +
        (leftAt === undefined ? 0 : hasTime);
      head.writeUInt32LE(parts[0]?.byteLength ?? 0, 1);
      if (leftAt !== undefined) head.writeDoubleLE(leftAt, 5);
      return Buffer.concat([head, ...parts]);
    },
    decode: (bytes, start, end) => {
      const which = bytes[start] as number;
      const first = start + (which & hasTime ? 13 : 5);
      const middle = first + bytes.readUInt32LE(start + 1);
      return {
        ...(which & hasLeft ? { left: value.decode(bytes, first, middle) } : {}),
        ...(which & hasTime ? { leftAt: bytes.readDoubleLE(start + 5) } : {}),
        ...(which & hasCame ? { came: value.decode(bytes, middle, end) } : {}),
      };
    },
  };
}

type Group<K, V> = readonly [key: K, value: V];

/** The row's group; none for null, or a group without a key or a value. */
function inGroup<K, V>(group: Group<K, V> | null | undefined): Group<K, V> | null {
  if (!present(group) || !present(group[0]) || !present(group[1])) return null;
  for (let i = 0; i < 2; i++) {
    if (typeof group[i] === 'object') refusePromise(group[i], "groupBy's function");
  }
  return group;
}

/** How to find the time of a row that leaves. */
interface Dating {
  /** Getter of the grouped table; absent if it keeps no rows by key. */
  readonly getter: TableGetter<unknown> | undefined;
  /** True if a group expires and needs the time. */
  isWanted: boolean;
}

/** Returns the time of the row that a change replaces. Call once per change. */
function rowTimes({ getter, isWanted }: Dating, context: BuildContext): () => number | undefined {
  if (!isWanted || getter === undefined) return () => undefined;
  const stores = getter.stores.map((store) => underWay(context.cells(store) as Cells<never>));
  const [read, heard] = [getter(context), new Heard(stores)];
  return () => {
    // The change was not received yet, so this reads the previous row.
    const row = read(undefined, heard.isAhead);
    heard.hear();
    return row?.timestamp;
  };
}

function groupStep<K, V, K2, V2>(
  name: string,
  dating: Dating,
  groupOf: (value: V, key: K) => Group<K2, V2> | null,
  key: Serde<K2>,
  value: Serde<V2>,
): Step {
  checkSetting(`${name}.groupOf`, groupOf, aFunction);
  const carrier = declaredTopic<K2, GroupChange<V2>>(`${name}-repartition`, {
    key,
    value: changeSerde(value),
  });
  const groupKey = (group: Group<K2, V2>) => Buffer.from(key.encode(group[0])).toString('latin1');
  const groupReceiver = (
    timeBefore: () => number | undefined,
    task: BuildContext['task'],
  ): AnyReceiver => ({
    receive: (rowKey, now, timestamp, old) => {
      const of = (row: unknown) => (present(row) ? inGroup(groupOf(row as V, rowKey as K)) : null);
      const [before, after] = [of(old), of(now)];
      const leftAt = timeBefore();
      const dated = leftAt === undefined ? {} : { leftAt };
      const stays = before && after && groupKey(before) === groupKey(after);
      if (before && after && stays) {
        task.emit(carrier, after[0], { left: before[1], ...dated, came: after[1] }, timestamp);
        return;
      }
      if (before) task.emit(carrier, before[0], { left: before[1], ...dated }, timestamp);
      if (after) task.emit(carrier, after[0], { came: after[1] }, timestamp);
    },
  });
  return {
    kind: 'group-table',
    name,
    stores: [],
    repartition: { topic: carrier as never },
    build: (context) => [groupReceiver(rowTimes(dating, context), context.task)],
  };
}

function tableAggregateStep<K, V, A>(
  name: string,
  aggregate: SubtractableAggregate<V, A>,
  store: StoreSpec<K, AggregateCell<A>>,
): Step {
  return {
    kind: 'aggregate-table',
    name,
    stores: [store],
    build: (context) => [
      new GroupAggregate(aggregate, context, context.cells<AggregateCell<A>>(store)),
    ],
  };
}

class GroupAggregate<V, A> implements AnyReceiver {
  readonly #aggregate: SubtractableAggregate<V, A>;
  readonly #saysNoRow: boolean;
  readonly #cells: Cells<AggregateCell<A>>;
  readonly #next: AnyReceiver;
  readonly #underWay: UnderWay<A>;

  constructor(
    aggregate: SubtractableAggregate<V, A>,
    context: BuildContext,
    cells: Cells<AggregateCell<A>>,
  ) {
    this.#aggregate = aggregate;
    this.#saysNoRow = numberFormOf(aggregate) === undefined;
    this.#cells = cells;
    this.#next = context.output(0);
    this.#underWay = underWay(cells);
  }

  receive(key: unknown, change: unknown, timestamp: number): void {
    const { left, came } = change as GroupChange<V>;
    const cell = this.#cells.get();
    let accumulator: A | null | undefined = cell?.accumulator;
    if (left !== undefined) accumulator = this.#without(accumulator, left);
    if (came !== undefined) {
      accumulator = this.#aggregate.add(accumulator ?? this.#aggregate.init(), came, timestamp);
    }
    const newest = Math.max(timestamp, cell?.timestamp ?? timestamp);
    if (present(accumulator)) {
      this.#cells.put({ accumulator, timestamp: newest });
      this.#underWay.tell(rowOf(cell), this.#next, key, accumulator, newest);
    } else if (cell !== undefined) {
      this.#cells.remove();
      this.#underWay.tell(rowOf(cell), this.#next, key, null, newest);
    }
  }

  /**
   * The group without a value. A custom aggregate may have returned null for a group with members
   * (such as a sum of 0): then a member is subtracted from `init()`. A built-in aggregate never
   * returns null: a missing group was never counted, because its rows came before this aggregate.
   */
  #without(accumulator: A | null | undefined, left: V): A | null | undefined {
    const begun = accumulator ?? (this.#saysNoRow ? this.#aggregate.init() : undefined);
    return present(begun) ? this.#aggregate.subtract(begun, left) : undefined;
  }
}

/** The rows of a table in groups, ready to be aggregated. */
export class GroupedTable<K, V> {
  readonly #flow: Flow<K, V>;
  readonly #dating: Dating;

  constructor(flow: Flow<K, V>, dating: Dating) {
    this.#flow = flow;
    this.#dating = dating;
  }

  /**
   * The aggregate of each group's rows; `name` names the store. A group without rows stays, with
   * what is left of its aggregate (0 for a count). With `ttlMs`, a group expires this many ms after
   * its last change, with the rows in it. If the aggregate returns null, the group has no row.
   * @example `orders.groupBy('by-country', (o) => [o.country, o]).aggregate('turnover', sum((o) =>
   * o.cents))`
   * @throws CONFIG_INVALID for an aggregate without `subtract`
   */
  aggregate<A>(
    name: string,
    aggregate: SubtractableAggregate<V, A>,
    options: { readonly value?: Serde<A> } & TtlOption = {},
  ): Table<K, A> {
    checkSettings(name, options, { value: optional(aSerde), ttlMs: ttlRule });
    checkAggregate(name, aggregate, 'subtracts');
    const { graph, key, port: input } = this.#flow;
    const { value = msgpack<A>(), ttlMs } = options;
    const added = synchronousAggregate(aggregate);
    if (ttlMs !== undefined) {
      this.#date(name);
      const { step, getter } = expiringGroup(name, ttlMs, added, key, value);
      return new Table({ graph, port: graph.step(step, [input]), key, value }, name, { getter });
    }
    const store = aggregateStore<K, A>(name, key, value);
    const port = graph.step(tableAggregateStep(name, added, store), [input]);
    return new Table({ graph, port, key, value }, name, { getter: storeGetter(store) });
  }

  /** The number of rows in each group; otherwise as `aggregate`. */
  count(name: string, options: TtlOption = {}): Table<K, number> {
    return this.aggregate(name, count<V>(), options);
  }

  #date(name: string): void {
    if (this.#dating.getter === undefined) {
      const problem =
        'the rows of a windowed or suppressed table cannot be read by key, so nobody knows which of them a group that has ended had: leave it out';
      refuseSetting(`${name}.ttlMs`, problem);
    }
    this.#dating.isWanted = true;
  }

  /**
   * Folds a group's rows: `add` adds a row, `subtract` removes one that left; otherwise as
   * `aggregate`.
   */
  reduce(
    name: string,
    add: (total: V, value: V) => V,
    subtract: (total: V, value: V) => V,
    options: { readonly value?: Serde<V> } & TtlOption = {},
  ): Table<K, V> {
    return this.aggregate(name, { ...reduce(add), subtract }, options);
  }
}

/** Adds the repartition by group to a table's flow. */
export function groupTable<K, V, K2, V2>(
  { graph, port: input }: Flow<K, V>,
  name: string,
  groupOf: (value: V, key: K) => Group<K2, V2> | null,
  key: Serde<K2>,
  value: Serde<V2>,
  getter: TableGetter<V> | undefined,
): GroupedTable<K2, V2> {
  const dating = { getter, isWanted: false };
  const port = graph.step(groupStep(name, dating, groupOf, key, value), [input]);
  return new GroupedTable({ graph, port, key, value: undefined }, dating);
}

handIn({ groupTable });
