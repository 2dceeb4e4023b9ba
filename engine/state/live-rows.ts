/**
 * Rows of a task's stores, including uncommitted ones, for reads between two cycles.
 */
import type { StoreRow } from '../graph/store-spec.ts';
import { decodeKeyText } from '../serde/serde.ts';
import type { StateBackend } from '../storage/backend.ts';
import { cellRange } from './cell-loader.ts';
import type { CellReader } from './cell-reader.ts';
import type { Store } from './store.ts';
import type { StoredCells } from './stored-cells.ts';

export class LiveRows {
  readonly #backend: StateBackend;
  readonly #reader: CellReader;
  readonly #stored: StoredCells;

  constructor(backend: StateBackend, reader: CellReader, stored: StoredCells) {
    this.#backend = backend;
    this.#reader = reader;
    this.#stored = stored;
  }

  /** Committed and pending rows of a store, in key order; all keys, or one. */
  async rows(
    store: Store,
    keyText?: string,
    limit = Number.POSITIVE_INFINITY,
    newestOnly = false,
  ): Promise<StoreRow[]> {
    const cells = new Map<string, unknown>();
    const { packed } = store.state;
    if (keyText === undefined) {
      const stored = await cellRange(this.#backend, store);
      for (const [key, value] of stored) {
        const id = store.keys.keyTextOfCell(key);
        cells.set(id, await this.#storedCell(store, id, value));
      }
      for (let row = 0; packed?.isSaved === false && row < packed.count; row++) {
        const id = packed.keys.keyTextOf(row);
        cells.set(id, this.#reader.packed(store.state.spec, packed, row));
      }
      for (const entry of store.state.table) {
        if (!store.state.isSaved(entry)) cells.set(entry.keyText, entry.cell);
      }
    } else {
      cells.set(keyText, await this.#cellNow(store, keyText));
    }
    const rows: StoreRow[] = [];
    for (const id of [...cells.keys()].sort()) {
      const cell = cells.get(id);
      if (cell === undefined) continue;
      const key = decodeKeyText(store.state.spec.key, id);
      const { spec } = store.state;
      const shown =
        newestOnly && spec.newestRows !== undefined
          ? spec.newestRows(cell, key)
          : spec.rows(cell, key);
      for (const row of shown) rows.push(row);
      if (rows.length >= limit) break;
    }
    return rows;
  }

  async #cellNow(store: Store, keyText: string): Promise<unknown> {
    const { packed } = store.state;
    const cached = store.state.table.of(keyText);
    if (cached !== undefined) return cached.cell;
    const row = packed?.rowOf(keyText);
    if (packed !== undefined && row !== undefined) {
      return this.#reader.packed(store.state.spec, packed, row);
    }
    const [stored] = await this.#backend.getMany([store.keys.cell(keyText)]);
    return stored && this.#storedCell(store, keyText, stored);
  }

  /** Decodes the cell of a backend value. */
  async #storedCell({ state, keys }: Store, keyText: string, value: Buffer): Promise<unknown> {
    return (await this.#stored.read(state.spec, keys, keyText, value)).cell;
  }
}
