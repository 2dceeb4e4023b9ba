/**
 * Aggregates over a table (KGroupedTable): each change of a row takes the old value out of its group
 * and puts the new one into its group, through a repartition topic. A row that stays in its group is
 * one update.
 */

import {
  aFunction,
  aSerde,
  checkSetting,
  checkSettings,
  optional,
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
import type { Flow } from './flow.ts';
import { present } from './present.ts';
import { synchronousAggregate } from './synchronous.ts';
import { Table } from './table.ts';
import { rowOf, storeGetter } from './table-getter.ts';
import { type UnderWay, underWay } from './under-way.ts';

/** What leaves a group and what comes into it. */
interface GroupChange<V> {
  readonly left?: V;
  readonly came?: V;
}

/** u8 which · u32 length of the first · values. */
function changeSerde<V>(value: Serde<V>): Serde<GroupChange<V>> {
  return {
    format: `change(${value.format})`,
    encode: (change) => {
      const present = [change.left, change.came];
      const parts = present.map((one) =>
        one === undefined ? Buffer.alloc(0) : Buffer.from(value.encode(one)),
      );
      const head = Buffer.allocUnsafe(5);
      head[0] = (change.left === undefined ? 0 : 1) + (change.came === undefined ? 0 : 2);
      head.writeUInt32LE(parts[0]?.byteLength ?? 0, 1);
      return Buffer.concat([head, ...parts]);
    },
    decode: (bytes, start, end) => {
      const which = bytes[start] as number;
      const middle = start + 5 + bytes.readUInt32LE(start + 1);
      return {
        ...(which & 1 ? { left: value.decode(bytes, start + 5, middle) } : {}),
        ...(which & 2 ? { came: value.decode(bytes, middle, end) } : {}),
      };
    },
  };
}

type Group<K, V> = readonly [key: K, value: V];

/** Null, or a group without a key or a value, puts the row into no group. */
function inGroup<K, V>(group: Group<K, V> | null | undefined): Group<K, V> | null {
  return present(group) && present(group[0]) && present(group[1]) ? group : null;
}

function groupStep<K, V, K2, V2>(
  name: string,
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
  return {
    kind: 'group-table',
    name,
    stores: [],
    repartition: { topic: carrier as never },
    build: ({ task }) => [
      {
        receive: (rowKey, now, timestamp, old) => {
          const of = (row: unknown) =>
            present(row) ? inGroup(groupOf(row as V, rowKey as K)) : null;
          const [before, after] = [of(old), of(now)];
          const stays = before && after && groupKey(before) === groupKey(after);
          if (before && after && stays) {
            task.emit(carrier, after[0], { left: before[1], came: after[1] }, timestamp);
            return;
          }
          if (before) task.emit(carrier, before[0], { left: before[1] }, timestamp);
          if (after) task.emit(carrier, after[0], { came: after[1] }, timestamp);
        },
      },
    ],
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
   * The group without a value. An aggregate of the author's may have said of a group with members that it
   * is no row (a sum of 0, say): a member is then taken out of what the aggregate begins with. One of ours
   * never says so: a group that is not there was never counted, as its rows came before this aggregate.
   */
  #without(accumulator: A | null | undefined, left: V): A | null | undefined {
    const begun = accumulator ?? (this.#saysNoRow ? this.#aggregate.init() : undefined);
    return present(begun) ? this.#aggregate.subtract(begun, left) : undefined;
  }
}

/** The rows of a table in groups, to be aggregated. */
export class GroupedTable<K, V> {
  readonly #flow: Flow<K, V>;

  constructor(flow: Flow<K, V>) {
    this.#flow = flow;
  }

  aggregate<A>(
    name: string,
    aggregate: SubtractableAggregate<V, A>,
    options: { readonly value?: Serde<A> } = {},
  ): Table<K, A> {
    checkSettings(name, options, { value: optional(aSerde) });
    const { graph, key, port: input } = this.#flow;
    const value = options.value ?? msgpack<A>();
    const store = aggregateStore<K, A>(name, key, value);
    checkAggregate(name, aggregate, 'subtracts');
    const port = graph.step(tableAggregateStep(name, synchronousAggregate(aggregate), store), [
      input,
    ]);
    return new Table({ graph, port, key, value }, name, { getter: storeGetter(store) });
  }

  count(name: string): Table<K, number> {
    return this.aggregate(name, count<V>());
  }

  /** Folds a group's rows: `add` takes one in, `subtract` takes one that left out again. */
  reduce(
    name: string,
    add: (total: V, value: V) => V,
    subtract: (total: V, value: V) => V,
    options: { readonly value?: Serde<V> } = {},
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
): GroupedTable<K2, V2> {
  const port = graph.step(groupStep(name, groupOf, key, value), [input]);
  return new GroupedTable({ graph, port, key, value: undefined });
}
