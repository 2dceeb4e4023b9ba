/**
 * An entry of a store's cache: a key and its cell in memory. Its life cycle:
 *
 *     loaded from disk ───────▶ clean ◀──────────────── written ────────────┐
 *                                 │                                         │
 *                              changed                                      │
 *                                 ▼                                         │
 *     new key ──── changed ───▶ dirty ── sealed ──▶ unsaved ── held ──▶ held for a write
 *                                 ▲                    ▲                    │
 *     restored from the changelog ┼────────────────────┘                    │
 *                                 └── changed again, at any time ───────────┘
 *
 *   dirty    changed since the last seal; the change belongs to no commit yet
 *   unsaved  the change belongs to a commit: the changelog has it, or will; the backend does not
 *    held     its bytes wait for the commit and then for the backend's write
 *    clean    the backend has its current value: the only state in which an entry may be evicted
 *
 * An entry that is held or unsaved may also be dirty. Only these functions change the state of an
 * entry, and each asserts the previous state. They are functions over one object shape, because
 * each record calls several of them.
 */
import { assert } from '../base/assert.ts';
import type { DueOwner } from './due-index.ts';
import type { PartsLogged } from './parts-logged.ts';

/**
 * Bytes that budgets count for a cache entry in addition to its cell: slot, key string, object.
 * With the objects of a cell, the heap use is about twice as much.
 */
export const entryOverheadBytes = 160;

/**
 * `loggedBytes` of an entry that needs no changelog record: its cell was created and deleted
 * between two commits.
 */
export const nothingLogged = -1;

export interface CacheEntry extends DueOwner {
  /** Row of the key in its store. */
  readonly row: number;
  cell: unknown;
  dirty: boolean;
  /** Last known encoded size; the budgets' estimate. */
  bytes: number;
  unsaved: boolean;
  /** Number of the last backend write that includes the entry; 0 before the first. */
  heldBy: number;
  /** True if the changelog has a cell of the key; the next field says the same of the backend. */
  logged: boolean;
  stored: boolean;
  /** Instant of the key's entry in the due index on disk; +Infinity if there is none. */
  persistedDue: number;
  /**
   * Approximate size of the cell when it was last logged; 0 if it was deleted, or `nothingLogged`.
   */
  loggedBytes: number;
  /** In a store with parts: the cell that the changelog has, or undefined after its deletion. */
  loggedCell: unknown;
  /**
   * Undefined for a cell that is stored whole, on disk and (unless it is always in parts there) in
   * the changelog.
   */
  inParts: PartsLogged | undefined;
}

/**
 * Creates a clean entry with the backend's cell, or without one if there is none.
 * @param due ms UTC, or +Infinity
 */
export function loadedEntry(
  row: number,
  keyText: string,
  cell: unknown,
  bytes: number,
  due: number,
  loggedCell: unknown,
  inParts: PartsLogged | undefined,
): CacheEntry {
  const stored = cell !== undefined;
  return {
    row,
    keyText,
    cell,
    dirty: false,
    unsaved: false,
    heldBy: 0,
    bytes,
    logged: stored,
    stored,
    persistedDue: due,
    dueSlot: -1,
    loggedBytes: nothingLogged,
    loggedCell,
    inParts,
  };
}

/** The cell has changed for the first time since the last seal. */
export function dirtied(entry: CacheEntry): void {
  assert(!entry.dirty, 'an entry becomes dirty once a cycle');
  entry.dirty = true;
}

/** The change was undone. */
export function undirtied(entry: CacheEntry): void {
  assert(entry.dirty, 'a change is taken back before it is sealed');
  entry.dirty = false;
}

/**
 * The cell was written to the changelog.
 * @param bytes encoded size, 0 for a deletion
 */
export function logged(entry: CacheEntry, bytes: number): void {
  entry.loggedBytes = bytes;
}

/**
 * The change now belongs to a commit. Returns true if there is something to save; false for a cell
 * that was created and deleted since the last commit.
 */
export function sealedEntry(entry: CacheEntry): boolean {
  assert(entry.dirty, 'what is sealed has changed');
  entry.dirty = false;
  if (entry.loggedBytes === nothingLogged) return false;
  entry.logged = entry.cell !== undefined;
  entry.bytes = entry.loggedBytes;
  return true;
}

/**
 * A restore has read this cell from the changelog.
 * @param bytes encoded size, 0 without a cell
 */
export function restoredEntry(entry: CacheEntry, cell: unknown, bytes: number): void {
  assert(!entry.dirty, 'a store is restored before its cells change');
  entry.cell = cell;
  entry.logged = cell !== undefined;
  entry.bytes = bytes;
  entry.loggedBytes = bytes;
}

/**
 * Marks an entry whose committed or restored cell is not in the backend. Returns false if it was
 * already marked.
 */
export function becomesUnsaved(entry: CacheEntry): boolean {
  if (entry.unsaved) return false;
  entry.unsaved = true;
  return true;
}

/**
 * The entry's bytes are held for a write.
 * @param number of the write
 * @param stored the backend will have a cell of the key
 * @param due due instant of that cell, ms UTC, or +Infinity
 */
export function heldEntry(entry: CacheEntry, number: number, stored: boolean, due: number): void {
  assert(!entry.dirty, 'what is saved is sealed');
  assert(entry.unsaved, 'what is saved was not');
  assert(number > entry.heldBy, 'writes follow one another');
  entry.persistedDue = due;
  entry.stored = stored;
  entry.unsaved = false;
  entry.heldBy = number;
}

/**
 * True if the backend has the current cell.
 * @param writtenTo number of the last write that is done
 */
export function isSavedEntry({ dirty, unsaved, heldBy }: CacheEntry, writtenTo: number): boolean {
  return !dirty && !unsaved && heldBy <= writtenTo;
}
