/**
 * One store of one task: the write-back cache, its due index and its numbers.
 *
 *   entries: by the row of the key (key-table.ts): { cell | absent, dirty, unsaved, bytes, persistedDue };
 *            they are evicted in a round, so those that were loaded last go last, or so
 *   dirty:   entries in the order they first changed since the last seal (the changelog's order)
 *   unsaved: entries that sealed changes have touched and that are not on their way to the backend yet (saver.ts)
 *
 * A cell is an object that operators change in place; its bytes are made once a commit, for the
 * changelog, and once more when it is saved. Of what a restore has brought the bytes alone are kept, until someone
 * asks for the cell (packed-cells.ts). Saved entries may be evicted when a cycle's work is sealed, at no other time.
 */
import { assert, must } from '../base/assert.ts';
import { messageOf } from '../base/errors.ts';
import { type Cells, encodedCell, type StoreSpec } from '../graph/store-spec.ts';
import { DueIndex, type DueOwner } from './due-index.ts';
import type { KeptCells } from './kept-cells.ts';
import { KeyTable } from './key-table.ts';
import type { PackedCells } from './packed-cells.ts';
import type { UndoLog } from './undo-log.ts';

/**
 * What budgets count for a cache entry beside its cell's bytes: slot and string of the key, object. With the objects of a
 * cell it is about twice as much on the heap.
 */
export const entryOverheadBytes = 160;

export interface CacheEntry extends DueOwner {
  /** Of the key, in its store. */
  readonly row: number;
  cell: unknown;
  dirty: boolean;
  /** Encoded size when last known; the estimate for the budgets. */
  bytes: number;
  /** Sealed, but not what the backend holds or is about to be given. */
  unsaved: boolean;
  /** Number of the write that takes it, or took it last, to the backend; 0 before the first. */
  heldBy: number;
  /** True when the changelog holds a cell of the key, and when the backend does. */
  logged: boolean;
  stored: boolean;
  /** The instant of the key's entry in the index on disk; +Infinity when there is none. */
  persistedDue: number;
  /** Size of the cell as the changelog was told of it, or so: 0 of one that is gone, -1 where there was nothing to tell. */
  loggedBytes: number;
  /** Of a store whose cells are kept in parts: the cell as the changelog has it, or its end. */
  loggedCell: unknown;
  /** Undefined of a cell that is whole, in the changelog as far as it may be so, and on disk. */
  inParts: PartsLogged | undefined;
}

/** Stands for the head, where a part is named. */
export const headOfParts = -1;

/** Of a key: which of its parts stand where. */
export class PartsLogged {
  /** The changelog has the cell in parts; not used where it never has it otherwise. */
  inLog = false;
  /** The backend has it in parts, or is about to. */
  stored = false;
  /** Parts, and the head, that the backend does not have as they are; only while it has some. */
  #unsaved = new Set<number>();
  /** Of parts that were logged in chunks: how many. */
  #chunks: Map<number, number> | undefined;

  chunksOf(part: number): number {
    return this.#chunks?.get(part) ?? 0;
  }

  noteChunks(part: number, chunks: number): void {
    if (chunks > 0) {
      this.#chunks ??= new Map();
      this.#chunks.set(part, chunks);
    } else this.#chunks?.delete(part);
  }

  changed(part: number): void {
    if (this.stored) this.#unsaved.add(part);
  }

  /** They are about to be saved. */
  takeUnsaved(): ReadonlySet<number> {
    const unsaved = this.#unsaved;
    this.#unsaved = new Set();
    return unsaved;
  }
}

const nobody: readonly undefined[] = [];

export type StoreNumbers = Readonly<Record<string, number>>;

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

interface StoreNumber {
  readonly name: string;
  value: number | undefined;
}

/** The part of the task that a store looks at: whose cell is meant. */
export interface CurrentKey {
  readonly keyId: string;
  /** Counts what leaves a trace: changes, and looks at cells that may be changed in place. */
  touches: number;
}

/** So many entries, looked at together, stay in the nearest cache until they are needed. */
export const lookedAtTogether = 64;

