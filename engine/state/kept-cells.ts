/**
 * Cells of a store as they were before the current cycle first accessed them, for queries during
 * the cycle. They are kept only while there are many queries (task/pauses.ts), because each costs
 * one encoding per cycle.
 */
import { encodedCell, type StoreSpec } from '../graph/store-spec.ts';
import type { CacheEntry } from './entry.ts';

/** Limit per store and cycle; queries beyond it wait for the commit. */
const bytesMost = 16 * 1_024 * 1_024;
/** Overhead of an entry in addition to its bytes. */
const overheadBytes = 100;

interface KeptCell {
  /** A cell that is never changed in place, or undefined if there was none. */
  readonly cell: unknown;
  readonly bytes: Buffer | undefined;
}

export class KeptCells {
  readonly #cells = new Map<CacheEntry, KeptCell>();
  #bytes = 0;
  /** True while every changed cell has been kept. */
  #isWhole = true;

  get isWhole(): boolean {
    return this.#isWhole;
  }

  /** Call before the entry's cell may be changed. */
  note(spec: StoreSpec<unknown, unknown>, entry: CacheEntry): void {
    if (this.#cells.has(entry)) return;
    const { cell } = entry;
    if (this.#bytes > bytesMost) this.#isWhole = false;
    else if (cell === undefined || spec.isFixed?.(cell) === true) this.#keep(entry, cell);
    else {
      const bytes = bytesOf(spec, cell);
      if (bytes === undefined) this.#isWhole = false;
      else this.#keep(entry, undefined, bytes);
    }
  }

  has(entry: CacheEntry): boolean {
    return this.#cells.has(entry);
  }

  /** A private copy of the cell as it was; undefined if there was none. */
  cellOf(spec: StoreSpec<unknown, unknown>, entry: CacheEntry): unknown {
    const kept = this.#cells.get(entry);
    if (kept?.bytes === undefined) return kept?.cell;
    return spec.decode(kept.bytes, 0, kept.bytes.byteLength);
  }

  #keep(entry: CacheEntry, cell: unknown, bytes?: Buffer): void {
    this.#cells.set(entry, { cell, bytes });
    this.#bytes += overheadBytes + (bytes?.byteLength ?? 0);
  }
}

/** The encoded cell; undefined if it cannot be encoded. */
function bytesOf(spec: StoreSpec<unknown, unknown>, cell: unknown): Buffer | undefined {
  try {
    return encodedCell(spec, cell);
  } catch {
    return undefined;
  }
}
