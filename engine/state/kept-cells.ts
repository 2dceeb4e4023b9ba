/**
 * Cells of a store as they were before the cycle at hand first looked at them, for those who ask
 * while it works. They are kept only while many ask (task/pauses.ts): each costs its encoding once
 * a cycle.
 */
import { encodedCell, type StoreSpec } from '../graph/store-spec.ts';
import type { CacheEntry } from './entry.ts';

/** Of one store and cycle; what comes beyond is told with its commit. */
const bytesMost = 16 * 1_024 * 1_024;
/** What an entry takes beside its bytes. */
const overheadBytes = 100;

interface KeptCell {
  /** A cell that nobody changes in place, or undefined where there was none. */
  readonly cell: unknown;
  readonly bytes: Buffer | undefined;
}

export class KeptCells {
  readonly #cells = new Map<CacheEntry, KeptCell>();
  #bytes = 0;
  /** Whatever has changed is in it. */
  #isWhole = true;

  get isWhole(): boolean {
    return this.#isWhole;
  }

  /** Call before anybody may change the entry's cell. */
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

  /** The cell as it was, for the asker alone; undefined also where there was none. */
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

/** A copy; undefined of a cell that cannot be written. */
function bytesOf(spec: StoreSpec<unknown, unknown>, cell: unknown): Buffer | undefined {
  try {
    return encodedCell(spec, cell);
  } catch {
    return undefined;
  }
}
