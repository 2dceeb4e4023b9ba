/** Cells of keys that are not in memory, for those who read beside the work of the task. */
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

  /** Cells that no entry in memory has, by store and key. */
  async cellsOf(
    stores: readonly Store[],
    keyIds: readonly string[],
  ): Promise<ReadonlyMap<string, unknown>> {
    const wanted = stores.flatMap((store) => {
      const { state } = store;
      if (state.isWhole) return [];
      return keyIds
        .filter((keyId) => state.table.of(keyId) === undefined && !isPacked(store, keyId))
        .map((keyId) => ({ store, keyId }));
    });
    const found = new Map<string, unknown>(
      wanted.map(({ store, keyId }) => [`${store.state.spec.name} ${keyId}`, undefined]),
    );
    if (wanted.length === 0) return found;
    const values = await this.#backend.getMany(
      wanted.map(({ store, keyId }) => store.keys.cell(keyId)),
    );
    for (const [i, { store, keyId }] of wanted.entries()) {
      const value = values[i];
      if (value === undefined) continue;
      const { state, keys } = store;
      const { cell } = await this.#stored.read(state.spec, keys, keyId, value);
      found.set(`${state.spec.name} ${keyId}`, cell);
    }
    return found;
  }
}

/** Each key is in memory, or was looked for on disk. */
export function isFound(
  stores: readonly Store[],
  keyIds: readonly string[],
  fromDisk: ReadonlyMap<string, unknown>,
): boolean {
  return stores.every((store) => {
    const { state } = store;
    if (state.isWhole) return true;
    return keyIds.every(
      (keyId) =>
        state.table.of(keyId) !== undefined ||
        isPacked(store, keyId) ||
        fromDisk.has(`${state.spec.name} ${keyId}`),
    );
  });
}

function isPacked({ state }: Store, keyId: string): boolean {
  return state.packed?.rowOf(keyId) !== undefined;
}
