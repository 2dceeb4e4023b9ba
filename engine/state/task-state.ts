/**
 * The state of one task: its stores over one backend.
 *
 * Cycle: `prefetch` loads what a batch can touch, with one read; operators work on cells in memory;
 * `seal` yields what changed; `commit` says that the log has committed it. The next cycle may begin
 * before that, and be sealed as well. The backend follows later (saver.ts): it may lag behind the
 * changelog, as after a crash, and `restore` replays the rest.
 */
import { assert, must } from '../base/assert.ts';
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
import type { StoreNumbers } from './numbers.ts';
import { defaultSaving, Saver, type Saving } from './saver.ts';
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
  /** Budget of the clean cache, in bytes, over all stores, at most. */
  readonly cacheBytes: number;
  /** What it shares with other tasks; default: all of `cacheBytes` is its own. */
  readonly memory?: MemoryBudget;
  readonly saving?: Saving;
}

export interface StoreChanges {
  readonly store: string;
  readonly batch: PackedBatch;
}

/** A cell that its serde refuses. */
export interface CellProblem {
  readonly store: StoreSpec<unknown, unknown>;
  readonly keyText: string;
  readonly problem: string;
}

/** What a seal has taken, until it is committed. */
interface Sealed {
  readonly commitId: number;
  readonly stores: readonly { readonly state: StoreState; readonly numbers: StoreNumbers }[];
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
  /** The same, for the way of each record. */
  #states: readonly StoreState[] = [];
  #tables: readonly KeyTable[] = [];
  readonly #saver: Saver;
  readonly #reader: CellReader;
  readonly #loader: CellLoader;
  readonly #rows: LiveRows;
  readonly #replay: ChangelogReplay;
  /** In the order of their commits. */
  readonly #sealed: Sealed[] = [];
  /** For those who ask while the task works. */
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
      // Shares of a first cut that came to no end: what the changelog has deleted since may be
      // among them.
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

