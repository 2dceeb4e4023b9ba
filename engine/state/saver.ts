/**
 * What of a task's committed state is written to its backend, and when. The changelog has every commit, so
 * the backend may lag behind: a cell that changes with each commit is written once an interval, and one
 * that came and went within it not at all.
 *
 *   cut: the entries that were unsaved at one commit, with the stores' positions of that commit. They are
 *        written share by share with the commits that follow, so that none of them waits long; the
 *        positions come with the last share.
 *
 * In between the backend holds values of commits after its positions. A restart replays the changelog from
 * the positions to its end, and so over all of them.
 */
import { assert } from '../base/assert.ts';
import { sealed } from '../base/sealed.ts';
import { encodedCell } from '../graph/store-spec.ts';
import type { BackendWrite, StateBackend } from '../storage/backend.ts';
import { type StoreKeys, taskKey } from './key-layout.ts';
import { type CacheEntry, entryOverheadBytes, type StoreState } from './store-state.ts';

export interface Store {
  readonly state: StoreState;
  readonly keys: StoreKeys;
}

export interface Saving {
  /** From one cut to the next, ms of the wall clock: so much of the changelog a restart may replay. */
  readonly everyMs: number;
  /** So many cells of a cut, at least, are written with a commit; and an eighth of it. */
  readonly leastShare: number;
}

export const defaultSaving: Saving = { everyMs: 5_000, leastShare: 2_000 };
const shares = 8;
/** A restore brings much at once, and the first commits after it are waited for. */
const sharesOfRestored = 32;

interface Cut {
  readonly parts: readonly { readonly store: Store; readonly entries: readonly CacheEntry[] }[];
  readonly positions: readonly BackendWrite[];
  readonly share: number;
  /** Of what a restore has brought: its bytes that are still unsaved. It may be more than commits may leave behind. */
  restoredBytes: number;
  /** Where the next share begins. */
  part: number;
  next: number;
}

export class Saver {
  readonly #backend: StateBackend;
  readonly #stores: ReadonlyMap<string, Store>;
  readonly #bytesMax: number;
  readonly #saving: Saving;
  #cut: Cut | undefined;
  #cutAt = Number.NEGATIVE_INFINITY;
  /** There was a commit after the last cut. Without one the positions in memory are not the saver's to write. */
  #committed = false;
  /** A restore has left cells in memory after the last cut. */
  #restored = false;
  /** A write failed: what it held is missing, so no positions may be written after it. */
  #failed = false;

  /** @param bytesMax of unsaved state: half of it begins a cut before its time, more is saved at once */
  constructor(
    backend: StateBackend,
    stores: ReadonlyMap<string, Store>,
    bytesMax: number,
    saving: Saving,
  ) {
    this.#backend = backend;
    this.#stores = stores;
    this.#bytesMax = bytesMax;
    this.#saving = saving;
  }

