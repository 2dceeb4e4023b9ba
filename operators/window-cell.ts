/**
 * The cell of windowed stores: a key's windows (or slices, or sessions), ascending by start. Parallel
 * arrays, so that a window costs three numbers and its accumulator.
 */
import type { Cells, StoreRow, StoreSpec } from '../engine/graph/store-spec.ts';
import type { Serde } from '../engine/serde/serde.ts';
import { decodeColumns, writeColumns } from './cell-codec.ts';

export interface WindowCell<A> {
  starts: number[];
  /** Only sessions need it; other families know the end from the start. */
  ends: number[];
  timestamps: number[];
  values: A[];
  /** Windows that start before it (hopping), or close at or before it (sliding, session), are final. */
  finalTo: number;
  /** Time of the key, ms UTC; in stores that keep it. */
  now?: number;
}

export function emptyWindowCell<A>(): WindowCell<A> {
  return { starts: [], ends: [], timestamps: [], values: [], finalTo: Number.NEGATIVE_INFINITY };
}

/** Index of the first window that starts at or after `start`. */
export function indexOfStart(cell: WindowCell<unknown>, start: number): number {
  let low = 0;
  let high = cell.starts.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((cell.starts[middle] as number) < start) low = middle + 1;
    else high = middle;
  }
  return low;
}

export function insertWindow<A>(
  cell: WindowCell<A>,
  at: number,
  window: { start: number; end: number; timestamp: number; value: A },
): void {
  cell.starts = inserted(cell.starts, at, window.start);
  cell.ends = inserted(cell.ends, at, window.end);
  cell.timestamps = inserted(cell.timestamps, at, window.timestamp);
  cell.values = inserted(cell.values, at, window.value);
}

/** The column with one more item. A short one is made anew: `push` would leave room for sixteen more. */
function inserted<T>(column: T[], at: number, item: T): T[] {
  const [first, second] = column;
  if (column.length === 0) return [item];
  if (column.length === 1) return at === 0 ? [item, first as T] : [first as T, item];
  if (column.length === 2 && at === 2) return [first as T, second as T, item];
  // Time mostly goes forward: the new window is the last one.
  if (at === column.length) column.push(item);
  else column.splice(at, 0, item);
  return column;
}

export function removeWindows(cell: WindowCell<unknown>, at: number, count: number): void {
  if (count === 0) return;
  removeItems(cell.starts, at, count);
  removeItems(cell.ends, at, count);
  removeItems(cell.timestamps, at, count);
  removeItems(cell.values, at, count);
}

function removeItems(column: unknown[], at: number, count: number): void {
  if (at + count === column.length) column.length = at;
  else if (count === 1 && at === 0) column.shift();
  else column.splice(at, count);
}

/** The same store, in which each key has a time of its own: f64 before the bytes of the cell. */
export function keyTimedStore<K, A>(
  store: StoreSpec<K, WindowCell<A>>,
): StoreSpec<K, WindowCell<A>> {
  return {
    ...store,
    clock: 'key',
    format: `key-timed(${store.format})`,
    write: (cell, to) => {
      to.float64(cell.now ?? Number.NEGATIVE_INFINITY);
      store.write(cell, to);
    },
    decode: (bytes, start, end) => ({
      ...store.decode(bytes, start + 8, end),
      now: bytes.readDoubleLE(start),
    }),
  };
}

/** Cells of such a store: a key without windows keeps its time, or it would take in late records. */
export function keyTimedCells<A>(cells: Cells<WindowCell<A>>): Cells<WindowCell<A>> {
  return {
    get: () => cells.get(),
    put: (cell) => cells.put(cell),
    remove: () => {
      const cell = cells.get() ?? emptyWindowCell<A>();
      removeWindows(cell, 0, cell.starts.length);
      cells.put(cell);
    },
    nextDue: () => cells.nextDue(),
    dueKeys: (until) => cells.dueKeys(until),
    number: (name) => cells.number(name),
    setNumber: (name, value) => cells.setNumber(name, value),
  };
}

export interface WindowStoreOptions<K, A> {
  readonly name: string;
  readonly kind: string;
  readonly key: Serde<K>;
  readonly value: Serde<A>;
  due(cell: WindowCell<A>): number;
  /** Rows shown to a query; default: one a window. */
  rows?(cell: WindowCell<A>, key: K): Iterable<StoreRow>;
}

export function windowStore<K, A>(
  options: WindowStoreOptions<K, A>,
): Omit<StoreSpec<K, WindowCell<A>>, 'source' | 'parts'> {
  const { name, kind, key, value, due } = options;
  return {
    name,
    kind,
    key,
    format: `windows(${value.format})`,
    due,
    write: ({ starts, ends, timestamps, values, finalTo }, to) => {
      to.float64(finalTo);
      writeColumns(to, [starts, ends, timestamps], values, value);
    },
    decode: (bytes, start, end) => {
      const { columns, values } = decodeColumns(bytes, start + 8, end, 3, value);
      const [starts = [], ends = [], timestamps = []] = columns;
      return { starts, ends, timestamps, values, finalTo: bytes.readDoubleLE(start) };
    },
    rows: options.rows ?? windowRows,
  };
}

function* windowRows<K, A>(cell: WindowCell<A>, key: K): Iterable<StoreRow> {
  for (let i = 0; i < cell.starts.length; i++) {
    yield {
      key,
      value: cell.values[i],
      window: { start: cell.starts[i] as number, end: cell.ends[i] as number },
      timestamp: cell.timestamps[i] as number,
    };
  }
}