  /** Notes from now on how to take changes back; undefined ends that. */
  set undo(undo: UndoLog | undefined) {
    for (const state of this.#states) state.cells.undo = undo;
  }

  /**
   * A cycle begins.
   * @param keeps whether what it changes is also kept as it was, for those who ask meanwhile
   */
  beginCycle(keeps: boolean): void {
    if (!keeps) return;
    for (const state of this.#states) state.cells.kept ??= new KeptCells();
  }

  /** The first cell of the log's unit that cannot be written. */
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
   * Keys that records looked for since it was asked last, and those of them that the backend was
   * asked for.
   */
  takeLookups(): { readonly keys: number; readonly reads: number } {
    const taken = { keys: this.#located, reads: this.#loader.reads };
    this.#located = 0;
    this.#loader.reads = 0;
    return taken;
  }

  /** What cells take in memory, and the backend. */
  memory(): TaskMemory {
    let [cache, packed] = [0, 0];
    for (const state of this.#states) {
      cache += state.table.bytes;
      packed += state.packed?.byteLength ?? 0;
    }
    return { cache, packed, backend: this.#options.backend.memory() };
  }

  /** Bytes of clean cells, at most. */
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

  /** Where a store stands in its changelog. */
  meta(store: string): StoreMeta {
    return this.#store(store).state.meta;
  }

  /**
   * Finds the keys of records [from, to) in every store, and makes entries of those that nobody
   * need be asked of.
   * @param rows by store and record, to be filled for `enter`; good until the next seal
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

  /** Looks at the cells of records [from, to), which come next. @param rows of `locate` */
  warm(rows: readonly Int32Array[], from: number, to: number): void {
    const states = this.#states;
    for (let s = 0; s < states.length; s++) {
      (states[s] as StoreState).table.warmRows(rows[s] as Int32Array, from, to);
    }
  }

  /**
   * Makes the key of record `i` the current one.
   * @param rows of `locate`; what it wanted is there
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
   * What changed since the last seal, store by store, as changelog records. It belongs to the
   * commit now; what changes from here on belongs to the next. Where something did change, the
   * commit must follow or the task be closed.
   */
  seal(commitId: number): readonly StoreChanges[] {
    return allSteps(this.sealing(commitId));
  }

  /**
   * The same in steps. Between two of them questions are answered, and the log's word about
   * earlier commits may come; the task does nothing else.
   */
  *sealing(commitId: number): Steps<readonly StoreChanges[]> {
    this.#isSealing = true;
    this.#saver.precede(this.#commitId);
    const changes: StoreChanges[] = [];
    const stores: Sealed['stores'][number][] = [];
    const changed: SealedStore[] = [];
    for (const [store, { state }] of this.#stores) {
      if (state.isDirty)
        changed.push({ store, entries: state.cells.dirty, kept: state.cells.kept });
    }
    // Before the first entry is clean: what is sealed is not committed yet.
    this.reads.sealing(commitId, changed);
    for (const [store, { state }] of this.#stores) {
      if (!state.isDirty) continue;
      const { numbers } = state;
      const batch = yield* sealedChanges(state, commitId);
      if (batch !== undefined) changes.push({ store, batch });
      stores.push({ state, numbers });
    }
    if (stores.length > 0) {
      // Not held against the last commit: on a log that keeps no ids they begin anew with each run.
      assert(
        commitId > (this.#sealed.at(-1)?.commitId ?? 0),
        'changes of one commit are sealed at once',
      );
      this.#sealed.push({ commitId, stores });
    }
    for (const state of this.#states) state.cells.kept = undefined;
    this.reads.sealed();
    yield* this.#saver.follow(this.#sealed.length === 0 ? undefined : commitId, this.#commitId);
    const share = this.#cacheBytes / this.#stores.size;
    for (const { state } of this.#stores.values()) state.evict(share);
    this.#isSealing = false;
    return changes;
  }

  /**
   * The log has committed what `seal(commitId)` said. The work of the next cycle may be under way:
   * nothing that it holds on to changes here.
   * @param ends the offset after the last changelog record, by store that changed
   * @param now wall time, ms UTC
   */
  async commit(commitId: number, ends: ReadonlyMap<string, number>, now: number): Promise<void> {
    while ((this.#sealed[0]?.commitId ?? Number.POSITIVE_INFINITY) <= commitId) {
      for (const { state, numbers } of (this.#sealed.shift() as Sealed).stores) {
        const { name } = state.spec;
        const end = must(ends.get(name), `no changelog position for store ${name}`);
        state.committed(commitId, numbers, end, now);
      }
    }
    this.#commitId = commitId;
    this.reads.committed(commitId);
    await this.#saver.committed(commitId, now);
  }

  /**
   * Applies a batch of a store's changelog, in offset order; the batch may repeat what is known.
   * What was empty is filled in memory as far as the cache reaches, and saved with the commits that
   * follow; the rest goes to disk at once.
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

  /** Deletes everything a store holds on disk; it stands at offset 0 then. */
  async reset(storeName: string): Promise<void> {
    const store = this.#store(storeName);
    await deleteStored(this.#options.backend, store);
    store.state.reset();
  }

  /** Committed and pending rows of a store, in key order; all keys, or one. */
  rows(store: string, keyText?: string, limit?: number, newestOnly?: boolean): Promise<StoreRow[]> {
    return this.#rows.rows(this.#store(store), keyText, limit, newestOnly);
  }

  /** What is committed is saved; what is not is forgotten. */
  async close(): Promise<void> {
    this.reads.close();
    try {
      const states = [...this.#stores.values()].map(({ state }) => state);
      const isOpen = this.#isSealing || states.some((state) => state.isDirty);
      // Of what a commit under way has changed the committed values are gone: the changelog has
      // them.
      if (!isOpen && this.#sealed.length === 0) await this.#saver.saveAll(this.#commitId);
    } finally {
      this.#options.memory?.leave(this);
      await this.#options.backend.close();
    }
  }

  /** Closes the backend and saves nothing. */
  async abandon(): Promise<void> {
    this.reads.close();
    this.#options.memory?.leave(this);
    await this.#options.backend.close();
  }

  #store(name: string): Store {
    return must(this.#stores.get(name), () => `task ${this.#options.task} has no store ${name}`);
  }
}
