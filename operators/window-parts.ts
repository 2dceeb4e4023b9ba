/**
 * Window cells that the changelog keeps in parts (graph/store-spec.ts): one part per stretch of
 * `partMs` of the windows' starts, e.g. a slice. So a commit logs only the changed slices, and a
 * key with very many windows fits the log, whatever its record limit. Call `touch` before changing
 * a window.
 */
import type { CellParts, StoreSpec } from '../engine/graph/store-spec.ts';
import type { Accumulators } from './accumulators.ts';
import {
  emptyValues,
  emptyWindowCell,
  indexOfStart,
  removeWindows,
  startAt,
  startsOf,
  type WindowCell,
  type WindowStoreOptions,
  windowStore,
  windowsOf,
} from './window-cell.ts';

export interface PartedCell<A> extends WindowCell<A> {
  /**
   * The last part that changed since it was logged, -1 for none; other changed parts are in the
   * next field.
   */
  changed: number;
  alsoChanged: Set<number> | undefined;
  /** True if `finalTo` differs from the changelog. */
  headChanged: boolean;
  /** True if the changelog has the cell in parts; only then are changes tracked. */
  inParts: boolean;
}

/** A cell of a store whose cells are always in parts. @param width numbers per window */
export function emptyPartedCell<A>(width: number): PartedCell<A> {
  return parted(emptyWindowCell<A>(width), true, true);
}

/** A cell of a store in which only large cells are in parts. */
export function emptyWholeCell<A>(width?: number): PartedCell<A> {
  return parted(emptyWindowCell<A>(width), false, false);
}

/**
 * Field by field: V8 stores fields added to a spread object out of line, and every cell would be
 * two objects.
 */
function parted<A>(cell: WindowCell<A>, headChanged: boolean, inParts: boolean): PartedCell<A> {
  return {
    width: cell.width,
    rows: cell.rows,
    values: cell.values,
    finalTo: cell.finalTo,
    changed: -1,
    alsoChanged: undefined,
    headChanged,
    inParts,
  };
}

/** Notes that the window at `start` is about to be changed, added or removed. */
export function touch(cell: PartedCell<unknown>, start: number, partMs: number): void {
  if (!cell.inParts) return;
  const part = Math.floor(start / partMs);
  const { changed, alsoChanged } = cell;
  if (changed === part) return;
  cell.changed = part;
  if (changed < 0) return;
  if (alsoChanged === undefined) cell.alsoChanged = new Set([changed]);
  else alsoChanged.add(changed);
}

/** Windows that start before `finalTo` are final. */
export function setFinalTo(cell: PartedCell<unknown>, finalTo: number): void {
  if (finalTo === cell.finalTo) return;
  cell.finalTo = finalTo;
  cell.headChanged = true;
}

/** Removes the first `count` windows. */
export function removeFirst(cell: PartedCell<unknown>, count: number, partMs: number): void {
  for (let i = 0; cell.inParts && i < count; i++) touch(cell, startAt(cell, i) as number, partMs);
  removeWindows(cell, 0, count);
}

/**
 * A store whose cells are always in parts in the changelog. On disk, small cells are stored whole,
 * as in any window store.
 * @param format kind of the windows of a cell, such as 'slices'
 */
export function partedStore<K, A>(
  format: string,
  partMs: number,
  options: WindowStoreOptions<K, A>,
): StoreSpec<K, PartedCell<A>> {
  const whole = windowStore(options);
  return {
    ...whole,
    format: `${format}(${options.accumulators.format})`,
    decode: (bytes, start, end) => parted(whole.decode(bytes, start, end), false, true),
    parts: windowParts(partMs, options.accumulators, true),
  };
}

/** Number of window steps per part. */
export const windowsAPart = 64;

