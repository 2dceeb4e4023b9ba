/**
 * The cell of windowed stores: a key's windows (or slices, or sessions), ascending by start. With a
 * million windows, memory access dominates, so there are few objects: one array of numbers, and one
 * of accumulators if these are not numbers.
 */
import {
  type Cells,
  type StoreRow,
  type StoreSpec,
  streamTimeNumber,
} from '../engine/graph/store-spec.ts';
import type { Serde } from '../engine/serde/serde.ts';
import type { Accumulators } from './accumulators.ts';
import { present } from './present.ts';

export interface WindowCell<A> {
  /** Numbers of a window in `rows`. */
  readonly width: number;
  /**
   * For each window: start, end, timestamp, then the numbers of its accumulator if it has a number
   * form. Only sessions need the end; for other windows it follows from the start.
   */
  rows: number[];
  /** The accumulators, one per window, if they are not in the rows. */
  values: A[];
  /**
   * Windows that start before it (hopping), or close at or before it (sliding, session), are final.
   */
  finalTo: number;
  /** Time of the key, ms UTC; in stores with a clock per key. */
  now?: number;
}

/** Number of columns before those of the accumulator. */
export const timesWidth = 3;

/** Shared by all cells without values, and never changed. */
export const emptyValues: never[] = [];

/** @param width numbers per window */
export function emptyWindowCell<A>(width = timesWidth): WindowCell<A> {
  return { width, rows: [], values: emptyValues, finalTo: Number.NEGATIVE_INFINITY };
}

export function windowsOf({ rows, width }: WindowCell<unknown>): number {
  return rows.length / width;
}

/** Start of window `i`; undefined if there is none, as for the next two functions. */
export function startAt({ rows, width }: WindowCell<unknown>, i: number): number | undefined {
  return rows[width * i];
}

export function endAt({ rows, width }: WindowCell<unknown>, i: number): number | undefined {
  return rows[width * i + 1];
}

export function timestampAt({ rows, width }: WindowCell<unknown>, i: number): number | undefined {
  return rows[width * i + 2];
}

/** Starts of the windows [from, to). */
export function startsOf(cell: WindowCell<unknown>, from: number, to: number): number[] {
  const starts: number[] = [];
  for (let i = from; i < to; i++) starts.push(startAt(cell, i) as number);
  return starts;
}

export function setTimestamp(
  { rows, width }: WindowCell<unknown>,
  i: number,
  timestamp: number,
): void {
  rows[width * i + 2] = timestamp;
}

export function setTimes(
  { rows, width }: WindowCell<unknown>,
  i: number,
  start: number,
  end: number,
  timestamp: number,
): void {
  const at = width * i;
  rows[at] = start;
  rows[at + 1] = end;
  rows[at + 2] = timestamp;
}

/** Index of the first window that starts at or after `start`. */
export function indexOfStart(cell: WindowCell<unknown>, start: number): number {
  const { rows, width } = cell;
  let low = 0;
  let high = windowsOf(cell);
  // Fast path: time mostly advances, so it is the last window or the next.
  if (high > 0) {
    const last = rows[width * (high - 1)] as number;
    if (last < start) return high;
    if (last === start) {
      // Several may have the same start; find the first.
      while (high > 1 && rows[width * (high - 2)] === start) high--;
      return high - 1;
    }
    high--;
  }
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((rows[width * middle] as number) < start) low = middle + 1;
    else high = middle;
  }
  return low;
}

/** Up to this number of windows, arrays have exact length; most keys never have more. */
export const compactWindowsMax = 4;

/**
 * Makes room for a window at `i`.
 * @param blank one number per column, each with a fraction
 */
export function insertRow(cell: WindowCell<unknown>, i: number, blank: readonly number[]): void {
  const { rows, width } = cell;
  const at = width * i;
  if (at < rows.length) rows.splice(at, 0, ...blank);
  // Exact arrays: `push` would reserve room for sixteen more.
  else if (i === 0) cell.rows = blank.slice();
  else if (i < compactWindowsMax) cell.rows = rows.concat(blank);
  // Fast path: time mostly advances, so the new window is the last one.
  else for (let k = 0; k < width; k++) rows.push(blank[k] as number);
}

export function removeWindows(cell: WindowCell<unknown>, i: number, count: number): void {
  if (count === 0) return;
  const { rows, values, width } = cell;
  removeItems(rows, width * i, width * count);
  if (values.length > 0) removeItems(values, i, count);
}

function removeItems(column: unknown[], at: number, count: number): void {
  if (at + count === column.length) column.length = at;
  else column.splice(at, count);
}

/** The same store with a clock per key: an f64 before the bytes of the cell. */
export function keyTimedStore<K, A>(
  store: StoreSpec<K, WindowCell<A>>,
): StoreSpec<K, WindowCell<A>> {
  return {
    ...store,
    clock: 'key',
    format: `key-timed(${store.format})`,
    due: (cell) =>
      windowsOf(cell) > 0 ? (store.due?.(cell) ?? Number.POSITIVE_INFINITY) : (cell.now ?? 0),
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

/**
 * Cells of such a store: a key without windows keeps its time, or it would accept late records,
 * until the idle clock, which applies to all keys, has passed it.
 */
export function keyTimedCells<A>(cells: Cells<WindowCell<A>>): Cells<WindowCell<A>> {
  return {
    get: () => cells.get(),
    put: (cell) => cells.put(cell),
    remove: () => {
      const cell = cells.get();
      if (cell === undefined) return;
      const now = cells.number(streamTimeNumber) ?? Number.NEGATIVE_INFINITY;
      if ((cell.now ?? Number.NEGATIVE_INFINITY) <= now) {
        cells.remove();
        return;
      }
      removeWindows(cell, 0, windowsOf(cell));
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
  readonly accumulators: Accumulators<never, A>;
  due(cell: WindowCell<A>): number;
  /** Rows shown to a query; default: one per window. */
  rows?(cell: WindowCell<A>, key: K): Iterable<StoreRow>;
}

export function windowStore<K, A>(
  options: WindowStoreOptions<K, A>,
): Omit<StoreSpec<K, WindowCell<A>>, 'source' | 'parts'> {
  const { name, kind, key, accumulators, due } = options;
  const { width } = accumulators;
  return {
    name,
    kind,
    key,
    format: `windows3(${accumulators.format})`,
    due,
    // Mostly the last window changes.
    peek: ({ rows }) => (rows.length === 0 ? 0 : (rows[rows.length - 1] as number)),
    write: (cell, to) => {
      to.float64(cell.finalTo);
      accumulators.write(to, cell, 0, windowsOf(cell));
    },
    decode: (bytes, start, end) => {
      const { rows, values } = accumulators.decode(bytes, start + 8, end);
      return { width, rows, values, finalTo: bytes.readDoubleLE(start) };
    },
    rows:
      options.rows ??
      function* (cell, k) {
        for (let i = 0; i < windowsOf(cell); i++) {
          const value = accumulators.valueAt(cell, i);
          if (!present(value)) continue;
          yield {
            key: k,
            value,
            window: { start: startAt(cell, i) as number, end: endAt(cell, i) as number },
            timestamp: timestampAt(cell, i) as number,
          };
        }
      },
  };
}
