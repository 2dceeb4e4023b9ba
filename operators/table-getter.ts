/** How joins read a table: its row of the current key, now or as of an instant. */

import type { GraphBuilder } from '../engine/graph/graph.ts';
import type { Port } from '../engine/graph/node.ts';
import type { BuildContext } from '../engine/graph/processor.ts';
import type { Cells, StoreHandle, StoreSpec } from '../engine/graph/store-spec.ts';
import { decodeKeyText, type Serde } from '../engine/serde/serde.ts';
import type { AggregateCell } from './aggregate.ts';
import { present } from './present.ts';
import { type UnderWay, underWay } from './under-way.ts';

export interface TableRow<V> {
  readonly value: V;
  /** ms UTC of the change that made the row. */
  readonly timestamp: number;
}

/**
 * The row of the task's current key; undefined when there is none.
 * @param asOf ms UTC; matters to versioned tables only
 * @param isAhead of stores whose change the reader has not heard of yet: the row before it counts
 */
export type RowReader<V> = (
  asOf?: number,
  isAhead?: (store: UnderWay) => boolean,
) => TableRow<V> | undefined;

/** Made once a task. The reader and the table's store must be in one sub-topology. */
export interface TableGetter<V> {
  (context: BuildContext): RowReader<V>;
  /** The stores that rows come from. */
  readonly stores: readonly StoreSpec[];
}

/** @param stores that the rows come from, also through other getters */
export function tableGetter<V>(
  stores: TableGetter<V>['stores'],
  read: (context: BuildContext) => RowReader<V>,
): TableGetter<V> {
  return Object.assign((context: BuildContext) => read(context), { stores });
}

/** What a join needs of a table. */
export interface JoinSide<out V> {
  readonly graph: GraphBuilder;
  readonly port: Port;
  readonly getter: TableGetter<V>;
  readonly versioned: boolean;
}

/** A table as others see it who read its rows. */
export interface RowsOf<out K, out V> extends StoreHandle<K, V> {
  /** Throws CONFIG_INVALID for a table whose rows cannot be read by key. */
  joinSide(): JoinSide<V>;
}

/** The row in a cell. */
export function rowOf<V>(cell: AggregateCell<V> | undefined): TableRow<V> | undefined {
  return cell && { value: cell.accumulator, timestamp: cell.timestamp };
}

/** Of a table that keeps one value a key. */
export function storeGetter<V>(store: StoreSpec<unknown, AggregateCell<V>>): TableGetter<V> {
  return tableGetter([store], (context) => {
    const cells: Cells<AggregateCell<V>> = context.cells(store);
    const changing = underWay<V>(cells);
    return (_, isAhead) => {
      if (isAhead?.(changing as UnderWay) === true) return changing.before;
      return rowOf(cells.get());
    };
  });
}

/** Of a table derived row by row: null or undefined from `derive` is no row. */
export function derivedGetter<K, V, W>(
  getter: TableGetter<V>,
  key: Serde<K>,
  derive: (value: V, key: K) => W | null | undefined,
): TableGetter<W> {
  return tableGetter(getter.stores, (context) => {
    const read = getter(context);
    return (asOf, isAhead) => {
      const row = read(asOf, isAhead);
      if (row === undefined) return undefined;
      const value = derive(row.value, decodeKeyText(key, context.task.keyText));
      return present(value) ? { value, timestamp: row.timestamp } : undefined;
    };
  });
}
