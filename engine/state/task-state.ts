/**
 * The state of one task: its stores over one backend.
 *
 * A cycle: `prefetch` loads the cells that a batch can touch, with one read; operators work on
 * cells in memory; `seal` returns the changes; `commit` acknowledges that the log has committed
 * them. The next cycle may begin before that, and be sealed as well. The backend is written later
 * (saver.ts), so it may lag behind the changelog, as after a crash; `restore` replays the rest.
 */
import { must } from '../base/assert.ts';
import type { Cells, StoreRow, StoreSpec } from '../graph/store-spec.ts';
import type { PackedBatch } from '../record/batch.ts';
import type { StateBackend } from '../storage/backend.ts';
import { CellLoader } from './cell-loader.ts';
import { CellReader } from './cell-reader.ts';
import type { ChangelogMeta } from './changelog.ts';
import { ChangelogReplay, isPackable } from './changelog-replay.ts';
import { sealedChanges } from './changelog-writer.ts';
import { CommittedReads, type SealedStore } from './committed-reads.ts';
import type { CacheEntry } from './entry.ts';
import { KeptCells } from './kept-cells.ts';
import { storeKeys, taskKey } from './key-layout.ts';
import type { KeyColumns, KeyTable } from './key-table.ts';
import { LiveRows } from './live-rows.ts';
import { locateKeys } from './locate-keys.ts';
import type { MemoryBudget, MemoryUser, TaskMemory } from './memory-budget.ts';
import { defaultSaving, Saver, type Saving } from './saver.ts';
import { type SealedChanges, SealedWork } from './sealed-work.ts';
import { allSteps, type Steps } from './steps.ts';
import { deleteStored, type Store } from './store.ts';
import { emptyMeta, type StoreMeta, StoreState } from './store-state.ts';
import { StoredCells } from './stored-cells.ts';
import type { UndoLog } from './undo-log.ts';

export interface TaskStateOptions {
  /** Name of the task, for messages. */
  readonly task: string;
  readonly directory: string;
  readonly specs: readonly StoreSpec<unknown, unknown>[];
  readonly backend: StateBackend;
  /** Maximal budget of the clean cache over all stores, in bytes. */
  readonly cacheBytes: number;
  /** Budget shared with other tasks; default: the task may use all of `cacheBytes`. */
  readonly memory?: MemoryBudget;
  readonly saving?: Saving;
}

export interface StoreChanges {
  readonly store: string;
  readonly batch: PackedBatch;
}

/** A cell that its serde cannot encode. */
export interface CellProblem {
  readonly store: StoreSpec<unknown, unknown>;
  readonly keyText: string;
  readonly problem: string;
}

export class TaskState implements MemoryUser {
  /** The current key; '' when there is none. */
  keyText = '';
  /** See CurrentKey. */
  touches = 0;
  #commitId = 0;
  /** Between two steps of a seal, or in one that failed. */
  #isSealing = false;
  #located = 0;
  readonly #options: TaskStateOptions;
  readonly #stores = new Map<string, Store>();
  /** The same as an array, for the hot path. */
  #states: readonly StoreState[] = [];
  #tables: readonly KeyTable[] = [];
  readonly #saver: Saver;
  readonly #reader: CellReader;
  readonly #loader: CellLoader;
  readonly #rows: LiveRows;
  readonly #replay: ChangelogReplay;
  readonly #sealed = new SealedWork();
  /** Reads of committed state while the task works. */
  readonly reads: CommittedReads;

