/** A store with one value per key, for external steps. */
import {
  aFunction,
  aSerde,
  checkSettings,
  choice,
  optional,
  text,
} from '../../engine/base/settings.ts';
import type { StoreRow, StoreSpec } from '../../engine/graph/store-spec.ts';
import { faithful } from '../../engine/serde/faithful.ts';
import { encodeTo, type Serde } from '../../engine/serde/serde.ts';

export interface CellStoreOptions<K, C> {
  /** Unique in the topology; names the changelog. */
  readonly name: string;
  /** Serde of the keys: that of the step's input. */
  readonly key: Serde<K>;
  /** Serde of a cell. A new format needs a new name or an upcaster, see `versioned`. */
  readonly cell: Serde<C>;
  /** Returns when the cell is due, ms UTC; Infinity for never. Default: never. */
  readonly due?: (cell: C) => number;
  /**
   * What makes a cell due. 'stream' (default): records of any key. 'key': the key's own records.
   * 'wall': ticks of the wall clock.
   */
  readonly clock?: 'stream' | 'key' | 'wall';
  /** Rows for a query; default: the cell. */
  readonly rows?: (cell: C, key: K) => Iterable<StoreRow>;
}

/**
 * A store with one cell per key.
 * @throws CONFIG_INVALID for an invalid option
 */
export function cellStore<K, C>(options: CellStoreOptions<K, C>): StoreSpec<K, C> {
  checkSettings('store', options, {
    name: text,
    key: aSerde,
    cell: aSerde,
    due: optional(aFunction),
    clock: optional(choice('stream', 'key', 'wall')),
    rows: optional(aFunction),
  });
  const { name, key, due, clock } = options;
  const cells = faithful(options.cell);
  return {
    name,
    kind: 'cell',
    key,
    format: `cell(${cells.format})`,
    write: (cell, to) => encodeTo(cells, cell, to),
    decode: (bytes, start, end) => cells.decode(bytes, start, end),
    isFixed: (cell) => typeof cell !== 'object' || cell === null,
    ...(due === undefined ? {} : { due }),
    ...(clock === undefined ? {} : { clock }),
    rows: options.rows ?? ((cell, k) => [{ key: k, value: cell }]),
  };
}
