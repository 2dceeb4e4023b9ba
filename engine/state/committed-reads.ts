/**
 * Reads committed state while the task works. If no commit in progress has changed a key, the read
 * returns at once. Otherwise it waits: its cell is captured when the change is sealed, as the
 * commit will have it, and returned when the log has that commit. So a reader never sees a value
 * that a crash could undo, the task keeps nothing prepared for readers, and a key that changes all
 * the time can still be read, after one cycle and its commit.
 */
import { must } from '../base/assert.ts';
import { MillraceError } from '../base/errors.ts';
import { systemScheduler } from '../base/scheduler.ts';
import type { StateBackend } from '../storage/backend.ts';
import type { CellReader } from './cell-reader.ts';
import { DiskCells, isFound } from './disk-cells.ts';
import type { CacheEntry } from './entry.ts';
import type { KeptCells } from './kept-cells.ts';
import { LeastKeys } from './least-keys.ts';
import type { Store } from './store.ts';
import type { StoreState } from './store-state.ts';
import type { StoredCells } from './stored-cells.ts';

/** Keys in the order of their bytes, as key texts. */
export interface KeyRange {
  /** First key, inclusive. */
  readonly from?: string | undefined;
  /** End, exclusive. */
  readonly to?: string | undefined;
  /** Only keys after this one. */
  readonly after?: string | undefined;
}

export interface KeysFound {
  readonly keyTexts: readonly string[];
  /** True if there may be keys after the last one. */
  readonly more: boolean;
}

/** The cell of a key in a store; undefined when it has none. */
export type CellOf = (store: string, keyText: string) => unknown;

/** The entries of a store that a seal has captured. */
export interface SealedStore {
  readonly store: string;
  readonly entries: readonly CacheEntry[];
  /** Its cells before the cycle, if they were kept. */
  readonly kept: KeptCells | undefined;
}

/** Until it is committed. */
interface SealedEntries {
  readonly commitId: number;
  readonly kept: ReadonlyMap<string, KeptCells>;
  readonly entries: ReadonlySet<CacheEntry>;
}

/**
 * Where the committed cell of a key is: in the kept cells, or, if undefined, in the current cell.
 */
interface Committed {
  readonly kept: KeptCells | undefined;
}

interface AtSeal {
  /** Captures the cells; the result then waits for the commit. */
  show(): void;
  reject(error: unknown): void;
}

interface AtCommit {
  readonly commitId: number;
  tell(): void;
  reject(error: unknown): void;
}

/** Keys scanned in memory before other work gets a turn. */
const keysPerSlice = 32_768;

export class CommittedReads {
  readonly #task: string;
  readonly #stores: ReadonlyMap<string, Store>;
  readonly #backend: StateBackend;
  readonly #reader: CellReader;
  readonly #disk: DiskCells;
  /** In the order of the commits. */
  readonly #sealed: SealedEntries[] = [];
  #atSeal: AtSeal[] = [];
  #atCommit: AtCommit[] = [];
  #isClosed = false;

  constructor(
    task: string,
    stores: ReadonlyMap<string, Store>,
    backend: StateBackend,
    reader: CellReader,
    stored: StoredCells,
  ) {
    this.#task = task;
    this.#stores = stores;
    this.#backend = backend;
    this.#reader = reader;
    this.#disk = new DiskCells(backend, stored);
  }

