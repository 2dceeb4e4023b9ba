/**
 * An entry of a store's cache: a key, and its cell while that is in memory. Its life:
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
 *   dirty    changed since the last seal; its change belongs to no commit yet
 *   unsaved  its change belongs to a commit, so the changelog has it or is about to; the backend does not
 *   held     its bytes wait for the commit and then for the backend's write
 *   clean    the backend has it as it is: the only state in which an entry may be evicted
 *
 * An entry that is held or unsaved may be dirty as well. These functions alone move an entry; each
 * checks where it comes from. They are functions over one shape of object, as a record takes
 * several of them.
 */
import { assert } from '../base/assert.ts';
import type { DueOwner } from './due-index.ts';
import type { PartsLogged } from './parts-logged.ts';

/**
 * What budgets count for a cache entry beside its cell's bytes: slot and string of the key, object.
 * With the objects of a cell it is about twice as much on the heap.
 */
export const entryOverheadBytes = 160;

/**
 * Where the changelog has nothing to be told of an entry: its cell came and went between two
 * commits.
 */
export const nothingLogged = -1;

export interface CacheEntry extends DueOwner {
  /** Of the key, in its store. */
  readonly row: number;
  cell: unknown;
  dirty: boolean;
  /** Encoded size when last known; the estimate for the budgets. */
  bytes: number;
  unsaved: boolean;
  /** Number of the write that takes it, or took it last, to the backend; 0 before the first. */
  heldBy: number;
  /** True when the changelog holds a cell of the key, and when the backend does. */
  logged: boolean;
  stored: boolean;
  /** The instant of the key's entry in the index on disk; +Infinity when there is none. */
  persistedDue: number;
  /**
   * Size of the cell as the changelog was told of it, or so; 0 of one that is gone, or
   * `nothingLogged`.
   */
  loggedBytes: number;
  /** Of a store whose cells are kept in parts: the cell as the changelog has it, or its end. */
  loggedCell: unknown;
  /** Undefined of a cell that is whole, in the changelog as far as it may be so, and on disk. */
  inParts: PartsLogged | undefined;
}

/**
 * A clean entry, as the backend has it: without a cell where it has none.
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

/** Its cell has changed for the first time since the last seal. */
export function dirtied(entry: CacheEntry): void {
  assert(!entry.dirty, 'an entry becomes dirty once a cycle');
  entry.dirty = true;
}

/** The change is taken back. */
export function undirtied(entry: CacheEntry): void {
  assert(entry.dirty, 'a change is taken back before it is sealed');
  entry.dirty = false;
}

/**
 * The changelog is told of its cell.
 * @param bytes of the cell as it is written, 0 of one that is gone
 */
export function logged(entry: CacheEntry, bytes: number): void {
  entry.loggedBytes = bytes;
}

/**
 * Its change belongs to a commit. True when there is something to save; false of a cell that came
 * and went.
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
 * The changelog has this cell of its key, as a restore reads it.
 * @param bytes as it is written, 0 of none
 */
export function restoredEntry(entry: CacheEntry, cell: unknown, bytes: number): void {
  assert(!entry.dirty, 'a store is restored before its cells change');
  entry.cell = cell;
  entry.logged = cell !== undefined;
  entry.bytes = bytes;
  entry.loggedBytes = bytes;
}

/**
 * The backend does not have what a commit, or a restore, has brought. False when that was so
 * already.
 */
export function becomesUnsaved(entry: CacheEntry): boolean {
  if (entry.unsaved) return false;
  entry.unsaved = true;
  return true;
}

/**
 * Its bytes are held for a write.
 * @param number of the write
 * @param stored the backend will have a cell of the key
 * @param due of that cell, ms UTC, or +Infinity
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

/** The backend has it as it is. @param writtenTo number of the last write that is done */
export function isSavedEntry({ dirty, unsaved, heldBy }: CacheEntry, writtenTo: number): boolean {
  return !dirty && !unsaved && heldBy <= writtenTo;
}