  private constructor(options: TaskStateOptions) {
    this.#options = options;
    const { task, directory, backend, saving = defaultSaving } = options;
    this.#reader = new CellReader(task, directory);
    const stored = new StoredCells(backend, this.#reader);
    this.#loader = new CellLoader(this.#stores, backend, this.#reader, stored);
    this.#rows = new LiveRows(backend, this.#reader, stored);
    this.#replay = new ChangelogReplay(task, backend, this.#reader, stored);
    this.reads = new CommittedReads(task, this.#stores, backend, this.#reader, stored);
    this.#saver = new Saver(backend, this.#stores, () => this.#cacheBytes / 2, saving);
  }

  static async open(options: TaskStateOptions): Promise<TaskState> {
    const state = new TaskState(options);
    options.memory?.join(state);
    const keys = options.specs.map((spec) => storeKeys(spec.name));
    const values = await options.backend.getMany([taskKey, ...keys.map((key) => key.meta)]);
    const task = values[0];
    if (task !== undefined) {
      state.#commitId = (
        JSON.parse(state.#reader.content(task, 'task').toString()) as ChangelogMeta
      ).commitId;
    }
    for (const [i, spec] of options.specs.entries()) {
      const stored = values[i + 1];
      const meta =
        stored === undefined
          ? emptyMeta
          : {
              ...emptyMeta,
              ...(JSON.parse(state.#reader.content(stored, spec.name).toString()) as StoreMeta),
            };
      const store = {
        state: new StoreState(spec, state, meta),
        keys: must(keys[i], 'a store has its keys'),
      };
      state.#stores.set(spec.name, store);
      const [any] = await options.backend.range({ ...store.keys.content, limit: 1 });
      if (any === undefined) store.state.beginEmpty();
      // Shares of an unfinished first cut: they may contain keys that the changelog has since
      // deleted.
      else if (stored === undefined) await state.reset(spec.name);
    }
    state.#states = [...state.#stores.values()].map((store) => store.state);
    state.#tables = state.#states.map(({ table }) => table.keys);
    return state;
  }

  /** Id of the last commit; 0 before the first. */
  get commitId(): number {
    return this.#commitId;
  }

  /** Sets the undo log for changes; undefined turns undo off. */
  set undo(undo: UndoLog | undefined) {
    for (const state of this.#states) state.cells.undo = undo;
  }

  /**
   * A cycle begins.
   * @param keeps true if changed cells are also kept as they were, for queries during the cycle
   */
  beginCycle(keeps: boolean): void {
    if (!keeps) return;
    for (const state of this.#states) state.cells.kept ??= new KeptCells();
  }

  /** The first cell of the undo log's current unit that cannot be encoded. */
  problemIn(undo: UndoLog): CellProblem | undefined {
    return undo.problem((object) => {
      const entry = object as CacheEntry;
      for (const state of this.#states) {
        if (state.table.at(entry.row) !== entry) continue;
        const problem = state.cells.problemOf(entry);
        if (problem !== undefined) return { store: state.spec, keyText: entry.keyText, problem };
      }
      return undefined;
    });
  }

  /**
   * Number of keys that records used since the last call, and how many of them were read from the
   * backend.
   */
  takeLookups(): { readonly keys: number; readonly reads: number } {
    const taken = { keys: this.#located, reads: this.#loader.reads };
    this.#located = 0;
    this.#loader.reads = 0;
    return taken;
  }

  /** Memory of the cells and of the backend, bytes. */
  memory(): TaskMemory {
    let [cache, packed] = [0, 0];
    for (const state of this.#states) {
      cache += state.table.bytes;
      packed += state.packed?.byteLength ?? 0;
    }
    return { cache, packed, backend: this.#options.backend.memory() };
  }

  /** Maximal bytes of clean cells. */
  get #cacheBytes(): number {
    const { cacheBytes, memory } = this.#options;
    return Math.min(cacheBytes, memory?.limitOf(this) ?? cacheBytes);
  }

  get dirtyBytes(): number {
    let bytes = 0;
    for (const { state } of this.#stores.values()) bytes += state.cells.dirtyBytes;
    return bytes;
  }

  get storeCount(): number {
    return this.#stores.size;
  }

  /** The metadata of a store, with its position in the changelog. */
  meta(store: string): StoreMeta {
    return this.#store(store).state.meta;
  }

  /**
   * Finds the keys of records [from, to) in every store, and creates empty entries for keys known
   * not to be on disk.
   * @param rows by store and record, to be filled for `enter`; valid until the next seal
   * @param wanted gets the keys that must be prefetched, some more than once
   */
  locate(
    keys: KeyColumns,
    from: number,
    to: number,
    rows: readonly Int32Array[],
    wanted: string[],
  ): void {
    this.#located += to - from;
    locateKeys(this.#states, this.#tables, keys, from, to, rows, wanted);
  }

  /** Warms the cells of records [from, to), which come next. @param rows of `locate` */
  warm(rows: readonly Int32Array[], from: number, to: number): void {
    const states = this.#states;
    for (let s = 0; s < states.length; s++) {
      (states[s] as StoreState).table.warmRows(rows[s] as Int32Array, from, to);
    }
  }

  /**
   * Makes the key of record `i` the current one.
   * @param rows of `locate`; the keys it wanted must be loaded
   */
  enter(rows: readonly Int32Array[], i: number): void {
    const states = this.#states;
    const row = (rows[0] as Int32Array)[i] as number;
    this.keyText = row < 0 ? '' : ((states[0] as StoreState).table.at(row) as CacheEntry).keyText;
    if (row < 0) return;
    for (let s = 0; s < states.length; s++) {
      (states[s] as StoreState).cells.enterRow((rows[s] as Int32Array)[i] as number, this.keyText);
    }
  }

  cells<C>(spec: { readonly name: string }): Cells<C> {
    return this.#store(spec.name).state.cells as Cells<C>;
  }

  /** See CellLoader. */
  prefetch(
    keyTexts: readonly string[],
    streamUntil: number,
    idleUntil?: number,
    wallUntil?: number,
  ): Promise<void> {
    return this.#loader.load(keyTexts, streamUntil, idleUntil, wallUntil);
  }

  /**
   * Returns the changes since the last seal, by store, as changelog records, and assigns them to
   * the commit; later changes belong to the next one. If anything changed, the caller must commit
   * or close the task.
   */
  seal(commitId: number): readonly StoreChanges[] {
    return allSteps(this.sealing(commitId));
  }

  /**
   * The same in steps. Between two steps questions are answered, and earlier commits may be
   * acknowledged; the task does nothing else.
   */
  *sealing(commitId: number): Steps<readonly StoreChanges[]> {
    this.#isSealing = true;
    this.#saver.precede(this.#commitId);
    const changes: StoreChanges[] = [];
    const stores: SealedChanges[] = [];
    const changed: SealedStore[] = [];
    for (const [store, { state }] of this.#stores) {
      if (state.isDirty)
        changed.push({ store, entries: state.cells.dirty, kept: state.cells.kept });
    }
    // Must precede the first clean entry: the sealed changes are not committed yet.
    this.reads.sealing(commitId, changed);
    for (const [store, { state }] of this.#stores) {
      if (!state.isDirty) continue;
      const { numbers } = state;
      const batch = yield* sealedChanges(state, commitId);
      if (batch !== undefined) changes.push({ store, batch });
      stores.push({ state, numbers });
    }
    this.#sealed.add(commitId, stores);
    for (const state of this.#states) state.cells.kept = undefined;
    this.reads.sealed();
    yield* this.#saver.follow(this.#sealed.isEmpty ? undefined : commitId, () => this.#commitId);
    const share = this.#cacheBytes / this.#stores.size;
    for (const { state } of this.#stores.values()) state.evict(share);
    this.#isSealing = false;
    return changes;
  }

  /**
   * The log has committed the changes of `seal(commitId)`. The next cycle may be in progress;
   * nothing that it uses changes here.
   * @param ends the offset after the last changelog record, by store that changed
   * @param now wall time, ms UTC
   */
  async commit(commitId: number, ends: ReadonlyMap<string, number>, now: number): Promise<void> {
    this.#sealed.committed(commitId, ends, now);
    this.#commitId = commitId;
    this.reads.committed(commitId);
    await this.#saver.committed(commitId, now);
  }

  /**
   * Applies a batch of a store's changelog, in offset order; the batch may repeat known records. An
   * empty store is filled in memory up to the cache budget, and saved with the following commits;
   * the rest is written to disk at once.
   * @param now wall time, ms UTC
   */
  async restore(storeName: string, batch: PackedBatch, now: number): Promise<void> {
    const store = this.#store(storeName);
    const { state } = store;
    if (!isPackable(state.spec) && !state.complete) {
      await this.#replay.onDisk(store, batch, now);
      return;
    }
    this.#saver.restored();
    this.#replay.inMemory(store, batch, now);
    const bytes = state.unsavedBytes + (state.packed?.byteLength ?? 0);
    if (bytes <= this.#cacheBytes / this.#stores.size) return;
    await this.#saver.saveAll(this.#commitId);
    if (state.spec.resident !== true) state.leaveMemory();
  }

  /** Deletes everything that a store has on disk, and resets its position to offset 0. */
  async reset(storeName: string): Promise<void> {
    const store = this.#store(storeName);
    await deleteStored(this.#options.backend, store);
    store.state.reset();
  }

  /** Committed and pending rows of a store, in key order; all keys, or one. */
  rows(store: string, keyText?: string, limit?: number, newestOnly?: boolean): Promise<StoreRow[]> {
    return this.#rows.rows(this.#store(store), keyText, limit, newestOnly);
  }

  /** Closes the state: saves committed changes, discards others. */
  async close(): Promise<void> {
    this.reads.close();
    try {
      const states = [...this.#stores.values()].map(({ state }) => state);
      const isOpen = this.#isSealing || states.some((state) => state.isDirty);
      // Committed values that a commit in progress has replaced are lost here; the changelog has
      // them.
      if (!isOpen && this.#sealed.isEmpty) await this.#saver.saveAll(this.#commitId);
    } finally {
      this.#options.memory?.leave(this);
      await this.#options.backend.close();
    }
  }

  /** Closes the backend without saving. */
  async abandon(): Promise<void> {
    this.reads.close();
    this.#options.memory?.leave(this);
    await this.#options.backend.close();
  }

  #store(name: string): Store {
    return must(this.#stores.get(name), () => `task ${this.#options.task} has no store ${name}`);
  }
}
