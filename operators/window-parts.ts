/**
 * Window cells that the changelog keeps in parts (graph/store-spec.ts): one a stretch of `partMs`
 * of the windows' starts, e.g. a slice. So a commit logs the slices that changed, not all of a
 * key's, and a key with very many windows fits the log, whatever its limit of a record is. Who
 * changes a window says so by `touch`.
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
   * The part that changed last since the changelog had it, -1 for none; the others that did, when
   * there are any.
   */
  changed: number;
  alsoChanged: Set<number> | undefined;
  /** `finalTo` is not what the changelog has. */
  headChanged: boolean;
  /** The changelog has the cell in parts: only then it is noted what changes. */
  inParts: boolean;
}

/** One whose store has its cells always in parts. @param width of a window's numbers */
export function emptyPartedCell<A>(width: number): PartedCell<A> {
  return parted(emptyWindowCell<A>(width), true, true);
}

/** One whose store has only large cells in parts. */
export function emptyWholeCell<A>(width?: number): PartedCell<A> {
  return parted(emptyWindowCell<A>(width), false, false);
}

/**
 * Field by field: of an object that is spread, V8 keeps what is added apart from it, and every cell
 * would be two.
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

/** Says that the window at `start`, which is about to change, to come or to go, has done so. */
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
 * A store whose cells the changelog always has in parts. Small ones lie on disk whole, as those of
 * any window store.
 * @param format what the windows of a cell are, such as 'slices'
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

/** So many of the shortest steps from one window to the next are a part. */
export const windowsAPart = 64;

/** A window store of which only large cells are in parts: the others are logged and saved whole. */
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
  // Of windows written lately; enough for budgets.
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

/** From now on it is in parts; the changelog has none of them. */
function cutCell(cell: PartedCell<unknown>, partMs: number): void {
  cell.inParts = true;
  // Those that windows have left are noted as changed already.
  for (let i = 0; i < windowsOf(cell); i++) touch(cell, startAt(cell, i) as number, partMs);
  cell.headChanged = true;
}

/** Adds the parts that changed; true: the head did. */
function takeChanges(cell: PartedCell<unknown>, parts: number[]): boolean {
  const { changed, alsoChanged } = cell;
  // The time of a key changes with nearly every record.
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
  // What a cell without windows holds is everybody's, and is not to be changed.
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