export class StoreState implements Cells<unknown> {
  readonly spec: StoreSpec<unknown, unknown>;
  /** A key has a row as long as it has an entry, or is about to get one. */
  readonly keys = new KeyTable();
  readonly #entries: (CacheEntry | undefined)[] = [];
  #entryCount = 0;
  /** What was looked at: nobody asks, but without it V8 would see that nobody does. */
  seen = 0;
  /** The row at which the search for what can be evicted goes on. */
  #evictFrom = 0;
  readonly index = new DueIndex<CacheEntry>();
  readonly #numbers = new Map<string, StoreNumber>();
  #committedNumbers: StoreNumbers = {};
  // One number is asked for and set again and again.
  #lastNumber: StoreNumber = { name: '', value: undefined };
  dirty: CacheEntry[] = [];
  unsaved: CacheEntry[] = [];
  numbersDirty = false;
  dirtyBytes = 0;
  unsavedBytes = 0;
  cacheBytes = 0;
  /** Number of the last write that the backend has done. */
  writtenTo = 0;
  /** As in StoreMeta. */
  position: number;
  commitId: number;
  readAt: number;
  /**
   * All cells are in memory: a key that is not has none, and nobody need look on disk. So it is of a store that was
   * empty when it was opened, until a cell is evicted.
   */
  complete = false;
  /** What was restored and not been asked for, as long as memory is left for it. */
  packed: PackedCells | undefined;
  /** For a resident store: its cells are all in memory. */
  residentLoaded = false;
  /** Of a careful task: how to take back what is done to the store. */
  undo: UndoLog | undefined;
  /** While many ask: the cells as they were before the cycle at hand. */
  kept: KeptCells | undefined;
  readonly #current: CurrentKey;
  // A record asks for its key's entry several times in a row.
  #lastId = '';
  #last: CacheEntry | undefined;
  /** Of the keys that became due, who are entered one after the other. */
  #expected: readonly (CacheEntry | undefined)[] = nobody;
  #expectedNext = 0;