  /**
   * Returns the result of `show` for the committed cells of some keys. `show` is called once when
   * the cells are available; it must return at once and must not keep a cell, because cells are
   * changed in place later.
   * @param logged the last commit known to be in the log, although the task may not have its
   * acknowledgement yet
   * @throws STATE_MOVED when the task is closed meanwhile
   */
  async read<T>(
    stores: readonly string[],
    keyTexts: readonly string[],
    show: (cellOf: CellOf) => T,
    logged = 0,
  ): Promise<T> {
    const used = stores.map((name) => this.#stores.get(name) as Store);
    for (;;) {
      this.#checkOpen();
      // The disk has the committed cell of each key that is not in memory now, even if it changes
      // meanwhile.
      const fromDisk = await this.#disk.cellsOf(used, keyTexts);
      this.#checkOpen();
      // A cell that was in memory may have been saved and evicted meanwhile: it is on disk now.
      if (!isFound(used, keyTexts, fromDisk)) continue;
      const underWay = this.#sealed.filter(({ commitId }) => commitId > logged);
      if (this.#knowsAll(used, keyTexts, underWay)) {
        return show((name, keyText) => this.#committedCell(name, keyText, fromDisk, underWay));
      }
      const cellOf: CellOf = (name, keyText) => this.#cell(name, keyText, fromDisk);
      if (this.#isDirty(used, keyTexts)) {
        return new Promise((resolve, reject) => {
          const shown = () => {
            // Capture before anything of this seal can be evicted.
            const value = show(cellOf);
            this.#wait(this.#sealed.at(-1)?.commitId ?? 0, () => resolve(value), reject);
          };
          this.#atSeal.push({ show: guarded(shown, reject), reject });
        });
      }
      const commitId = must(this.#sealedIn(used, keyTexts), 'a commit under way has changed a key');
      const value = show(cellOf);
      return new Promise((resolve, reject) => {
        this.#wait(commitId, () => resolve(value), reject);
      });
    }
  }

  /** Returns the keys of a store in a range, in order; some may have no cell. */
  async keysIn(store: string, range: KeyRange, limit: number): Promise<KeysFound> {
    const { state, keys } = this.#stores.get(store) as Store;
    this.#checkOpen();
    const isIn = (keyText: string) =>
      (range.after === undefined || keyText > range.after) &&
      (range.from === undefined || keyText >= range.from) &&
      (range.to === undefined || keyText < range.to);
    const least = new LeastKeys(limit + 1);
    // Memory first: a key that leaves it later is on disk by then.
    for (let row = 0; row < state.table.keys.rowsEnd; row++) {
      if (row % keysPerSlice === keysPerSlice - 1) await systemScheduler.yieldNow();
      const entry = state.table.at(row);
      if (entry !== undefined && isIn(entry.keyText)) least.add(entry.keyText);
    }
    const { packed } = state;
    if (packed?.isSaved === false) {
      for (let row = 0; row < packed.count; row++) {
        if (row % keysPerSlice === keysPerSlice - 1) await systemScheduler.yieldNow();
        const keyText = packed.keys.keyTextOf(row);
        if (isIn(keyText)) least.add(keyText);
      }
    }
    this.#checkOpen();
    if (!state.isWhole) {
      const first = largest(range.from ?? '', range.after ?? '');
      const from = keys.cell(first);
      const to = range.to === undefined ? keys.dueFrom(0) : keys.cell(range.to);
      const end = range.to === undefined ? to.subarray(0, keys.cells.byteLength) : to;
      // One more, for the key after which the range continues.
      const options = { from, to: end, limit: limit + 2 };
      if (Buffer.compare(from, end) < 0) {
        for (const [key] of await this.#backend.range(options)) {
          const keyText = keys.keyTextOfCell(key);
          if (isIn(keyText)) least.add(keyText);
        }
      }
      this.#checkOpen();
    }
    const found = least.sorted();
    return { keyTexts: found.slice(0, limit), more: found.length > limit };
  }

  /** Entries are about to be sealed for a commit, one after another. */
  sealing(commitId: number, changed: readonly SealedStore[]): void {
    if (changed.every(({ entries }) => entries.length === 0)) return;
    let known: ReadonlySet<CacheEntry> | undefined;
    const kept = changed.flatMap(({ store, kept }) =>
      kept === undefined ? [] : [[store, kept] as const],
    );
    this.#sealed.push({
      commitId,
      kept: new Map(kept),
      // Lazy: there may be no reader.
      get entries() {
        known ??= new Set(changed.flatMap(({ entries }) => entries));
        return known;
      },
    });
  }

  /** They are sealed; nothing has been evicted since. */
  sealed(): void {
    if (this.#atSeal.length === 0) return;
    const waiting = this.#atSeal;
    this.#atSeal = [];
    for (const one of waiting) one.show();
  }

  /** The log has committed up to this commit. */
  committed(commitId: number): void {
    while ((this.#sealed[0]?.commitId ?? Number.POSITIVE_INFINITY) <= commitId) {
      this.#sealed.shift();
    }
    if (this.#atCommit.length === 0) return;
    const told = this.#atCommit.filter((one) => one.commitId <= commitId);
    this.#atCommit = this.#atCommit.filter((one) => one.commitId > commitId);
    for (const one of told) one.tell();
  }

  /** The task closes; uncommitted changes are lost. */
  close(): void {
    this.#isClosed = true;
    const waiting = [...this.#atSeal, ...this.#atCommit];
    this.#atSeal = [];
    this.#atCommit = [];
    for (const one of waiting) one.reject(this.#moved());
  }

  #wait(commitId: number, tell: () => void, reject: (error: unknown) => void): void {
    // Sealed without a change to commit.
    if (this.#sealed.every((one) => one.commitId > commitId)) tell();
    else this.#atCommit.push({ commitId, tell, reject });
  }

  #cell(name: string, keyText: string, fromDisk: ReadonlyMap<string, unknown>): unknown {
    const { state } = this.#stores.get(name) as Store;
    const entry = state.table.of(keyText);
    if (entry !== undefined) return entry.cell;
    const { packed } = state;
    const row = packed?.rowOf(keyText);
    if (packed !== undefined && row !== undefined) {
      return this.#reader.packed(state.spec, packed, row);
    }
    return fromDisk.get(`${name} ${keyText}`);
  }

  /** True if the committed cell of each key is available. */
  #knowsAll(
    stores: readonly Store[],
    keyTexts: readonly string[],
    underWay: readonly SealedEntries[],
  ): boolean {
    return stores.every(({ state }) =>
      keyTexts.every((keyText) => {
        const entry = state.table.of(keyText);
        return entry === undefined || committedIn(state, entry, underWay) !== undefined;
      }),
    );
  }

  #committedCell(
    name: string,
    keyText: string,
    fromDisk: ReadonlyMap<string, unknown>,
    underWay: readonly SealedEntries[],
  ): unknown {
    const { state } = this.#stores.get(name) as Store;
    const entry = state.table.of(keyText);
    const kept = entry && committedIn(state, entry, underWay)?.kept;
    if (entry === undefined || kept === undefined) return this.#cell(name, keyText, fromDisk);
    return this.#reader.guard(name, () => kept.cellOf(state.spec, entry));
  }

  #isDirty(stores: readonly Store[], keyTexts: readonly string[]): boolean {
    return stores.some(
      ({ state }) =>
        state.cells.dirty.length > 0 &&
        keyTexts.some((keyText) => state.table.of(keyText)?.dirty === true),
    );
  }

  /** Id of the last commit in progress that changed one of the keys. */
  #sealedIn(stores: readonly Store[], keyTexts: readonly string[]): number | undefined {
    if (this.#sealed.length === 0) return undefined;
    const entries = stores.flatMap(({ state }) =>
      keyTexts.flatMap((keyText) => state.table.of(keyText) ?? []),
    );
    return this.#sealed.findLast((sealed) => entries.some((one) => sealed.entries.has(one)))
      ?.commitId;
  }

  #checkOpen(): void {
    if (this.#isClosed) throw this.#moved();
  }

  #moved(): MillraceError {
    return new MillraceError('STATE_MOVED', { task: this.#task });
  }
}

function largest(a: string, b: string): string {
  return a > b ? a : b;
}

/**
 * Undefined if the committed cell is no longer known.
 * @param underWay in the order of the commits
 */
function committedIn(
  state: StoreState,
  entry: CacheEntry,
  underWay: readonly SealedEntries[],
): Committed | undefined {
  for (const one of underWay) {
    const kept = one.kept.get(state.spec.name);
    if (kept?.has(entry) === true) return { kept };
    if (kept?.isWhole !== true && one.entries.has(entry)) return undefined;
  }
  if (state.cells.kept?.has(entry) === true) return { kept: state.cells.kept };
  return entry.dirty ? undefined : { kept: undefined };
}

/** An error of a reader rejects the read; it does not fail the task. */
function guarded(work: () => void, reject: (error: unknown) => void): () => void {
  return () => {
    try {
      work();
    } catch (error) {
      reject(error);
    }
  };
}