/** A window store in which only large cells are in parts; others are logged and saved whole. */
export function cutStore<K, A>(
  partMs: number,
  options: WindowStoreOptions<K, A>,
): StoreSpec<K, PartedCell<A>> {
  const whole = windowStore(options);
  return {
    ...whole,
    decode: (bytes, start, end) => parted(whole.decode(bytes, start, end), false, false),
    parts: windowParts(partMs, options.accumulators, false),
  };
}

function windowParts<A>(
  partMs: number,
  accumulators: Accumulators<never, A>,
  always: boolean,
): CellParts<PartedCell<A>> {
  // Average of recently written windows; accurate enough for budgets.
  let bytesAWindow = 64;
  return {
    always,
    cut: (cell) => cutCell(cell, partMs),
    takeChanges,
    partsOf: (cell) => partsOf(cell, partMs),
    writeHead({ finalTo, now }, to) {
      to.float64(finalTo);
      if (now !== undefined) to.float64(now);
    },
    writePart(cell, part, to) {
      const [first, end] = rangeOf(cell, part, partMs);
      if (first === end) return false;
      const before = to.length;
      accumulators.write(to, cell, first, end);
      bytesAWindow = (to.length - before) / (end - first);
      return true;
    },
    withHead: (cell, head) => {
      const changed = cell ?? parted(emptyWindowCell<A>(accumulators.width), false, true);
      if (head !== undefined) changed.finalTo = head.readDoubleLE(0);
      if (head !== undefined && head.byteLength > 8) changed.now = head.readDoubleLE(8);
      return changed;
    },
    setPart(cell, part, bytes) {
      const windows =
        bytes === null
          ? { rows: [], values: emptyValues }
          : accumulators.decode(bytes, 0, bytes.byteLength);
      replaceWindows(cell, rangeOf(cell, part, partMs), windows);
    },
    bytesOf: (cell) => windowsOf(cell) * bytesAWindow,
  };
}

/** Splits the cell into parts; none of them is in the changelog yet. */
function cutCell(cell: PartedCell<unknown>, partMs: number): void {
  cell.inParts = true;
  // Parts without windows are already marked as changed.
  for (let i = 0; i < windowsOf(cell); i++) touch(cell, startAt(cell, i) as number, partMs);
  cell.headChanged = true;
}

/** Adds the parts that changed; true: the head did. */
function takeChanges(cell: PartedCell<unknown>, parts: number[]): boolean {
  const { changed, alsoChanged } = cell;
  // The time of a key changes with almost every record.
  const head = cell.headChanged || cell.now !== undefined;
  if (changed >= 0) parts.push(changed);
  if (alsoChanged !== undefined) {
    for (const part of alsoChanged) if (part !== changed) parts.push(part);
    cell.alsoChanged = undefined;
  }
  cell.changed = -1;
  cell.headChanged = false;
  return head;
}

function replaceWindows<A>(
  cell: PartedCell<A>,
  [from, to]: readonly [from: number, to: number],
  { rows, values }: Pick<WindowCell<A>, 'rows' | 'values'>,
): void {
  // The arrays of a cell without windows are shared and must not be changed.
  if (windowsOf(cell) === 0) {
    cell.rows = rows;
    cell.values = values;
    return;
  }
  cell.rows.splice(cell.width * from, cell.width * (to - from), ...rows);
  cell.values.splice(from, to - from, ...values);
}

function partsOf(cell: PartedCell<unknown>, partMs: number): number[] {
  const starts = startsOf(cell, 0, windowsOf(cell));
  const { changed, alsoChanged = [] } = cell;
  const touched = changed < 0 ? alsoChanged : [changed, ...alsoChanged];
  return [...new Set([...starts.map((start) => Math.floor(start / partMs)), ...touched])];
}

/** Indexes of the windows of a part. */
function rangeOf(
  cell: WindowCell<unknown>,
  part: number,
  partMs: number,
): [from: number, to: number] {
  return [indexOfStart(cell, part * partMs), indexOfStart(cell, (part + 1) * partMs)];
}
