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
  /** Time of the change that created the row, ms UTC. */
  readonly timestamp: number;
}

/**
 * Reads the row of the task's current key; undefined if there is none.
 * @param asOf ms UTC; only for versioned tables
 * @param isAhead true for stores with a change that the reader has not received yet: it then reads
 * the previous row
 */
export type RowReader<V> = (
  asOf?: number,
  isAhead?: (store: UnderWay) => boolean,
) => TableRow<V> | undefined;

/** Created once per task. The reader and the table's store must be in one sub-topology. */
export interface TableGetter<V> {
  (context: BuildContext): RowReader<V>;
  /** The stores that the rows come from. */
  readonly stores: readonly StoreSpec[];
}

/** @param stores that the rows come from, also through other getters */
export function tableGetter<V>(
  stores: TableGetter<V>['stores'],
  read: (context: BuildContext) => RowReader<V>,
): TableGetter<V> {
  return Object.assign((context: BuildContext) => read(context), { stores });
}

/** What a join needs from a table. */
export interface JoinSide<out V> {
  readonly graph: GraphBuilder;
  readonly port: Port;
  readonly getter: TableGetter<V>;
  readonly versioned: boolean;
}

/** A table whose rows other steps read. */
export interface RowsOf<out K, out V> extends StoreHandle<K, V> {
  /** Throws CONFIG_INVALID for a table whose rows cannot be read by key. */
  joinSide(): JoinSide<V>;
}

/** The row in a cell. */
export function rowOf<V>(cell: AggregateCell<V> | undefined): TableRow<V> | undefined {
  return cell && { value: cell.accumulator, timestamp: cell.timestamp };
}

/** The getter of a table with one value per key. */
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

/**
 * The getter of a table derived row by row; if `derive` returns null or undefined, there is no row.
 */
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