  constructor(spec: StoreSpec<unknown, unknown>, current: CurrentKey, meta: StoreMeta) {
    this.spec = spec;
    this.#current = current;
    this.resetNumbers(meta.numbers);
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

  get entryCount(): number {
    return this.#entryCount;
  }

  *entries(): Generator<CacheEntry> {
    for (const entry of this.#entries) if (entry !== undefined) yield entry;
  }

  entryOf(keyId: string): CacheEntry | undefined {
    const row = this.keys.rowOf(keyId);
    return row < 0 ? undefined : this.#entries[row];
  }

  /** @param row of a key of the table */
  entryAt(row: number): CacheEntry | undefined {
    return this.#entries[row];
  }

  /** Room for an entry of every key that has a row. */
  makeRoom(): void {
    // One by one: what is set beyond its end makes of an array a dictionary.
    while (this.#entries.length < this.keys.rowsEnd) this.#entries.push(undefined);
  }

  /** Every key that has a cell has an entry: of one without, nobody need be asked. */
  get isWhole(): boolean {
    return this.complete && this.packed === undefined;
  }

  get(): unknown {
    const entry = this.#entry();
    if (this.kept !== undefined) this.kept.note(this.spec, entry);
    if (this.undo !== undefined) this.#remember(this.undo, entry);
    const { cell } = entry;
    if (cell !== undefined && this.spec.isFixed?.(cell) !== true) this.#current.touches++;
    return cell;
  }

  put(cell: unknown): void {
    assert(cell !== undefined, 'a cell is never undefined; use remove');
    if (this.kept !== undefined) this.kept.note(this.spec, this.#entry());
    if (this.undo !== undefined) this.#remember(this.undo, this.#entry());
    this.#change(
      cell,
      this.spec.due === undefined ? Number.POSITIVE_INFINITY : this.spec.due(cell),
    );
  }

  remove(): void {
    const entry = this.#entry();
    if (entry.cell === undefined) return;
    if (this.kept !== undefined) this.kept.note(this.spec, entry);
    if (this.undo !== undefined) this.#remember(this.undo, entry);
    this.#change(undefined, Number.POSITIVE_INFINITY);
  }

  nextDue(): number {
    return this.index.nextDue();
  }

  dueKeys(until: number): readonly string[] {
    const { keyIds, owners } = this.index.dueKeys(until);
    this.#expected = owners;
    this.#expectedNext = 0;
    this.lookAhead(owners, 0);
    return keyIds;
  }

  number(name: string): number | undefined {
    return this.#number(name).value;
  }

  setNumber(name: string, value: number): void {
    const number = this.#number(name);
    if (number.value === value) return;
    this.#current.touches++;
    if (this.undo !== undefined) this.#noteNumber(this.undo, number);
    number.value = value;
    this.numbersDirty = true;
  }

  // A function that makes a closure allocates a context on each call: closures of undo stand apart.
  #noteNumber(undo: UndoLog, number: StoreNumber): void {
    const [before, wasDirty] = [number.value, this.numbersDirty];
    undo.note(() => {
      number.value = before;
      this.numbersDirty = wasDirty;
    });
  }

  /** The numbers that were set, by name; in an order that does not depend on who asked for which first. */
  get numbers(): StoreNumbers {
    const set = [...this.#numbers.values()]
      .filter(({ value }) => value !== undefined)
      .sort((a, b) => (a.name < b.name ? -1 : 1));
    return Object.fromEntries(set.map(({ name, value }) => [name, value as number]));
  }

  /** The numbers are these, and no others; so they are committed. */
  resetNumbers(numbers: StoreNumbers): void {
    this.#committedNumbers = numbers;
    this.#numbers.clear();
    for (const [name, value] of Object.entries(numbers)) this.#numbers.set(name, { name, value });
    this.#lastNumber = { name: '', value: undefined };
  }

  #number(name: string): StoreNumber {
    if (name === this.#lastNumber.name) return this.#lastNumber;
    let number = this.#numbers.get(name);
    if (number === undefined) {
      number = { name, value: undefined };
      this.#numbers.set(name, number);
    }
    this.#lastNumber = number;
    return number;
  }

  dueOf(cell: unknown): number {
    return cell === undefined || this.spec.due === undefined
      ? Number.POSITIVE_INFINITY
      : this.spec.due(cell);
  }

  /**
   * Takes in a cell read from the backend; `bytes` 0 and no cell when the key is absent.
   * @param inParts of a cell that it has in parts
   */
  load(keyId: string, cell: unknown, bytes: number, inParts?: PartsLogged): CacheEntry {
    return this.loadAt(this.keys.add(keyId), keyId, cell, bytes, inParts);
  }

  /** The same of a key whose row is known. */
  loadAt(
    row: number,
    keyId: string,
    cell: unknown,
    bytes: number,
    inParts?: PartsLogged,
  ): CacheEntry {
    const persistedDue = this.dueOf(cell);
    const stored = cell !== undefined;
    this.#last = undefined;
    const entry: CacheEntry = {
      row,
      keyId,
      cell,
      dirty: false,
      unsaved: false,
      heldBy: 0,
      bytes,
      logged: stored,
      stored,
      persistedDue,
      dueSlot: -1,
      loggedBytes: -1,
      loggedCell: this.spec.parts === undefined ? undefined : cell,
      inParts,
    };
    this.makeRoom();
    this.#entries[row] = entry;
    this.#entryCount++;
    this.cacheBytes += bytes + entryOverheadBytes;
    return entry;
  }

  /**
   * Takes in what the changelog says of a key, where all cells are in memory: it is committed, and the backend does not
   * know it. @param bytes the cell's size as it is written, 0 of none
   */
  restored(keyId: string, cell: unknown, bytes: number, inParts?: PartsLogged): void {
    const known = this.entryOf(keyId);
    if (known === undefined && cell === undefined) return;
    this.#restored(known ?? this.load(keyId, undefined, 0), cell, bytes, inParts);
  }

  /** The same of a key whose row is known. Once all is taken in, `dropUnused` must follow. */
  restoredAt(row: number, cell: unknown, bytes: number): void {
    const known = this.#entries[row];
    if (known === undefined && cell === undefined) return;
    const entry = known ?? this.loadAt(row, this.keys.keyIdOf(row), undefined, 0);
    this.#restored(entry, cell, bytes);
  }

  /** Rows without an entry are other keys' to have. @param rows of records [from, to), -1 of none */
  dropUnused(rows: Int32Array, from: number, to: number): void {
    this.makeRoom();
    for (let i = from; i < to; i++) {
      const row = rows[i] as number;
      if (row >= 0 && this.#entries[row] === undefined) this.keys.remove(row);
    }
  }

  #restored(entry: CacheEntry, cell: unknown, bytes: number, inParts?: PartsLogged): void {
    const more = bytes - entry.bytes;
    entry.cell = cell;
    if (this.spec.parts !== undefined) {
      entry.loggedCell = cell;
      entry.inParts = inParts;
    }
    entry.logged = cell !== undefined;
    entry.bytes = bytes;
    entry.loggedBytes = bytes;
    this.cacheBytes += more;
    if (this.spec.due !== undefined) {
      this.index.set(entry, this.dueOf(cell));
    }
    this.#noteUnsaved(entry, more);
  }

  /** What changed belongs to a commit now. @param log gives the changelog what changed of an entry, and notes its `loggedBytes` */
  seal(log: (entry: CacheEntry) => void): void {
    const { dirty } = this;
    for (let i = 0; i < dirty.length; i++) {
      this.lookAhead(dirty, i);
      const entry = dirty[i] as CacheEntry;
      log(entry);
      entry.dirty = false;
      const bytes = entry.loggedBytes;
      // It came and went between two commits.
      if (bytes < 0) {
        this.forgetEmpty(entry);
        continue;
      }
      entry.logged = entry.cell !== undefined;
      const more = bytes - entry.bytes;
      this.cacheBytes += more;
      entry.bytes = bytes;
      this.#noteUnsaved(entry, more);
    }
    this.dirty = [];
    this.dirtyBytes = 0;
    this.numbersDirty = false;
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

  /** False while the backend knows an older cell of the key, or none. */
  isSaved({ dirty, unsaved, heldBy }: CacheEntry): boolean {
    return !dirty && !unsaved && heldBy <= this.writtenTo;
  }

  /** A write that held the entry is done: what memory kept for its sake may go. */
  settle(entry: CacheEntry): void {
    if (!this.isSaved(entry) || this.#entries[entry.row] !== entry) return;
    if (entry.persistedDue > this.index.horizon) this.index.release(entry);
    this.forgetEmpty(entry);
  }

  /** @param more bytes that the entry has grown by */
  #noteUnsaved(entry: CacheEntry, more: number): void {
    if (entry.unsaved) {
      this.unsavedBytes += more;
      return;
    }
    entry.unsaved = true;
    this.unsaved.push(entry);
    this.unsavedBytes += entry.bytes + entryOverheadBytes;
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
    this.dirty = [];
    this.unsaved = [];
    this.dirtyBytes = 0;
    this.unsavedBytes = 0;
    this.residentLoaded = false;
    this.resetNumbers({});
    this.numbersDirty = false;
    this.position = emptyMeta.position;
    this.commitId = emptyMeta.commitId;
    this.readAt = emptyMeta.readAt;
    this.beginEmpty();
  }

  #forgetCells(): void {
    this.index.clear();
    this.packed = undefined;
    this.keys.clear();
    this.#entries.length = 0;
    this.#entryCount = 0;
    this.#evictFrom = 0;
    this.#forgetFound();
    this.cacheBytes = 0;
  }

  /** Entries that were found before may be there no more. */
  #forgetFound(): void {
    this.#last = undefined;
    this.#expected = nobody;
  }

  /**
   * Drops an entry without a cell, when there is nothing to save of it: where all cells are in memory nobody need
   * know that a key has none.
   */
  forgetEmpty(entry: CacheEntry): void {
    if (entry.cell !== undefined || !this.complete || !this.isSaved(entry)) return;
    this.#drop(entry);
    this.#forgetFound();
  }

  #drop({ row, bytes }: CacheEntry): void {
    this.#entries[row] = undefined;
    this.#entryCount--;
    this.keys.remove(row);
    this.cacheBytes -= bytes + entryOverheadBytes;
  }

  /** Evicts packed cells, then saved entries, on from where it came to last, until the cache fits `budget` bytes. */
  evict(budget: number): void {
    const { packed } = this;
    const packedBytes = packed?.byteLength ?? 0;
    if (this.cacheBytes + packedBytes <= budget || this.spec.resident === true) return;
    // An entry that came from there would be looked for in the backend, which does not have it yet.
    if (packed?.isSaved === false) return;
    this.#forgetFound();
    if (packed !== undefined) {
      this.packed = undefined;
      this.complete = false;
    }
    const entries = this.#entries;
    for (let seen = 0; seen < entries.length && this.cacheBytes > budget; seen++) {
      if (this.#evictFrom >= entries.length) this.#evictFrom = 0;
      const entry = entries[this.#evictFrom++];
      if (entry === undefined || !this.isSaved(entry)) continue;
      if (entry.stored) this.complete = false;
      this.index.evicted(entry, entry.persistedDue);
      this.#drop(entry);
    }
  }

  #change(cell: unknown, due: number): void {
    const entry = this.#entry();
    this.#current.touches++;
    entry.cell = cell;
    if (!entry.dirty) {
      entry.dirty = true;
      this.dirty.push(entry);
      this.dirtyBytes += entry.bytes + entryOverheadBytes;
      if (this.undo !== undefined) this.#noteDirty(this.undo, entry);
    }
    if (this.spec.due !== undefined) {
      this.index.set(entry, due);
    }
  }

  #noteDirty(undo: UndoLog, entry: CacheEntry): void {
    undo.note(() => {
      entry.dirty = false;
      this.dirty.pop();
      this.dirtyBytes -= entry.bytes + entryOverheadBytes;
    });
  }

  /** Notes the cell as it is, before anybody changes it: its bytes, where it may be changed in place. */
  #remember(undo: UndoLog, entry: CacheEntry): void {
    if (undo.knows(entry)) return;
    const { spec } = this;
    const { cell } = entry;
    const isFixed = cell === undefined || spec.isFixed?.(cell) === true;
    const bytes = isFixed ? undefined : this.#bytesOf(cell);
    undo.noteValue(entry, () => {
      entry.cell = bytes === undefined ? cell : spec.decode(bytes, 0, bytes.byteLength);
      if (spec.due !== undefined) this.index.set(entry, this.dueOf(entry.cell));
    });
  }

