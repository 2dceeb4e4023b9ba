/**
 * What of a task's committed state is written to its backend, and when. The changelog has every
 * commit, so the backend may lag behind: a cell that changes with each commit is written once an
 * interval, and one that came and went within it not at all.
 *
 *   cut:  the entries that were unsaved when a commit was sealed, with the stores' positions of that commit.
 *         They are written share by share with this commit and those that follow, so that none of them waits
 *         long; the positions come with the last share.
 *   hold: a share as bytes. It is made when a commit is sealed, for the cells are the next cycle's to change
 *         then, and written when the commit is done.
 *
 * In between the backend holds values of commits after its positions. A restart replays the
 * changelog from the positions to its end, and so over all of them.
 */
import { assert, must } from '../base/assert.ts';
import { checksummed } from '../base/checksummed.ts';
import type { BackendWrite, StateBackend } from '../storage/backend.ts';
import type { CacheEntry } from './entry.ts';
import { taskKey } from './key-layout.ts';
import type { PackedCells } from './packed-cells.ts';
import { allSteps, type Steps, stepBytes, stepCells } from './steps.ts';
import { cellWrites, metaWrite, type Store } from './store.ts';
import { storedValue } from './stored-cells.ts';

export interface Saving {
  /**
   * From one cut to the next, ms of the wall clock: so much of the changelog a restart may replay.
   */
  readonly everyMs: number;
  /** So many cells of a cut, at least, are written with a commit; and an eighth of it. */
  readonly leastShare: number;
  /**
   * A restore brings much at once, and the first results after it are waited for: it is saved from
   * so long after the first commit on, ms of the wall clock.
   */
  readonly restoredAfterMs: number;
}

export const defaultSaving: Saving = { everyMs: 5_000, leastShare: 2_000, restoredAfterMs: 1_000 };
const [shares, sharesOfRestored] = [8, 32];
const everything = Number.POSITIVE_INFINITY;
/** Below the id of every commit: what is held of committed cells alone goes with the next. */
const atOnce = 0;

interface StoreEntries {
  readonly store: Store;
  readonly entries: readonly CacheEntry[];
}

interface StoreRows {
  readonly store: Store;
  readonly rows: PackedCells;
}

interface Cut {
  readonly parts: readonly (StoreEntries | StoreRows)[];
  readonly share: number;
  /** It is what a restore has brought. */
  readonly isRestored: boolean;
  /** Undefined until the commit is done that was sealed with it. */
  positions: readonly BackendWrite[] | undefined;
  /**
   * Of what a restore has brought: its bytes that are still unsaved. It may be more than commits
   * may leave behind.
   */
  restoredBytes: number;
  /** Where the next share begins. */
  part: number;
  next: number;
}

interface Hold {
  /** The write waits for this commit. */
  readonly commitId: number;
  readonly number: number;
  readonly writes: BackendWrite[];
  readonly entries: StoreEntries[];
  /** Of which the last row is among the writes. */
  readonly packed: PackedCells[];
  readonly cut: Cut;
  /** No share of the cut is left. */
  readonly last: boolean;
}

export class Saver {
  readonly #backend: StateBackend;
  readonly #stores: ReadonlyMap<string, Store>;
  readonly #bytesMax: () => number;
  readonly #saving: Saving;
  /** The cut that is not held whole yet. */
  #cut: Cut | undefined;
  /** Wall time of the last cut's commit, ms UTC; undefined until that is done. */
  #cutAt: number | undefined = Number.NEGATIVE_INFINITY;
  /** Wall times of the first and the last commit, ms UTC. */
  #since: number | undefined;
  #now = 0;
  /** In the order of their commits. */
  #holds: Hold[] = [];
  #numbered = 0;
  /** Entries of writes that are done, for which no quiet moment has come yet. */
  #written: StoreEntries[] = [];
  /**
   * There was a commit after the last cut. Without one the positions in memory are not the saver's
   * to write.
   */
  #committed = false;
  /** A restore has left cells in memory after the last cut. */
  #restored = false;
  /** A write failed: what it held is missing, so no positions may be written after it. */
  #failed = false;

