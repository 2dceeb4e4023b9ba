/**
 * A list of entries, ascending by key (a time or a string), that may become very long. Most lists
 * are short and keep their entries in columns. A list whose cell was cut into parts has leaves of a
 * few kilobytes, each of which is a part (graph/store-spec.ts); all but the last stay encoded until
 * they are used:
 *
 *      leaves   [ bytes ][ bytes ][ decoded, changed ][ bytes ]      last   keys, columns
 *      order       0        1            1.5              2                   3
 *
 * So the cost of a record depends on the entries that it reads and changes, not on the length of
 * the list. Leaves are ordered by numbers, not by keys, because equal keys may be in several
 * leaves.
 */
import {
  type Entries,
  type EntryKey,
  type EntryLayout,
  firstAfter,
  insertEntry,
  type Leaf,
  never,
  removeEntries,
} from './entry-leaves.ts';
import { Leaves } from './list-leaves.ts';
import { noColumns } from './parted-entries.ts';
import { ScannedEntries } from './scanned-entries.ts';
import { firstAtOrAfter } from './time-columns.ts';

export type { Entries, EntryKey, EntryLayout } from './entry-leaves.ts';
export { changed, kept, removed, type Visit, type Visited } from './scanned-entries.ts';

/** Position of an entry; valid until the list changes. */
export interface Place<K extends EntryKey> extends Entries<K> {
  readonly i: number;
  /** Index of the leaf; the number of leaves for the last one. */
  readonly leaf: number;
}

export class EntryList<K extends EntryKey> extends ScannedEntries<K> {
  /** Creates an empty list whose cell is in parts. */
  static inParts<K extends EntryKey>(layout: EntryLayout<K>): EntryList<K> {
    const list = new EntryList(layout);
    list.parts = new Leaves(layout);
    return list;
  }

  get size(): number {
    return this.keys.length + (this.leaves?.count ?? 0);
  }

  get firstKey(): K | undefined {
    return this.leaves?.list[0]?.first ?? this.keys[0];
  }

  get lastKey(): K | undefined {
    return this.keys.length > 0 || this.leaves === undefined
      ? this.keys[this.keys.length - 1]
      : this.leaves.list.at(-1)?.last;
  }

  /** The key after the first. */
  get secondKey(): K | undefined {
    const leaves = this.leaves;
    const leaf = leaves?.list[0];
    if (leaves === undefined || leaf === undefined) return this.keys[1];
    if (leaf.count > 1) return leaves.open(leaf).keys[1];
    return leaves.list[1]?.first ?? this.keys[0];
  }

  /** The last entry; undefined if there is none. */
  get last(): Place<K> | undefined {
    const leaves = this.leaves;
    if (this.keys.length === 0 && leaves !== undefined) this.refill(leaves);
    const i = this.keys.length - 1;
    return i < 0 ? undefined : this.#place(leaves?.list.length ?? 0, this, i);
  }

  /** The earliest due instant of its entries; +Infinity: none is due. */
  get wake(): number {
    if (this.layout.wake === undefined) return never;
    const leaves = this.leaves;
    const own = this.leastOwnWake();
    return leaves === undefined ? own : Math.min(own, leaves.leastWake);
  }

  /** Adds an entry after those with the same key. @param cells one value per column */
  insert(key: K, ...cells: readonly unknown[]): void {
    const leaves = this.leaves;
    if (leaves !== undefined) {
      if (this.keys.length === 0) this.refill(leaves);
      const first = this.keys[0];
      if (leaves.list.length > 0 && first !== undefined && key < first) {
        leaves.insert(key, cells);
        return;
      }
      if (leaves.lastId < 0) leaves.lastId = leaves.nextId++;
      leaves.lastChanged = true;
    }
    const { keys } = this;
    let at = keys.length;
    if (at > 0 && (keys[at - 1] as K) > key) at = firstAfter(keys, key);
    if (keys.length === 0 && this.columns.length === 0) {
      this.keys = [key];
      this.columns = cells.map((cell) => [cell]);
    } else insertEntry(this, at, key, cells);
    if (this.layout.wake !== undefined && !Number.isNaN(this.ownWake)) {
      this.ownWake = Math.min(this.ownWake, this.layout.wake(this, at));
    }
  }