  /** undefined of a cell that cannot be written. */
  #bytesOf(cell: unknown): Buffer | undefined {
    try {
      return encodedCell(this.spec, cell);
    } catch {
      return undefined;
    }
  }

  /** Why the entry's cell cannot be written; undefined when it can. */
  problemOf(entry: CacheEntry): string | undefined {
    if (entry.cell === undefined || !entry.dirty) return undefined;
    try {
      encodedCell(this.spec, entry.cell);
      return undefined;
    } catch (error) {
      return messageOf(error);
    }
  }

  /**
   * Looks at the entries of records [from, to), which are about to be entered: each lies somewhere else in memory, and here
   * none depends on the one before it. @param rows by record, -1 of no key
   */
  approach(rows: Int32Array, from: number, to: number): void {
    for (let i = from; i < to; i++) {
      const row = rows[i] as number;
      if (row >= 0) this.#look(this.#entries[row]);
    }
  }

  /** For who takes entries one after the other, and is about to take this one: now and then looks at some that come then. */
  lookAhead(entries: readonly (CacheEntry | undefined)[], next: number): void {
    if (next % lookedAtTogether > 0) return;
    const to = Math.min(next + lookedAtTogether, entries.length);
    for (let i = next; i < to; i++) this.#look(entries[i]);
  }

  #look(entry: CacheEntry | undefined): void {
    if (entry === undefined) return;
    const { cell, keyId } = entry;
    const { peek } = this.spec;
    let seen = keyId.length;
    if (peek !== undefined && cell !== undefined) seen += peek(cell);
    else if (typeof cell === 'object') seen++;
    this.seen = seen;
  }

  /** The current key's row is known; its entry must be there. */
  enterRow(row: number, keyId: string): void {
    this.#lastId = keyId;
    this.#last = this.#entries[row];
  }

  #entry(): CacheEntry {
    const keyId = this.#current.keyId;
    if (this.#last !== undefined && keyId === this.#lastId) return this.#last;
    const expected = this.#expected[this.#expectedNext];
    let entry: CacheEntry;
    if (expected?.keyId === keyId) {
      this.lookAhead(this.#expected, ++this.#expectedNext);
      entry = expected;
    } else entry = this.#found(keyId);
    this.#lastId = keyId;
    this.#last = entry;
    return entry;
  }

  #found(keyId: string): CacheEntry {
    return must(this.entryOf(keyId), () =>
      keyId === ''
        ? `store ${this.spec.name}: there is no current key`
        : `store ${this.spec.name}: key ${JSON.stringify(keyId)} was not prefetched`,
    );
  }
}