  /** After a commit, when nothing is dirty. @param now wall time, ms UTC */
  async follow(commitId: number, now: number): Promise<void> {
    this.#committed = true;
    let bytes = 0;
    for (const { state } of this.#stores.values()) bytes += state.unsavedBytes;
    bytes -= this.#cut?.restoredBytes ?? 0;
    if (bytes > this.#bytesMax) {
      this.#cutAt = now;
      return this.saveAll(commitId);
    }
    // A clock that was set back must not put the next cut off.
    const since = Math.abs(now - this.#cutAt);
    const isTime = since >= this.#saving.everyMs || bytes > this.#bytesMax / 2;
    if (this.#cut === undefined && isTime) {
      this.#cut = this.#newCut(commitId, shares);
      this.#cutAt = now;
    }
    if (this.#cut !== undefined) await this.#write(this.#cut, this.#cut.share);
  }

  /** A restore has left cells in memory that the backend does not know. */
  restored(): void {
    this.#restored = true;
  }

  /**
   * Before a commit changes what is in memory: what was restored is a cut of its own.
   * @param commitId of the commit before
   */
  precede(commitId: number): void {
    if (!this.#restored) return;
    assert(this.#cut === undefined, 'a task is restored before its first commit');
    const cut = this.#newCut(commitId, sharesOfRestored);
    for (const { state } of this.#stores.values()) cut.restoredBytes += state.unsavedBytes;
    this.#cut = cut;
  }

  /** Brings the backend up to the last commit, or restore. Nothing may be dirty. */
  async saveAll(commitId: number): Promise<void> {
    if (this.#failed) return;
    if (this.#cut !== undefined) await this.#write(this.#cut, Number.POSITIVE_INFINITY);
    if (this.#committed || this.#restored) {
      await this.#write(this.#newCut(commitId, shares), Number.POSITIVE_INFINITY);
    }
  }

  #newCut(commitId: number, inShares: number): Cut {
    this.#committed = false;
    this.#restored = false;
    const parts: Cut['parts'][number][] = [];
    const positions: BackendWrite[] = [];
    let size = 0;
    for (const store of this.#stores.values()) {
      parts.push({ store, entries: store.state.unsaved });
      size += store.state.unsaved.length;
      store.state.unsaved = [];
      if (store.state.position > 0) positions.push(metaWrite(store));
    }
    positions.push({ key: taskKey, value: sealed(Buffer.from(JSON.stringify({ commitId }))) });
    const share = Math.max(this.#saving.leastShare, Math.ceil(size / inShares));
    return { parts, positions, share, restoredBytes: 0, part: 0, next: 0 };
  }

  async #write(cut: Cut, share: number): Promise<void> {
    const writes: BackendWrite[] = [];
    for (let left = share; left > 0 && cut.part < cut.parts.length; ) {
      const { store, entries } = cut.parts[cut.part] as Cut['parts'][number];
      const end = Math.min(entries.length, cut.next + left);
      const before = store.state.unsavedBytes;
      for (let i = cut.next; i < end; i++) saveEntry(writes, store, entries[i] as CacheEntry);
      cut.restoredBytes -= Math.min(cut.restoredBytes, before - store.state.unsavedBytes);
      left -= end - cut.next;
      cut.next = end;
      if (end < entries.length) break;
      cut.part++;
      cut.next = 0;
    }
    if (cut.part === cut.parts.length) {
      writes.push(...cut.positions);
      this.#cut = undefined;
    }
    this.#failed = true;
    await this.#backend.write(writes);
    this.#failed = false;
  }
}

function saveEntry(writes: BackendWrite[], store: Store, entry: CacheEntry): void {
  const { state } = store;
  const { keyId } = entry;
  assert(!entry.dirty && entry.loggedBytes >= 0, 'what is saved is committed');
  const due = state.dueOf(entry.cell);
  const bytes = entry.cell === undefined ? null : encodedCell(state.spec, entry.cell);
  if (bytes !== null || entry.stored) {
    cellWrites(writes, store, keyId, bytes, entry.persistedDue, due);
  }
  entry.persistedDue = due;
  entry.stored = bytes !== null;
  entry.loggedBytes = -1;
  entry.unsaved = false;
  state.unsavedBytes -= entry.bytes + entryOverheadBytes;
  if (due > state.index.horizon) state.index.release(keyId);
  state.forgetEmpty(entry);
}

/** A cell, or its end, and its entry in the index of what is due. */
export function cellWrites(
  writes: BackendWrite[],
  { keys }: Store,
  keyId: string,
  value: Uint8Array | null,
  oldDue: number,
  newDue: number,
): void {
  writes.push({ key: keys.cell(keyId), value: value === null ? undefined : sealed(value) });
  if (oldDue === newDue) return;
  if (oldDue !== Number.POSITIVE_INFINITY) {
    writes.push({ key: keys.due(oldDue, keyId), value: undefined });
  }
  if (newDue !== Number.POSITIVE_INFINITY) {
    writes.push({ key: keys.due(newDue, keyId), value: Buffer.alloc(0) });
  }
}

export function metaWrite({ state, keys }: Store): BackendWrite {
  return { key: keys.meta, value: sealed(Buffer.from(JSON.stringify(state.meta))) };
}