  /** The first entry of the key; undefined when there is none. */
  find(key: K): Place<K> | undefined {
    const place = this.#atOrAfter(key);
    return place !== undefined && place.keys[place.i] === key ? place : undefined;
  }

  /** The last entry whose key is not after `key`; undefined if all are. */
  atOrBefore(key: K): Place<K> | undefined {
    const leaves = this.leaves;
    const last = firstAfter(this.keys, key);
    if (last > 0) return this.#place(leaves?.list.length ?? 0, this, last - 1);
    const at = leaves === undefined ? -1 : leaves.lastBeginning(key);
    if (leaves === undefined || at < 0) return undefined;
    const entries = leaves.open(leaves.list[at] as Leaf<K>);
    return this.#place(at, entries, firstAfter(entries.keys, key) - 1);
  }

  /** Notes that the entry at this place was changed. */
  change({ leaf }: Place<K>): void {
    const leaves = this.leaves;
    if (leaves === undefined) this.ownWake = Number.NaN;
    else this.leafChanged(leaves, leaf);
  }

  remove({ leaf, i, keys, columns }: Place<K>): void {
    removeEntries({ keys, columns }, i, 1);
    const leaves = this.leaves;
    if (leaves === undefined) {
      this.ownWake = Number.NaN;
      return;
    }
    if (leaf < leaves.list.length) {
      leaves.count--;
      (leaves.list[leaf] as Leaf<K>).count--;
    }
    this.leafChanged(leaves, leaf);
    leaves.dropEmpty(leaf);
  }

  /** Yields all entries, ascending; the list must not change meanwhile. */
  all(): Generator<Place<K>> {
    return this.range(undefined, undefined);
  }

  /**
   * Yields entries with keys in [from, to], ascending; both bounds are optional. The list must not
   * change meanwhile.
   */
  *range(from: K | undefined, to: K | undefined): Generator<Place<K>> {
    const leaves = this.leaves;
    const count = leaves?.list.length ?? 0;
    let at = leaves === undefined || from === undefined ? 0 : leaves.indexFor(from);
    for (; at <= count; at++) {
      const leaf = leaves?.list[at];
      if (leaf !== undefined && to !== undefined && leaf.first > to) return;
      const isOpen = leaf === undefined || leaf.entries !== undefined;
      const entries = leaves === undefined || leaf === undefined ? this : leaves.open(leaf);
      const { keys } = entries;
      let i = from === undefined ? 0 : firstAtOrAfter(keys, from);
      for (; i < keys.length && (to === undefined || (keys[i] as K) <= to); i++) {
        yield this.#place(at, entries, i);
      }
      // It was only read.
      if (isOpen || leaf.bytes === undefined) continue;
      leaf.entries = undefined;
      leaves?.opened.delete(leaf);
    }
  }

  /** All of them in one piece. */
  joined(): Entries<K> {
    if (this.leaves === undefined || this.leaves.list.length === 0) return this;
    const columns: unknown[][] = Array.from({ length: this.layout.width }, () => []);
    const keys: K[] = [];
    for (const { keys: from, columns: cells, i } of this.all()) {
      keys.push(from[i] as K);
      for (const [c, column] of columns.entries()) column.push((cells[c] as unknown[])[i]);
    }
    return { keys, columns };
  }

  /** Removes all entries. */
  clear(): void {
    const leaves = this.leaves;
    if (leaves !== undefined) {
      for (const leaf of leaves.list) leaves.forget(leaf);
      leaves.list.length = 0;
      leaves.lastChanged = leaves.lastId >= 0;
    }
    this.keys = [];
    this.columns = noColumns;
    this.ownWake = never;
  }

  #atOrAfter(key: K): Place<K> | undefined {
    const leaves = this.leaves;
    if (leaves !== undefined) {
      const at = leaves.indexFor(key);
      const leaf = leaves.list[at];
      if (leaf !== undefined) {
        const entries = leaves.open(leaf);
        return this.#place(at, entries, firstAtOrAfter(entries.keys, key));
      }
    }
    const i = firstAtOrAfter(this.keys, key);
    return i === this.keys.length ? undefined : this.#place(leaves?.list.length ?? 0, this, i);
  }

  #place(leaf: number, { keys, columns }: Entries<K>, i: number): Place<K> {
    return { keys, columns, i, leaf };
  }
}
