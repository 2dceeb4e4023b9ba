/** How joins read a table: its row of the current key, now or as of an instant. */

import type { Port } from '../engine/graph/node.ts';
import type { AnyReceiver, BuildContext } from '../engine/graph/processor.ts';
import type { Cells, StoreHandle, StoreSpec } from '../engine/graph/store-spec.ts';
import { decodeKeyId, type Serde } from '../engine/serde/serde.ts';
import type { AggregateCell } from './aggregate.ts';

export interface TableRow<V> {
  readonly value: V;
  /** ms UTC of the change that made the row. */
  readonly timestamp: number;
}

/** The row of the task's current key; `asOf` (ms UTC) matters to versioned tables only. */
export type RowReader<V> = (asOf?: number) => TableRow<V> | undefined;

/** Made once a task. The reader and the table's store must be in one sub-topology. */
export type TableGetter<V> = (context: BuildContext) => RowReader<V>;

/** What a join needs of a table. */
export interface JoinSide<out V> {
  readonly port: Port;
  readonly getter: TableGetter<V>;
  readonly versioned: boolean;
}

/** A table as others see it who read its rows. */
export interface RowsOf<out K, out V> extends StoreHandle<K, V> {
  /** Throws CONFIG_INVALID for a table whose rows cannot be read by key. */
  joinSide(): JoinSide<V>;
}

/** The input of a table whose rows a step reads, and whose changes it does not ask for. */
export const unheard: AnyReceiver = { receive() {} };

/** Of a table that keeps one value a key. */
export function storeGetter<V>(store: StoreSpec<never, AggregateCell<V>>): TableGetter<V> {
  return (context) => {
    const cells: Cells<AggregateCell<V>> = context.cells(store);
    return () => {
      const cell = cells.get();
      return cell && { value: cell.accumulator, timestamp: cell.timestamp };
    };
  };
}

/** Of a table derived row by row: undefined from `derive` is no row. */
export function derivedGetter<K, V, W>(
  getter: TableGetter<V>,
  key: Serde<K>,
  derive: (row: TableRow<V>, key: K) => W | undefined,
): TableGetter<W> {
  return (context) => {
    const read = getter(context);
    return (asOf) => {
      const row = read(asOf);
      if (row === undefined) return undefined;
      const value = derive(row, decodeKeyId(key, context.task.keyId));
      return value === undefined ? undefined : { value, timestamp: row.timestamp };
    };
  };
}
