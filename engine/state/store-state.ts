/**
 * One store of one task: its entries in memory from load to eviction (entry.ts), with the due index
 * and the store's numbers. Steps only see its cells (store-cells.ts).
 *
 * A cell is encoded once per commit, for the changelog, and once more when it is saved. Restored
 * cells stay encoded until they are used (packed-cells.ts). Saved entries are evicted only when a
 * cycle is sealed.
 */
import type { StoreSpec } from '../graph/store-spec.ts';
import { DueIndex } from './due-index.ts';
import {
  becomesUnsaved,
  type CacheEntry,
  entryOverheadBytes,
  heldEntry,
  isSavedEntry,
  loadedEntry,
  restoredEntry,
  sealedEntry,
} from './entry.ts';
import { EntryTable } from './entry-table.ts';
import { Numbers, type StoreNumbers } from './numbers.ts';
import type { PackedCells } from './packed-cells.ts';
import type { PartsLogged } from './parts-logged.ts';
import { type Steps, stepBytes, stepCells } from './steps.ts';
import { type CurrentKey, StoreCells } from './store-cells.ts';

/** A store's metadata. */
export interface StoreMeta {
  readonly numbers: StoreNumbers;
  /** The changelog offset after the last record that is in the store. */
  readonly position: number;
  /** Id of the last commit that changed the store; 0 before the first. */
  readonly commitId: number;
  /** When it was last brought up to its changelog, ms UTC. */
  readonly readAt: number;
}

export const emptyMeta: StoreMeta = { numbers: {}, position: 0, commitId: 0, readAt: 0 };

export class StoreState {
  readonly spec: StoreSpec<unknown, unknown>;
  readonly table: EntryTable;
  readonly index = new DueIndex<CacheEntry>();
  readonly cells: StoreCells;
  readonly #numbers: Numbers;
  #committedNumbers: StoreNumbers;
  /** Entries whose current value is neither in the backend nor held for it. */
  unsaved: CacheEntry[] = [];
  unsavedBytes = 0;
  /** Number of the last completed backend write. */
  writtenTo = 0;
  /** As in StoreMeta. */
  position: number;
  commitId: number;
  readAt: number;
  /**
   * All cells are in memory, so a key without an entry has no cell and no disk read is needed. True
   * for a store that was empty when it was opened, until a cell is evicted.
   */
  complete = false;
  /** Restored cells that have not been used, while there is memory for them. */
  packed: PackedCells | undefined;
  /** For a resident store: its cells are all in memory. */
  residentLoaded = false;

  constructor(spec: StoreSpec<unknown, unknown>, current: CurrentKey, meta: StoreMeta) {
    this.spec = spec;
    this.table = new EntryTable(spec.peek);
    this.#numbers = new Numbers(meta.numbers);
    this.#committedNumbers = meta.numbers;
    this.cells = new StoreCells(spec, current, this.table, this.index, this.#numbers);
    this.position = meta.position;
    this.commitId = meta.commitId;
    this.readAt = meta.readAt;
  }

  /** Starts an empty store: nothing is on disk. */
  beginEmpty(): void {
    this.complete = true;
    this.index.horizon = Number.POSITIVE_INFINITY;
  }

  /** The committed metadata. */
  get meta(): StoreMeta {
    const { position, commitId, readAt } = this;
    return { numbers: this.#committedNumbers, position, commitId, readAt };
  }

  /**
   * Every live key has an entry, so a miss means that the key has no cell; no disk read is needed.
   */
  get isWhole(): boolean {
    return this.complete && this.packed === undefined;
  }

  /** True if something has changed since the last seal. */
  get isDirty(): boolean {
    return this.cells.dirty.length > 0 || this.#numbers.dirty;
  }

  get numbers(): StoreNumbers {
    return this.#numbers.all;
  }

  /** Replaces the numbers, as committed ones. */
  resetNumbers(numbers: StoreNumbers): void {
    this.#committedNumbers = numbers;
    this.#numbers.reset(numbers);
  }

  /**
   * Adds a cell read from the backend; `bytes` is 0 and there is no cell if the key is absent.
   * @param inParts for a cell that the backend has in parts
   */
  load(keyText: string, cell: unknown, bytes: number, inParts?: PartsLogged): CacheEntry {
    return this.loadAt(this.table.keys.add(keyText), keyText, cell, bytes, inParts);
  }

  /** The same for a key whose row is known. */
  loadAt(
    row: number,
    keyText: string,
    cell: unknown,
    bytes: number,
    inParts?: PartsLogged,
  ): CacheEntry {
    const loggedCell = this.spec.parts === undefined ? undefined : cell;
    const due = this.cells.dueOf(cell);
    const entry = loadedEntry(row, keyText, cell, bytes, due, loggedCell, inParts);
    this.cells.forgetLast();
    this.table.add(entry);
    return entry;
  }

  /**
   * Applies a changelog record to a store that has all cells in memory: the cell is committed, and
   * the backend does not have it.
   * @param bytes the cell's encoded size, 0 without a cell
   */
  restored(keyText: string, cell: unknown, bytes: number, inParts?: PartsLogged): void {
    const known = this.table.of(keyText);
    if (known === undefined && cell === undefined) return;
    this.#restored(known ?? this.load(keyText, undefined, 0), cell, bytes, inParts);
  }

  /** The same for a key whose row is known. After the last one, call `EntryTable.dropUnused`. */
  restoredAt(row: number, cell: unknown, bytes: number): void {
    const { table } = this;
    const known = table.at(row);
    if (known === undefined && cell === undefined) return;
    const entry = known ?? this.loadAt(row, table.keys.keyTextOf(row), undefined, 0);
    this.#restored(entry, cell, bytes);
  }

  #restored(entry: CacheEntry, cell: unknown, bytes: number, inParts?: PartsLogged): void {
    const more = bytes - entry.bytes;
    restoredEntry(entry, cell, bytes);
    if (this.spec.parts !== undefined) {
      entry.loggedCell = cell;
      entry.inParts = inParts;
    }
    this.table.bytes += more;
    if (this.spec.due !== undefined) this.index.set(entry, this.cells.dueOf(cell));
    this.#noteUnsaved(entry, more);
  }

  /**
   * Assigns the changes to a commit.
   * @param log writes an entry's change to the changelog, and calls `logged` with its size
   */
  *seal(log: (entry: CacheEntry) => void): Steps<void> {
    const { dirty } = this.cells;
    for (let next = 0; next < dirty.length; ) {
      next = this.#sealSome(dirty, next, log);
      yield;
    }
    this.cells.takeDirty();
  }

  /** The work of a step; answers where the next one begins. */
  #sealSome(dirty: readonly CacheEntry[], from: number, log: (entry: CacheEntry) => void): number {
    const { table } = this;
    const end = Math.min(dirty.length, from + stepCells);
    let i = from;
    for (let bytes = 0; i < end && bytes < stepBytes; i++) {
      table.warmAhead(dirty, i);
      const entry = dirty[i] as CacheEntry;
      const before = entry.bytes;
      log(entry);
      if (!sealedEntry(entry)) {
        this.forgetEmpty(entry);
        continue;
      }
      bytes += entry.bytes;
      const more = entry.bytes - before;
      table.bytes += more;
      this.#noteUnsaved(entry, more);
    }
    return i;
  }

