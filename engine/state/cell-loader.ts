/**
 * Loads cells of a task into memory: those that the next records need, and those that become due.
 */
import { streamTimeNumber } from '../graph/store-spec.ts';
import type { BackendEntry, StateBackend } from '../storage/backend.ts';
import type { CellReader } from './cell-reader.ts';
import type { CacheEntry } from './entry.ts';
import type { PackedCells } from './packed-cells.ts';
import type { Store } from './store.ts';
import type { StoredCells } from './stored-cells.ts';

export class CellLoader {
  /** Keys read from the backend since the counter was last reset. */
  reads = 0;
  readonly #stores: ReadonlyMap<string, Store>;
  readonly #backend: StateBackend;
  readonly #reader: CellReader;
  readonly #stored: StoredCells;

  constructor(
    stores: ReadonlyMap<string, Store>,
    backend: StateBackend,
    reader: CellReader,
    stored: StoredCells,
  ) {
    this.#stores = stores;
    this.#backend = backend;
    this.#reader = reader;
    this.#stored = stored;
  }

  /**
   * Loads the cells of `keyTexts` in every store, and of the keys that become due, with one read of
   * the backend. Due means: up to `streamUntil`, or the store's own stream time, in stores on the
   * stream's clock; up to `idleUntil` in all stores except those on the wall clock; up to
   * `wallUntil` in stores on the wall clock; every key in stores of ticks, if `wallUntil` is given.
   */
  async load(
    keyTexts: readonly string[],
    streamUntil: number,
    idleUntil = Number.NEGATIVE_INFINITY,
    wallUntil = Number.NEGATIVE_INFINITY,
  ): Promise<void> {
    const dueIds: string[] = [];
    // Most due keys are in memory.
    const { size } = this.#stores;
    const note = (keyText: string, owner: CacheEntry | undefined) => {
      const there = size === 1 && owner !== undefined;
      if (!there && !this.#has(keyText)) dueIds.push(keyText);
    };
    // A step may forward a due key to later stores, so a key that is due in one store is loaded in
    // all.
    for (const store of this.#stores.values()) {
      if (store.state.spec.resident === true) await this.#loadResident(store);
      if (store.state.spec.due === undefined) continue;
      const { clock = 'stream' } = store.state.spec;
      const untilOf = {
        stream: Math.max(
          streamUntil,
          idleUntil,
          store.state.cells.number(streamTimeNumber) ?? idleUntil,
        ),
        key: idleUntil,
        wall: wallUntil,
        tick: Number.isFinite(wallUntil) ? Number.POSITIVE_INFINITY : wallUntil,
      };
      const until = untilOf[clock];
      await this.#loadDue(store, until);
      store.state.index.eachDue(until, note);
    }
    const wanted: { store: Store; keyText: string }[] = [];
    for (const store of this.#stores.values()) {
      for (const keyText of this.#loadFromMemory(store, keyTexts, dueIds))
        wanted.push({ store, keyText });
    }
    if (wanted.length === 0) return;
    this.reads += wanted.length;
    const values = await this.#backend.getMany(
      wanted.map(({ store, keyText }) => store.keys.cell(keyText)),
    );
    const inParts: Promise<void>[] = [];
    wanted.forEach(({ store, keyText }, i) => {
      const value = values[i];
      const whole = value && this.#stored.whole(store.state.spec, value);
      if (value === undefined) store.state.load(keyText, undefined, 0);
      else if (whole === undefined) inParts.push(this.#loadStored(store, keyText, value));
      else store.state.load(keyText, whole.cell, whole.bytes);
    });
    if (inParts.length > 0) await Promise.all(inParts);
  }

  /** Loads the value that the backend has for a key. */
  async #loadStored({ state, keys }: Store, keyText: string, value: Buffer): Promise<void> {
    const { cell, bytes, inParts } = await this.#stored.read(state.spec, keys, keyText, value);
    state.load(keyText, cell, bytes, inParts);
  }

  /** Returns the keys that must be read from the backend, each once. */
  #loadFromMemory(store: Store, ...lists: readonly (readonly string[])[]): ReadonlySet<string> {
    const { state } = store;
    const wanted = new Set<string>();
    for (const keyTexts of lists) {
      for (const keyText of keyTexts) {
        if (state.table.of(keyText) !== undefined) continue;
        if (state.packed !== undefined && this.#unpack(store, state.packed, keyText)) continue;
        if (state.complete) state.load(keyText, undefined, 0);
        else wanted.add(keyText);
      }
    }
    return wanted;
  }

  /** The key's cells are in memory, in every store. */
  #has(keyText: string): boolean {
    for (const { state } of this.#stores.values()) {
      if (state.table.of(keyText) === undefined) return false;
    }
    return true;
  }

  /** Turns the packed cell of a key into an entry. Returns false if there is none. */
  #unpack(store: Store, packed: PackedCells, keyText: string): boolean {
    const row = packed.rowOf(keyText);
    if (row === undefined) return false;
    const cell = this.#reader.packed(store.state.spec, packed, row);
    store.state.load(keyText, cell, packed.cellOf(row)?.byteLength ?? 0);
    packed.take(row);
    return true;
  }

  async #loadResident(store: Store): Promise<void> {
    const { state, keys } = store;
    if (state.residentLoaded) return;
    for (const [key, value] of await cellRange(this.#backend, store)) {
      const keyText = keys.keyTextOfCell(key);
      if (state.table.of(keyText) === undefined) await this.#loadStored(store, keyText, value);
    }
    await this.#loadDue(store, Number.POSITIVE_INFINITY);
    state.residentLoaded = true;
  }

  async #loadDue(store: Store, until: number): Promise<void> {
    const { state, keys } = store;
    const { index } = state;
    index.asked = Math.max(index.asked, until);
    if (until <= index.horizon) return;
    const entries = await this.#backend.range({
      from:
        index.horizon === Number.NEGATIVE_INFINITY
          ? keys.dueFrom(0)
          : keys.dueFrom(index.horizon + 1),
      to: until === Number.POSITIVE_INFINITY ? keys.dueEnd : keys.dueFrom(until + 1),
    });
    for (const [key] of entries) {
      const { due, keyText } = keys.entryOfDue(key);
      // A changed cell is already indexed in memory; the entry on disk is older.
      const known = state.table.of(keyText);
      if (known === undefined) index.setStored(keyText, due);
      else if (state.isSaved(known)) index.set(known, due);
    }
    index.horizon = until;
  }
}

/** All cells of a store that are on disk, in key order. */
export function cellRange(backend: StateBackend, { keys }: Store): Promise<BackendEntry[]> {
  const from = keys.cells;
  return backend.range({ from, to: keys.dueFrom(0).subarray(0, from.byteLength) });
}
