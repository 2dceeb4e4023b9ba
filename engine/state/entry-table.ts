/**
 * The entries of a store, by the row of their key (key-table.ts), with their size in bytes.
 * Eviction goes round the table, so entries that were loaded last are evicted roughly last. Entries
 * that are needed soon can be warmed: their memory is touched in groups, so that the cache misses
 * overlap.
 */
import { type CacheEntry, entryOverheadBytes } from './entry.ts';
import { KeyTable } from './key-table.ts';

/** Entries warmed ahead: few enough to stay in the nearest cache until they are used. */
export const warmedTogether = 64;

export class EntryTable {
  /** A key has a row while it has an entry, or is about to get one. */
  readonly keys = new KeyTable();
  /** Estimated bytes of the cells, and of the entries. */
  bytes = 0;
  /** Sink of the reads that warm: without it V8 would remove them as dead code. */
  warmed = 0;
  readonly #entries: (CacheEntry | undefined)[] = [];
  #count = 0;
  /** The row at which eviction continues. */
  #evictFrom = 0;
  readonly #peek: ((cell: unknown) => number) | undefined;

  /** @param peek reads a part of a cell, so that it is in the processor's cache */
  constructor(peek: ((cell: unknown) => number) | undefined) {
    this.#peek = peek;
  }

  get count(): number {
    return this.#count;
  }

  *[Symbol.iterator](): Generator<CacheEntry> {
    for (const entry of this.#entries) if (entry !== undefined) yield entry;
  }

  /** The entry of a key; undefined when it has none. */
  of(keyText: string): CacheEntry | undefined {
    const row = this.keys.rowOf(keyText);
    return row < 0 ? undefined : this.#entries[row];
  }

  /** @param row of a key of the table */
  at(row: number): CacheEntry | undefined {
    return this.#entries[row];
  }

  /** Makes room for an entry of every row. */
  makeRoom(): void {
    // By push: an array that is set beyond its end becomes a dictionary.
    while (this.#entries.length < this.keys.rowsEnd) this.#entries.push(undefined);
  }

  add(entry: CacheEntry): void {
    this.makeRoom();
    this.#entries[entry.row] = entry;
    this.#count++;
    this.bytes += entry.bytes + entryOverheadBytes;
  }

  drop({ row, bytes }: CacheEntry): void {
    this.#entries[row] = undefined;
    this.#count--;
    this.keys.remove(row);
    this.bytes -= bytes + entryOverheadBytes;
  }

  /**
   * Frees rows without an entry for other keys.
   * @param rows of records [from, to), -1 of none
   */
  dropUnused(rows: Int32Array, from: number, to: number): void {
    this.makeRoom();
    for (let i = from; i < to; i++) {
      const row = rows[i] as number;
      if (row >= 0 && this.#entries[row] === undefined) this.keys.remove(row);
    }
  }

  /**
   * Drops entries until the rest fits `budget` bytes.
   * @param mayGo returns true if an entry may be dropped; it is then dropped
   */
  evict(budget: number, mayGo: (entry: CacheEntry) => boolean): void {
    const entries = this.#entries;
    for (let seen = 0; seen < entries.length && this.bytes > budget; seen++) {
      if (this.#evictFrom >= entries.length) this.#evictFrom = 0;
      const entry = entries[this.#evictFrom++];
      if (entry !== undefined && mayGo(entry)) this.drop(entry);
    }
  }

  clear(): void {
    this.keys.clear();
    this.#entries.length = 0;
    this.#count = 0;
    this.#evictFrom = 0;
    this.bytes = 0;
  }

  /**
   * Warms the entries of records [from, to), which are about to be entered.
   * @param rows by record, -1 of no key
   */
  warmRows(rows: Int32Array, from: number, to: number): void {
    for (let i = from; i < to; i++) {
      const row = rows[i] as number;
      if (row >= 0) this.#warm(this.#entries[row]);
    }
  }

  /**
   * For a caller that uses entries one after the other and is about to use entry `next`: from time
   * to time warms the following ones.
   */
  warmAhead(entries: readonly (CacheEntry | undefined)[], next: number): void {
    if (next % warmedTogether > 0) return;
    const to = Math.min(next + warmedTogether, entries.length);
    for (let i = next; i < to; i++) this.#warm(entries[i]);
  }

  #warm(entry: CacheEntry | undefined): void {
    if (entry === undefined) return;
    const { cell, keyText } = entry;
    const peek = this.#peek;
    let warmed = keyText.length;
    if (peek !== undefined && cell !== undefined) warmed += peek(cell);
    else if (typeof cell === 'object') warmed++;
    this.warmed = warmed;
  }
}
