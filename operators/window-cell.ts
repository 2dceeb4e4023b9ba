/**
 * The cell of windowed stores: a key's windows (or slices, or sessions), ascending by start. A million of them
 * wait for memory, so there are few objects: one array of numbers, one of accumulators.
 */
import type { Scratch } from '../engine/base/scratch.ts';
import type { Cells, StoreRow, StoreSpec } from '../engine/graph/store-spec.ts';
import type { Serde } from '../engine/serde/serde.ts';
import { decodeColumns, writeColumns } from './cell-codec.ts';

export interface WindowCell<A> {
  /** Of each window start, end and timestamp. Only sessions need the end; other families know it from the start. */
  times: number[];
  /** The accumulators, one a window. */
  values: A[];
  /** Windows that start before it (hopping), or close at or before it (sliding, session), are final. */
  finalTo: number;
  /** Time of the key, ms UTC; in stores that keep it. */
  now?: number;
}

export function emptyWindowCell<A>(): WindowCell<A> {
  return { times: [], values: [], finalTo: Number.NEGATIVE_INFINITY };
}

/** Numbers of a window in `times`. */
export const numbersAWindow = 3;

/** undefined where there is no such window, as with the next two. */
export function startAt({ times }: WindowCell<unknown>, i: number): number | undefined {
  return times[numbersAWindow * i];
}

export function endAt({ times }: WindowCell<unknown>, i: number): number | undefined {
  return times[numbersAWindow * i + 1];
}

export function timestampAt({ times }: WindowCell<unknown>, i: number): number | undefined {
  return times[numbersAWindow * i + 2];
}

/** Starts of the windows [from, to). */
export function startsOf(cell: WindowCell<unknown>, from: number, to: number): number[] {
  const starts: number[] = [];
  for (let i = from; i < to; i++) starts.push(startAt(cell, i) as number);
  return starts;
}

export function setTimestamp({ times }: WindowCell<unknown>, i: number, timestamp: number): void {
  times[numbersAWindow * i + 2] = timestamp;
}

export function setTimes(
  { times }: WindowCell<unknown>,
  i: number,
  start: number,
  end: number,
  timestamp: number,
): void {
  const at = numbersAWindow * i;
  times[at] = start;
  times[at + 1] = end;
  times[at + 2] = timestamp;
}

/** Index of the first window that starts at or after `start`. */
export function indexOfStart(cell: WindowCell<unknown>, start: number): number {
  const { times } = cell;
  let low = 0;
  let high = cell.values.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((times[numbersAWindow * middle] as number) < start) low = middle + 1;
    else high = middle;
  }
  return low;
}

/** So many windows a key mostly has at most. */
const few = 4;

export function insertWindow<A>(
  cell: WindowCell<A>,
  at: number,
  window: { start: number; end: number; timestamp: number; value: A },
): void {
  const { start, end, timestamp, value } = window;
  const { times, values } = cell;
  if (at === values.length && at < few) {
    // Arrays of their own: `push` would leave room for sixteen more.
    cell.times = at === 0 ? [start, end, timestamp] : times.concat([start, end, timestamp]);
    cell.values = at === 0 ? [value] : values.concat([value]);
  } else if (at === values.length) {
    // Time mostly goes forward: the new window is the last one.
    times.push(start, end, timestamp);
    values.push(value);
  } else {
    times.splice(numbersAWindow * at, 0, start, end, timestamp);
    values.splice(at, 0, value);
  }
}

export function removeWindows(cell: WindowCell<unknown>, at: number, count: number): void {
  if (count === 0) return;
  removeItems(cell.times, numbersAWindow * at, numbersAWindow * count);
  removeItems(cell.values, at, count);
}

function removeItems(column: unknown[], at: number, count: number): void {
  if (at + count === column.length) column.length = at;
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
      removeWindows(cell, 0, cell.values.length);
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
    format: `windows2(${value.format})`,
    due,
    write: (cell, to) => {
      to.float64(cell.finalTo);
      writeWindows(to, cell, value);
    },
    decode: (bytes, start, end) => {
      const { times, values } = decodeWindows(bytes, start + 8, end, value);
      return { times, values, finalTo: bytes.readDoubleLE(start) };
    },
    rows: options.rows ?? windowRows,
  };
}

/** Windows [from, to): their times, then the accumulators (cell-codec.ts). */
export function writeWindows<A>(
  to: Scratch,
  { times, values }: WindowCell<A>,
  serde: Serde<A>,
  first = 0,
  end = values.length,
): void {
  writeColumns(to, [times], values, serde, first, end, numbersAWindow);
}

export function decodeWindows<A>(
  bytes: Buffer,
  start: number,
  end: number,
  serde: Serde<A>,
): { times: number[]; values: A[] } {
  const { columns, values } = decodeColumns(bytes, start, end, 1, serde, numbersAWindow);
  return { times: columns[0] as number[], values };
}

function* windowRows<K, A>(cell: WindowCell<A>, key: K): Iterable<StoreRow> {
  for (let i = 0; i < cell.values.length; i++) {
    yield {
      key,
      value: cell.values[i],
      window: { start: startAt(cell, i) as number, end: endAt(cell, i) as number },
      timestamp: timestampAt(cell, i) as number,
    };
  }
}
