/**
 * Decides which committed cells are written to the backend, and when. The changelog has every
 * commit, so the backend may lag behind: a cell that changes with each commit is written once per
 * interval, and a cell that is created and deleted within the interval is never written.
 *
 *   cut:  the entries that were unsaved when a commit was sealed, with the stores' positions at that commit.
 *          They are written in shares with this commit and the following ones, so that no commit waits
 *          long; the positions are written with the last share.
 *    hold: an encoded share. It is encoded when a commit is sealed, because the next cycle may change the
 *          cells, and written when the commit is done.
 *
 * Until then the backend has values of commits after its positions. That is safe: a restart replays
 * the changelog from the positions to its end, over all of them.
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
   * Interval between cuts, ms of the wall clock. It bounds how much of the changelog a restart
   * replays.
   */
  readonly everyMs: number;
  /**
   * Least number of cells of a cut that are written with a commit; never less than an eighth of the
   * cut.
   */
  readonly leastShare: number;
  /**
   * Restored cells are saved from this time after the first commit on, ms of the wall clock, so
   * that the first results after a restore are not delayed.
   */
  readonly restoredAfterMs: number;
}

export const defaultSaving: Saving = { everyMs: 5_000, leastShare: 2_000, restoredAfterMs: 1_000 };
const [shares, sharesOfRestored] = [8, 32];
const everything = Number.POSITIVE_INFINITY;
/** Less than every commit id: a hold of committed cells only is written with the next commit. */
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
  /** True if the cut has restored cells. */
  readonly isRestored: boolean;
  /** Undefined until the commit that was sealed with the cut is done. */
  positions: readonly BackendWrite[] | undefined;
  /** Unsaved bytes of restored cells; may exceed the limit for commits. */
  restoredBytes: number;
  /** Start of the next share. */
  part: number;
  next: number;
}

interface Hold {
  /** The write waits for this commit. */
  readonly commitId: number;
  readonly number: number;
  readonly writes: BackendWrite[];
  readonly entries: StoreEntries[];
  /** Packed cells whose last row is among the writes. */
  readonly packed: PackedCells[];
  readonly cut: Cut;
  /** True for the last share of the cut. */
  readonly last: boolean;
}

export class Saver {
  readonly #backend: StateBackend;
  readonly #stores: ReadonlyMap<string, Store>;
  readonly #bytesMax: () => number;
  readonly #saving: Saving;
  /** The cut whose last share is not held yet. */
  #cut: Cut | undefined;
  /** Wall time of the last cut's commit, ms UTC; undefined until it is done. */
  #cutAt: number | undefined = Number.NEGATIVE_INFINITY;
  /** Wall times of the first and the last commit, ms UTC. */
  #since: number | undefined;
  #now = 0;
  /** In the order of their commits. */
  #holds: Hold[] = [];
  #numbered = 0;
  /** Entries of completed writes that still have to be settled between two cycles. */
  #written: StoreEntries[] = [];
  /**
   * True if there was a commit after the last cut. Otherwise there are no new positions to write.
   */
  #committed = false;
  /** True if a restore has left cells in memory after the last cut. */
  #restored = false;
  /** True after a failed write: its cells are missing, so no positions may be written any more. */
  #failed = false;

  /**
   * @param bytesMax limit of unsaved state, bytes: half of it starts a cut early; above it
   * everything is saved at once
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

  /** Notes that a restore has left cells in memory that the backend does not have. */
  restored(): void {
    this.#restored = true;
  }

  /**
   * Call before a seal: turns restored cells into a cut of their own.
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
   * Call after a seal: starts a cut when it is time, and holds the next share for the commit.
   * @param sealedId the last sealed commit, undefined if all are committed
   * @param committedId the last commit that is done; another may be done between two steps
   */
  *follow(sealedId: number | undefined, committedId: () => number): Steps<void> {
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
      this.#cut = this.#newCut(shares, isCommitted ? this.#positions(committedId()) : undefined);
      this.#cutAt = isCommitted ? this.#now : undefined;
    }
    yield* this.#hold(id, tooMany ? everything : this.#share);
  }

  /** Call when the commit is done: writes what was held for it. @param now wall time, ms UTC */
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
   * Brings the backend up to the last commit or restore. There must be no dirty or uncommitted
   * entries.
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

  /** Number of the cut's cells to write with this commit. */
  get #share(): number | undefined {
    const { share, isRestored } = this.#cut ?? {};
    if (isRestored !== true) return share;
    // `abs`: a clock that was set back must not delay it.
    const sinceMs = Math.abs(this.#now - (this.#since ?? this.#now));
    return sinceMs < this.#saving.restoredAfterMs ? 0 : share;
  }

  get #isTime(): boolean {
    // `abs`: a clock that was set back must not delay the next cut.
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

  /** The positions of the stores that have commits. */
  #positions(commitId: number): readonly BackendWrite[] {
    const positions: BackendWrite[] = [];
    for (const store of this.#stores.values()) {
      if (store.state.position > 0) positions.push(metaWrite(store));
    }
    positions.push({ key: taskKey, value: checksummed(Buffer.from(JSON.stringify({ commitId }))) });
    return positions;
  }

  /** Holds the next share of the cut, if any, for a commit. */
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

  /** Writes the holds of all commits up to `commitId`. */
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

  /** Settles written entries; called between two cycles, when no step holds an entry. */
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

/** Adds the entry's encoded write; its cell may change before the write is done. */
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