  /**
   * @param bytesMax of unsaved state: half of it begins a cut before its time, more is saved at
   * once
   */
  constructor(
    backend: StateBackend,
    stores: ReadonlyMap<string, Store>,
    bytesMax: () => number,
    saving: Saving,
  ) {
    this.#backend = backend;
    this.#stores = stores;
    this.#bytesMax = bytesMax;
    this.#saving = saving;
  }

  /** A restore has left cells in memory that the backend does not know. */
  restored(): void {
    this.#restored = true;
  }

  /**
   * Before a seal takes up what changed in memory: what was restored is a cut of its own.
   * @param commitId of the commit before
   */
  precede(commitId: number): void {
    if (!this.#restored) return;
    assert(this.#cut === undefined, 'a task is restored before its first commit');
    const cut = this.#newCut(sharesOfRestored, this.#positions(commitId));
    for (const { state } of this.#stores.values()) cut.restoredBytes += state.unsavedBytes;
    this.#cut = cut;
  }

  /**
   * After a seal: begins a cut when it is time, and holds the next share for the commit.
   * @param sealedId of the commit that has sealed changes last, undefined when all are committed
   * @param commitId of the last commit that is done
   */
  *follow(sealedId: number | undefined, commitId: number): Steps<void> {
    this.#settle();
    let bytes = 0;
    for (const { state } of this.#stores.values()) bytes += state.unsavedBytes;
    bytes -= this.#cut?.restoredBytes ?? 0;
    const bytesMax = this.#bytesMax();
    const tooMany = bytes > bytesMax;
    const id = sealedId ?? atOnce;
    if (tooMany) yield* this.#hold(id, everything);
    if (this.#cut === undefined && (this.#isTime || bytes > bytesMax / 2)) {
      const isCommitted = sealedId === undefined;
      this.#cut = this.#newCut(shares, isCommitted ? this.#positions(commitId) : undefined);
      this.#cutAt = isCommitted ? this.#now : undefined;
    }
    yield* this.#hold(id, tooMany ? everything : this.#share);
  }

  /** The commit is done: what was held for it is written. @param now wall time, ms UTC */
  async committed(commitId: number, now: number): Promise<void> {
    this.#committed = true;
    this.#since ??= now;
    this.#now = now;
    for (const { cut, commitId: id } of this.#holds) {
      if (id > commitId || cut.positions !== undefined) continue;
      cut.positions = this.#positions(commitId);
      this.#cutAt = now;
    }
    await this.#write(commitId);
  }

  /**
   * Brings the backend up to the last commit, or restore. Nothing may be dirty, nor sealed and not
   * committed.
   */
  async saveAll(commitId: number): Promise<void> {
    if (this.#failed) return;
    allSteps(this.#hold(atOnce, everything));
    if (this.#committed || this.#restored) {
      this.#cut = this.#newCut(shares, this.#positions(commitId));
      allSteps(this.#hold(atOnce, everything));
    }
    await this.#write(everything);
    this.#settle();
  }

  /** So many cells of the cut go with this commit. */
  get #share(): number | undefined {
    const { share, isRestored } = this.#cut ?? {};
    if (isRestored !== true) return share;
    // A clock that was set back must not put it off.
    const sinceMs = Math.abs(this.#now - (this.#since ?? this.#now));
    return sinceMs < this.#saving.restoredAfterMs ? 0 : share;
  }

  get #isTime(): boolean {
    // A clock that was set back must not put the next cut off.
    return this.#cutAt !== undefined && Math.abs(this.#now - this.#cutAt) >= this.#saving.everyMs;
  }

  #newCut(inShares: number, positions: Cut['positions']): Cut {
    const isRestored = this.#restored;
    const parts: Cut['parts'][number][] = [];
    let size = 0;
    for (const store of this.#stores.values()) {
      const { packed } = store.state;
      if (isRestored && packed?.isSaved === false) {
        parts.push({ store, rows: packed });
        size += packed.count;
      }
      parts.push({ store, entries: store.state.unsaved });
      size += store.state.unsaved.length;
      store.state.unsaved = [];
    }
    this.#committed = false;
    this.#restored = false;
    const share = Math.max(this.#saving.leastShare, Math.ceil(size / inShares));
    return { parts, share, isRestored, positions, restoredBytes: 0, part: 0, next: 0 };
  }

  /** Where the stores stand, of which something is committed. */
  #positions(commitId: number): readonly BackendWrite[] {
    const positions: BackendWrite[] = [];
    for (const store of this.#stores.values()) {
      if (store.state.position > 0) positions.push(metaWrite(store));
    }
    positions.push({ key: taskKey, value: checksummed(Buffer.from(JSON.stringify({ commitId }))) });
    return positions;
  }

  /** Holds the next share of the cut, when there is one, for a commit. */
  *#hold(commitId: number, share = 0): Steps<void> {
    const cut = this.#cut;
    if (cut === undefined || share === 0) return;
    const number = ++this.#numbered;
    const writes: BackendWrite[] = [];
    const entries: StoreEntries[] = [];
    const packed: PackedCells[] = [];
    for (let left = share; left > 0 && cut.part < cut.parts.length; ) {
      const part = cut.parts[cut.part] as StoreEntries | StoreRows;
      const { store } = part;
      const size = 'rows' in part ? part.rows.count : part.entries.length;
      const end = Math.min(size, cut.next + left);
      if ('rows' in part) {
        for (let row = cut.next; row < end; row++) writes.push(rowWrite(part, row));
        if (end === size) packed.push(part.rows);
      } else {
        const taken = part.entries.slice(cut.next, end);
        const before = store.state.unsavedBytes;
        for (let next = 0; next < taken.length; ) {
          next = holdSome(writes, store, taken, next, number);
          yield;
        }
        cut.restoredBytes -= Math.min(cut.restoredBytes, before - store.state.unsavedBytes);
        entries.push({ store, entries: taken });
      }
      left -= end - cut.next;
      cut.next = end;
      if (end < size) break;
      cut.part++;
      cut.next = 0;
    }
    const last = cut.part === cut.parts.length;
    if (last) this.#cut = undefined;
    this.#holds.push({ commitId, number, writes, entries, packed, cut, last });
  }

  /** Writes what is held for the commits up to one. */
  async #write(commitId: number): Promise<void> {
    const due = this.#holds.filter((hold) => hold.commitId <= commitId);
    this.#holds = this.#holds.slice(due.length);
    for (const { number, writes, entries, packed, cut, last } of due) {
      if (last) writes.push(...must(cut.positions, 'the commit of a cut is done'));
      if (this.#failed) return;
      this.#failed = true;
      await this.#backend.write(writes);
      this.#failed = false;
      for (const { state } of this.#stores.values()) state.writtenTo = number;
      for (const cells of packed) cells.isSaved = true;
      this.#written.push(...entries);
    }
  }

  /** Between the work of two cycles: nobody holds on to an entry. */
  #settle(): void {
    for (const { store, entries } of this.#written) {
      for (const entry of entries) store.state.written(entry);
    }
    this.#written = [];
  }
}

/** The work of a step; answers where the next one begins. */
function holdSome(
  writes: BackendWrite[],
  store: Store,
  entries: readonly CacheEntry[],
  from: number,
  number: number,
): number {
  const end = Math.min(entries.length, from + stepCells);
  let i = from;
  for (let bytes = 0; i < end && bytes < stepBytes; i++) {
    store.state.table.warmAhead(entries, i);
    const entry = entries[i] as CacheEntry;
    holdEntry(writes, store, entry, number);
    bytes += entry.bytes;
  }
  return i;
}

/** The entry's write, as bytes: its cell may change before it is done. */
function holdEntry(writes: BackendWrite[], store: Store, entry: CacheEntry, number: number): void {
  const { state } = store;
  const { keyText, persistedDue, stored } = entry;
  const value = storedValue(writes, state.spec, store.keys, entry);
  state.held(entry, number, value !== undefined);
  if (value !== undefined || stored) {
    cellWrites(writes, store, keyText, value, persistedDue, entry.persistedDue);
  }
}

function rowWrite({ store, rows }: StoreRows, row: number): BackendWrite {
  const cell = rows.cellOf(row);
  return { key: store.keys.cellOf(rows.keys.keyOf(row)), value: cell && checksummed(cell) };
}