  /**
   * The sealed changes are committed, up to the changelog's `position`.
   * @param numbers the sealed numbers
   * @param now wall time, ms UTC
   */
  committed(commitId: number, numbers: StoreNumbers, position: number, now: number): void {
    this.#committedNumbers = numbers;
    this.position = position;
    this.commitId = commitId;
    this.readAt = now;
  }

  /** @param more growth of the entry, in bytes */
  #noteUnsaved(entry: CacheEntry, more: number): void {
    if (!becomesUnsaved(entry)) {
      this.unsavedBytes += more;
      return;
    }
    this.unsaved.push(entry);
    this.unsavedBytes += entry.bytes + entryOverheadBytes;
  }

  /**
   * The entry's bytes are held for a write of the backend.
   * @param stored the backend will have a cell of the key
   */
  held(entry: CacheEntry, number: number, stored: boolean): void {
    heldEntry(entry, number, stored, this.cells.dueOf(entry.cell));
    this.unsavedBytes -= entry.bytes + entryOverheadBytes;
  }

  /** False while the backend has an older cell of the key, or none. */
  isSaved(entry: CacheEntry): boolean {
    return isSavedEntry(entry, this.writtenTo);
  }

  /** A write that held the entry is complete: drops what was kept for it. */
  written(entry: CacheEntry): void {
    if (!this.isSaved(entry) || this.table.at(entry.row) !== entry) return;
    if (entry.persistedDue > this.index.horizon) this.index.release(entry);
    this.forgetEmpty(entry);
  }

  /**
   * Drops an entry without a cell if there is nothing to save: while all cells are in memory, a
   * missing entry means the same.
   */
  forgetEmpty(entry: CacheEntry): void {
    if (entry.cell !== undefined || !this.complete || !this.isSaved(entry)) return;
    this.table.drop(entry);
    this.cells.forgetFound();
  }

  /**
   * Evicts packed cells, then saved entries, continuing where it last stopped, until the cache fits
   * `budget` bytes.
   */
  evict(budget: number): void {
    const { packed, table, index } = this;
    const packedBytes = packed?.byteLength ?? 0;
    if (table.bytes + packedBytes <= budget || this.spec.resident === true) return;
    // Unsaved packed cells cannot be evicted: the backend does not have them yet.
    if (packed?.isSaved === false) return;
    this.cells.forgetFound();
    if (packed !== undefined) {
      this.packed = undefined;
      this.complete = false;
    }
    table.evict(budget, (entry) => {
      if (!this.isSaved(entry)) return false;
      if (entry.stored) this.complete = false;
      index.evicted(entry, entry.persistedDue);
      return true;
    });
  }

  /** Drops all cells from memory; all must be saved. */
  leaveMemory(): void {
    this.#forgetCells();
    this.index.horizon = Number.NEGATIVE_INFINITY;
    this.complete = false;
  }

  /**
   * Empties the store, in memory and on disk. The object stays the same, because operators hold it.
   */
  reset(): void {
    this.#forgetCells();
    this.cells.takeDirty();
    this.unsaved = [];
    this.unsavedBytes = 0;
    this.residentLoaded = false;
    this.resetNumbers({});
    this.position = emptyMeta.position;
    this.commitId = emptyMeta.commitId;
    this.readAt = emptyMeta.readAt;
    this.beginEmpty();
  }

  #forgetCells(): void {
    this.index.clear();
    this.packed = undefined;
    this.table.clear();
    this.cells.forgetFound();
  }
}
