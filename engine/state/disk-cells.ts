/** Cells of keys that are not in memory, for reads while the task works. */
import type { StateBackend } from '../storage/backend.ts';
import type { Store } from './store.ts';
import type { StoredCells } from './stored-cells.ts';

export class DiskCells {
  readonly #backend: StateBackend;
  readonly #stored: StoredCells;

  constructor(backend: StateBackend, stored: StoredCells) {
    this.#backend = backend;
    this.#stored = stored;
  }

  /** Returns the cells without an entry in memory, by store and key. */
  async cellsOf(
    stores: readonly Store[],
    keyTexts: readonly string[],
  ): Promise<ReadonlyMap<string, unknown>> {
    const wanted = stores.flatMap((store) => {
      const { state } = store;
      if (state.isWhole) return [];
      return keyTexts
        .filter((keyText) => state.table.of(keyText) === undefined && !isPacked(store, keyText))
        .map((keyText) => ({ store, keyText }));
    });
    const found = new Map<string, unknown>(
      wanted.map(({ store, keyText }) => [`${store.state.spec.name} ${keyText}`, undefined]),
    );
    if (wanted.length === 0) return found;
    const values = await this.#backend.getMany(
      wanted.map(({ store, keyText }) => store.keys.cell(keyText)),
    );
    for (const [i, { store, keyText }] of wanted.entries()) {
      const value = values[i];
      if (value === undefined) continue;
      const { state, keys } = store;
      const { cell } = await this.#stored.read(state.spec, keys, keyText, value);
      found.set(`${state.spec.name} ${keyText}`, cell);
    }
    return found;
  }
}

/** True if each key is in memory or was read from disk. */
export function isFound(
  stores: readonly Store[],
  keyTexts: readonly string[],
  fromDisk: ReadonlyMap<string, unknown>,
): boolean {
  return stores.every((store) => {
    const { state } = store;
    if (state.isWhole) return true;
    return keyTexts.every(
      (keyText) =>
        state.table.of(keyText) !== undefined ||
        isPacked(store, keyText) ||
        fromDisk.has(`${state.spec.name} ${keyText}`),
    );
  });
}

function isPacked({ state }: Store, keyText: string): boolean {
  return state.packed?.rowOf(keyText) !== undefined;
}
