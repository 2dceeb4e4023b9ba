/**
 * The steps' view of a store: the cell of the current key, due cells, and numbers. It records
 * changes: for the commit, for the undo of a careful task, and for queries during the cycle. A cell
 * is an object that steps change in place.
 */
import { assert, must } from '../base/assert.ts';
import { messageOf } from '../base/errors.ts';
import { type Cells, encodedCell, type StoreSpec } from '../graph/store-spec.ts';
import type { DueIndex } from './due-index.ts';
import { type CacheEntry, dirtied, entryOverheadBytes, undirtied } from './entry.ts';
import type { EntryTable } from './entry-table.ts';
import type { KeptCells } from './kept-cells.ts';
import type { Numbers } from './numbers.ts';
import type { UndoLog } from './undo-log.ts';

/** The part of the task that a store reads: the current key. */
export interface CurrentKey {
  readonly keyText: string;
  /** Counts possible changes: writes, and reads of cells that may be changed in place. */
  touches: number;
}

const nobody: readonly undefined[] = [];

export class StoreCells implements Cells<unknown> {
  /** Entries in the order they first changed since the last seal: the changelog's order. */
  dirty: CacheEntry[] = [];
  dirtyBytes = 0;
  /** The undo log of a careful task. */
  undo: UndoLog | undefined;
  /** While there are many queries: the cells before the current cycle. */
  kept: KeptCells | undefined;
  readonly #spec: StoreSpec<unknown, unknown>;
  readonly #current: CurrentKey;
  readonly #table: EntryTable;
  readonly #index: DueIndex<CacheEntry>;
  readonly #numbers: Numbers;
  // Cache: a record requests its key's entry several times in a row.
  #lastId = '';
  #last: CacheEntry | undefined;
  /** Entries of the due keys, which are entered one after the other. */
  #expected: readonly (CacheEntry | undefined)[] = nobody;
  #expectedNext = 0;

  constructor(
    spec: StoreSpec<unknown, unknown>,
    current: CurrentKey,
    table: EntryTable,
    index: DueIndex<CacheEntry>,
    numbers: Numbers,
  ) {
    this.#spec = spec;
    this.#current = current;
    this.#table = table;
    this.#index = index;
    this.#numbers = numbers;
  }

  get(): unknown {
    const entry = this.#entry();
    if (this.kept !== undefined) this.kept.note(this.#spec, entry);
    if (this.undo !== undefined) this.#remember(this.undo, entry);
    const { cell } = entry;
    if (cell !== undefined && this.#spec.isFixed?.(cell) !== true) this.#current.touches++;
    return cell;
  }

  put(cell: unknown): void {
    assert(cell !== undefined, 'a cell is never undefined; use remove');
    if (this.kept !== undefined) this.kept.note(this.#spec, this.#entry());
    if (this.undo !== undefined) this.#remember(this.undo, this.#entry());
    const { due } = this.#spec;
    this.#change(cell, due === undefined ? Number.POSITIVE_INFINITY : due(cell));
  }

  remove(): void {
    const entry = this.#entry();
    if (entry.cell === undefined) return;
    if (this.kept !== undefined) this.kept.note(this.#spec, entry);
    if (this.undo !== undefined) this.#remember(this.undo, entry);
    this.#change(undefined, Number.POSITIVE_INFINITY);
  }

  nextDue(): number {
    return this.#index.nextDue();
  }

  dueKeys(until: number): readonly string[] {
    const { keyTexts, owners } = this.#index.dueKeys(until);
    this.#expected = owners;
    this.#expectedNext = 0;
    this.#table.warmAhead(owners, 0);
    return keyTexts;
  }

  number(name: string): number | undefined {
    return this.#numbers.get(name);
  }

  setNumber(name: string, value: number): void {
    if (this.#numbers.set(name, value, this.undo)) this.#current.touches++;
  }

  /** Due instant of a cell, ms UTC; +Infinity for never, and without a cell. */
  dueOf(cell: unknown): number {
    const { due } = this.#spec;
    return cell === undefined || due === undefined ? Number.POSITIVE_INFINITY : due(cell);
  }

  /** Enters the current key by its row; its entry must exist. */
  enterRow(row: number, keyText: string): void {
    this.#lastId = keyText;
    this.#last = this.#table.at(row);
  }

  /** Clears the cached entry of the current key. */
  forgetLast(): void {
    this.#last = undefined;
  }

  /** Clears all cached entries, which may have been dropped. */
  forgetFound(): void {
    this.#last = undefined;
    this.#expected = nobody;
  }

  /** Returns the entries that have changed since the last call. */
  takeDirty(): CacheEntry[] {
    const { dirty } = this;
    this.dirty = [];
    this.dirtyBytes = 0;
    this.#numbers.dirty = false;
    return dirty;
  }

  /** The reason why the entry's cell cannot be encoded; undefined if it can. */
  problemOf(entry: CacheEntry): string | undefined {
    if (entry.cell === undefined || !entry.dirty) return undefined;
    try {
      encodedCell(this.#spec, entry.cell);
      return undefined;
    } catch (error) {
      return messageOf(error);
    }
  }

  #change(cell: unknown, due: number): void {
    const entry = this.#entry();
    this.#current.touches++;
    entry.cell = cell;
    if (!entry.dirty) {
      dirtied(entry);
      this.dirty.push(entry);
      this.dirtyBytes += entry.bytes + entryOverheadBytes;
      if (this.undo !== undefined) this.#noteDirty(this.undo, entry);
    }
    if (this.#spec.due !== undefined) this.#index.set(entry, due);
  }

  // A function with a closure allocates a context on each call, so those for undo are separate.
  #noteDirty(undo: UndoLog, entry: CacheEntry): void {
    undo.note(() => {
      undirtied(entry);
      this.dirty.pop();
      this.dirtyBytes -= entry.bytes + entryOverheadBytes;
    });
  }

  /** Notes the cell before a change: its bytes, if it may be changed in place. */
  #remember(undo: UndoLog, entry: CacheEntry): void {
    if (undo.knows(entry)) return;
    const spec = this.#spec;
    const { cell } = entry;
    const isFixed = cell === undefined || spec.isFixed?.(cell) === true;
    const bytes = isFixed ? undefined : this.#bytesOf(cell);
    undo.noteValue(entry, () => {
      entry.cell = bytes === undefined ? cell : spec.decode(bytes, 0, bytes.byteLength);
      if (spec.due !== undefined) this.#index.set(entry, this.dueOf(entry.cell));
    });
  }

  /** Undefined for a cell that cannot be encoded. */
  #bytesOf(cell: unknown): Buffer | undefined {
    try {
      return encodedCell(this.#spec, cell);
    } catch {
      return undefined;
    }
  }

  #entry(): CacheEntry {
    const keyText = this.#current.keyText;
    if (this.#last !== undefined && keyText === this.#lastId) return this.#last;
    const expected = this.#expected[this.#expectedNext];
    let entry: CacheEntry;
    if (expected?.keyText === keyText) {
      this.#table.warmAhead(this.#expected, ++this.#expectedNext);
      entry = expected;
    } else entry = this.#found(keyText);
    this.#lastId = keyText;
    this.#last = entry;
    return entry;
  }

  #found(keyText: string): CacheEntry {
    return must(this.#table.of(keyText), () =>
      keyText === ''
        ? `store ${this.#spec.name}: there is no current key`
        : `store ${this.#spec.name}: key ${JSON.stringify(keyText)} was not prefetched`,
    );
  }
}
