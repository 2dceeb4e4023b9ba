/**
 * One store of one task: its entries in memory from their load to their eviction (entry.ts), beside
 * the index of what is due and the store's numbers. Steps see its cells alone (store-cells.ts).
 *
 * A cell's bytes are made once a commit, for the changelog, and once more when it is saved. Of what
 * a restore has brought the bytes alone are kept, until someone asks for the cell
 * (packed-cells.ts). Saved entries may be evicted when a cycle's work is sealed, at no other time.
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

/** What a store says of itself beside its cells. */
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
  /** Entries that the backend does not have as they are, and whose bytes are not held for it. */
  unsaved: CacheEntry[] = [];
  unsavedBytes = 0;
  /** Number of the last write that the backend has done. */
  writtenTo = 0;
  /** As in StoreMeta. */
  position: number;
  commitId: number;
  readAt: number;
  /**
   * All cells are in memory: a key that is not has none, and nobody need look on disk. So it is of
   * a store that was empty when it was opened, until a cell is evicted.
   */
  complete = false;
  /** What was restored and not been asked for, as long as memory is left for it. */
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

  /** There is nothing on disk. */
  beginEmpty(): void {
    this.complete = true;
    this.index.horizon = Number.POSITIVE_INFINITY;
  }

  /** What is committed. */
  get meta(): StoreMeta {
    const { position, commitId, readAt } = this;
    return { numbers: this.#committedNumbers, position, commitId, readAt };
  }

  /** Every key that has a cell has an entry: of one without, nobody need be asked. */
  get isWhole(): boolean {
    return this.complete && this.packed === undefined;
  }

  /** Something has changed since the last seal. */
  get isDirty(): boolean {
    return this.cells.dirty.length > 0 || this.#numbers.dirty;
  }

  get numbers(): StoreNumbers {
    return this.#numbers.all;
  }

  /** The numbers are these, and no others; so they are committed. */
  resetNumbers(numbers: StoreNumbers): void {
    this.#committedNumbers = numbers;
    this.#numbers.reset(numbers);
  }

  /**
   * Takes in a cell read from the backend; `bytes` 0 and no cell when the key is absent.
   * @param inParts of a cell that it has in parts
   */
  load(keyText: string, cell: unknown, bytes: number, inParts?: PartsLogged): CacheEntry {
    return this.loadAt(this.table.keys.add(keyText), keyText, cell, bytes, inParts);
  }

  /** The same of a key whose row is known. */
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
   * Takes in what the changelog says of a key, where all cells are in memory: it is committed, and
   * the backend does not know it. @param bytes the cell's size as it is written, 0 of none
   */
  restored(keyText: string, cell: unknown, bytes: number, inParts?: PartsLogged): void {
    const known = this.table.of(keyText);
    if (known === undefined && cell === undefined) return;
    this.#restored(known ?? this.load(keyText, undefined, 0), cell, bytes, inParts);
  }

  /**
   * The same of a key whose row is known. Once all is taken in, `EntryTable.dropUnused` must
   * follow.
   */
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
   * What changed belongs to a commit now.
   * @param log gives the changelog what changed of an entry, and notes how much (`logged`)
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
   * What was sealed is committed, up to the changelog's `position`.
   * @param numbers as they were sealed @param now wall time, ms UTC
   */
  committed(commitId: number, numbers: StoreNumbers, position: number, now: number): void {
    this.#committedNumbers = numbers;
    this.position = position;
    this.commitId = commitId;
    this.readAt = now;
  }

  /** @param more bytes that the entry has grown by */
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
   * @param stored it will have a cell of the key
   */
  held(entry: CacheEntry, number: number, stored: boolean): void {
    heldEntry(entry, number, stored, this.cells.dueOf(entry.cell));
    this.unsavedBytes -= entry.bytes + entryOverheadBytes;
  }

  /** False while the backend knows an older cell of the key, or none. */
  isSaved(entry: CacheEntry): boolean {
    return isSavedEntry(entry, this.writtenTo);
  }

  /** A write that held the entry is done: what memory kept for its sake may go. */
  written(entry: CacheEntry): void {
    if (!this.isSaved(entry) || this.table.at(entry.row) !== entry) return;
    if (entry.persistedDue > this.index.horizon) this.index.release(entry);
    this.forgetEmpty(entry);
  }

  /**
   * Drops an entry without a cell, when there is nothing to save of it: where all cells are in
   * memory nobody need know that a key has none.
   */
  forgetEmpty(entry: CacheEntry): void {
    if (entry.cell !== undefined || !this.complete || !this.isSaved(entry)) return;
    this.table.drop(entry);
    this.cells.forgetFound();
  }

  /**
   * Evicts packed cells, then saved entries, on from where it came to last, until the cache fits
   * `budget` bytes.
   */
  evict(budget: number): void {
    const { packed, table, index } = this;
    const packedBytes = packed?.byteLength ?? 0;
    if (table.bytes + packedBytes <= budget || this.spec.resident === true) return;
    // An entry that came from there would be looked for in the backend, which does not have it yet.
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

  /** Forgets all cells, as all are saved: from now on they are on disk. */
  leaveMemory(): void {
    this.#forgetCells();
    this.index.horizon = Number.NEGATIVE_INFINITY;
    this.complete = false;
  }

  /** There is nothing any more, in memory nor on disk; operators hold on to the store. */
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
