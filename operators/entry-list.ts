/**
 * A list of entries, ascending by key (a time, or a text), that may become very long. Most are
 * short: then the entries lie in columns, as they come. A list whose cell was cut into parts has
 * leaves of a few kilobytes, each of which is a part (graph/store-spec.ts); all but the last stay
 * bytes until someone looks into them:
 *
 *      leaves   [ bytes ][ bytes ][ decoded, changed ][ bytes ]      last   keys, columns
 *      order       0        1            1.5              2                   3
 *
 * So a record costs what it looks at and what it changes, however many entries there are. Leaves
 * are ordered by numbers, not by their keys, as equal keys may lie in several.
 */
import { must } from '../engine/base/assert.ts';
import {
  bytesOf,
  type Entries,
  type EntryKey,
  type EntryLayout,
  firstAfter,
  insertEntry,
  type Leaf,
  moveEntry,
  never,
  removeEntries,
  wakeOf,
} from './entry-leaves.ts';
import { Leaves } from './list-leaves.ts';
import { firstAtOrAfter } from './time-columns.ts';

export type { Entries, EntryKey, EntryLayout } from './entry-leaves.ts';

/** Where an entry lies; good until the list changes. */
export interface Place<K extends EntryKey> extends Entries<K> {
  readonly i: number;
  /** Of the leaves; their number for the last. */
  readonly leaf: number;
}

/** What became of an entry that was visited. */
export const [kept, changed, removed] = [0, 1, 2] as const;
export type Visited = 0 | 1 | 2;

/** Called for each entry; the columns are the list's own, and may be changed at `i`. */
export type Visit<K extends EntryKey> = (entries: Entries<K>, i: number) => Visited;

const noColumns: unknown[][] = [];

export class EntryList<K extends EntryKey> {
  readonly layout: EntryLayout<K>;
  /** The entries; of a list in parts those of the last leaf. */
  keys: K[] = [];
  columns: unknown[][] = noColumns;
  /** The least of those entries; NaN when it must be looked for. */
  #wake = never;
  #parts: Leaves<K> | undefined = undefined;

  constructor(layout: EntryLayout<K>, entries?: Entries<K>) {
    this.layout = layout;
    if (entries === undefined) return;
    this.keys = entries.keys;
    this.columns = entries.columns as unknown[][];
    this.#wake = Number.NaN;
  }

  /** An empty one whose cell is in parts. */
  static inParts<K extends EntryKey>(layout: EntryLayout<K>): EntryList<K> {
    const list = new EntryList(layout);
    list.#parts = new Leaves(layout);
    return list;
  }

  get size(): number {
    return this.keys.length + (this.#leaves?.count ?? 0);
  }

  get firstKey(): K | undefined {
    return this.#leaves?.list[0]?.first ?? this.keys[0];
  }

  get lastKey(): K | undefined {
    return this.keys.length > 0 || this.#leaves === undefined
      ? this.keys[this.keys.length - 1]
      : this.#leaves.list.at(-1)?.last;
  }

  /** The key after the first. */
  get secondKey(): K | undefined {
    const leaves = this.#leaves;
    const leaf = leaves?.list[0];
    if (leaves === undefined || leaf === undefined) return this.keys[1];
    if (leaf.count > 1) return leaves.open(leaf).keys[1];
    return leaves.list[1]?.first ?? this.keys[0];
  }

  /** The last entry; undefined when there is none. */
  get last(): Place<K> | undefined {
    const leaves = this.#leaves;
    if (this.keys.length === 0 && leaves !== undefined) this.#refill(leaves);
    const i = this.keys.length - 1;
    return i < 0 ? undefined : this.#place(leaves?.list.length ?? 0, this, i);
  }

  /** When the first of its entries wants attention; +Infinity: none ever does. */
  get wake(): number {
    if (this.layout.wake === undefined) return never;
    if (Number.isNaN(this.#wake)) this.#wake = wakeOf(this.layout, this);
    const leaves = this.#leaves;
    if (leaves === undefined) return this.#wake;
    return Math.min(this.#wake, leaves.leastWake);
  }

  /** Adds an entry after those of the same key. @param cells one a column */
  insert(key: K, ...cells: readonly unknown[]): void {
    const leaves = this.#leaves;
    if (leaves !== undefined) {
      if (this.keys.length === 0) this.#refill(leaves);
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
    if (this.layout.wake !== undefined && !Number.isNaN(this.#wake)) {
      this.#wake = Math.min(this.#wake, this.layout.wake(this, at));
    }
  }

  /** The first entry of the key; undefined when there is none. */
  find(key: K): Place<K> | undefined {
    const place = this.#atOrAfter(key);
    return place !== undefined && place.keys[place.i] === key ? place : undefined;
  }

  /** The last entry whose key is not after `key`; undefined when all are. */
  atOrBefore(key: K): Place<K> | undefined {
    const leaves = this.#leaves;
    const last = firstAfter(this.keys, key);
    if (last > 0) return this.#place(leaves?.list.length ?? 0, this, last - 1);
    const at = leaves === undefined ? -1 : leaves.lastBeginning(key);
    if (leaves === undefined || at < 0) return undefined;
    const entries = leaves.open(leaves.list[at] as Leaf<K>);
    return this.#place(at, entries, firstAfter(entries.keys, key) - 1);
  }

  /** The entry of this place was changed. */
  change({ leaf }: Place<K>): void {
    const leaves = this.#leaves;
    if (leaves === undefined) this.#wake = Number.NaN;
    else this.#changed(leaves, leaf);
  }

  remove({ leaf, i, keys, columns }: Place<K>): void {
    removeEntries({ keys, columns }, i, 1);
    const leaves = this.#leaves;
    if (leaves === undefined) {
      this.#wake = Number.NaN;
      return;
    }
    if (leaf < leaves.list.length) {
      leaves.count--;
      (leaves.list[leaf] as Leaf<K>).count--;
    }
    this.#changed(leaves, leaf);
    leaves.dropEmpty(leaf);
  }

  /**
   * Visits the entries with keys in [from, to], ascending, until `visit` has seen the last. Both
   * may be left open.
   */
  scan(from: K | undefined, to: K | undefined, visit: Visit<K>): void {
    const leaves = this.#leaves;
    let at = 0;
    if (leaves !== undefined) {
      const { list } = leaves;
      at = from === undefined ? 0 : leaves.indexFor(from);
      while (at < list.length) {
        const leaf = list[at] as Leaf<K>;
        if (to !== undefined && leaf.first > to) return;
        if (this.#visit(leaves, at, leaves.open(leaf), from, to, visit)) at++;
      }
    }
    this.#visit(leaves, at, this, from, to, visit);
  }

  /** Visits the entries that want attention at `until` or before; others as well. */
  scanWaking(until: number, visit: Visit<K>): void {
    const leaves = this.#leaves;
    if (leaves !== undefined && !(leaves.wake > until)) {
      for (let at = 0; at < leaves.list.length; ) {
        const leaf = leaves.list[at] as Leaf<K>;
        if (leaf.wake > until) at++;
        else {
          const entries = leaves.open(leaf);
          if (this.#visit(leaves, at, entries, undefined, undefined, visit)) at++;
        }
      }
    }
    this.#visit(leaves, leaves?.list.length ?? 0, this, undefined, undefined, visit);
  }

  /**
   * Lets go of the first entries, up to key `to`, of which none wants attention: if there are
   * `least` or more of them, or they are all; of the leaves before the last, as soon as all of a
   * leaf may go. So some may be there for longer.
   */
  dropFirst(to: K, least = 1): void {
    const leaves = this.#leaves;
    if (leaves !== undefined) {
      const { list } = leaves;
      let count = 0;
      while (count < list.length) {
        const leaf = list[count] as Leaf<K>;
        if (leaf.last > to || leaf.wake !== never) break;
        leaves.forget(leaf);
        count++;
      }
      if (count > 0) leaves.list.splice(0, count);
      if (list.length > 0) return;
    }
    const count = this.#droppable(to);
    if (count === 0 || count < Math.min(least, this.keys.length)) return;
    removeEntries(this, 0, count);
    if (leaves !== undefined) leaves.lastChanged = true;
  }

  /** All entries, ascending; the list must not change meanwhile. */
  all(): Generator<Place<K>> {
    return this.range(undefined, undefined);
  }

  /**
   * Entries with keys in [from, to], ascending; both may be left open. The list must not change
   * meanwhile.
   */
  *range(from: K | undefined, to: K | undefined): Generator<Place<K>> {
    const leaves = this.#leaves;
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
      // It was only looked at.
      if (isOpen || leaf.bytes === undefined) continue;
      leaf.entries = undefined;
      leaves?.opened.delete(leaf);
    }
  }

  /** All of them in one piece. */
  joined(): Entries<K> {
    if (this.#leaves === undefined || this.#leaves.list.length === 0) return this;
    const columns: unknown[][] = Array.from({ length: this.layout.width }, () => []);
    const keys: K[] = [];
    for (const { keys: from, columns: cells, i } of this.all()) {
      keys.push(from[i] as K);
      for (const [c, column] of columns.entries()) column.push((cells[c] as unknown[])[i]);
    }
    return { keys, columns };
  }

  /** Lets go of all. */
  clear(): void {
    const leaves = this.#leaves;
    if (leaves !== undefined) {
      for (const leaf of leaves.list) leaves.forget(leaf);
      leaves.list.length = 0;
      leaves.lastChanged = leaves.lastId >= 0;
    }
    this.keys = [];
    this.columns = noColumns;
    this.#wake = never;
  }

  // As parts of a cell; the number of a part is its leaf's id.

  /** From now on it has leaves; the changelog has none of them. */
  cut(): void {
    this.#parts ??= new Leaves(this.layout);
    const leaves = this.#parts;
    if (leaves.lastId < 0 && this.keys.length > 0) leaves.lastId = leaves.nextId++;
    leaves.lastChanged = leaves.lastId >= 0;
    for (const leaf of leaves.list) leaves.changed.add(leaf);
  }

  /** Ids of the leaves that changed; those that are too long are cut, and bytes are made of all. */
  takeChanges(): number[] {
    const leaves = this.#leaves;
    if (leaves === undefined) return [];
    const ids = [...leaves.gone];
    leaves.gone.clear();
    for (const leaf of [...leaves.changed]) {
      if (leaf.bytes === undefined) leaves.encode(leaf);
    }
    for (const { id } of leaves.changed) ids.push(id);
    leaves.changed.clear();
    if (leaves.lastChanged) this.#encodeLast(leaves, ids);
    leaves.lastChanged = false;
    for (const leaf of leaves.opened) leaf.entries = undefined;
    leaves.opened.clear();
    return ids;
  }

  partIds(): number[] {
    const leaves = this.#leaves;
    return leaves === undefined ? [] : leaves.ids;
  }

  /** As of the last `takeChanges`; undefined of a leaf that is gone. */
  partBytes(id: number): Buffer | undefined {
    const leaves = this.#leaves;
    return leaves?.bytesOf(id);
  }

  /** Takes a leaf over, or its end. */
  setPart(id: number, bytes: Buffer | null): void {
    const leaves = must(this.#parts, 'the cell is in parts');
    this.#unsetLast(leaves);
    leaves.set(id, bytes);
  }

  /** About as many bytes as it takes. */
  get byteLength(): number {
    const leaves = this.#leaves;
    return leaves === undefined ? 0 : leaves.bytes + (leaves.lastBytes?.byteLength ?? 0);
  }

  get #leaves(): Leaves<K> | undefined {
    const leaves = this.#parts;
    if (leaves?.sorted === false) leaves.sort();
    return leaves;
  }

  /** The last leaf becomes the list's own columns, which are empty. */
  #refill(leaves: Leaves<K>): void {
    const leaf = leaves.list.pop();
    if (leaf === undefined) return;
    const { keys, columns } = leaves.open(leaf);
    if (leaves.lastId >= 0) leaves.gone.add(leaves.lastId);
    this.keys = keys;
    this.columns = columns;
    leaves.lastId = leaf.id;
    leaves.lastOrder = leaf.order;
    leaves.lastBytes = leaf.bytes;
    leaves.lastChanged = leaf.bytes === undefined || leaves.changed.has(leaf);
    this.#wake = Number.NaN;
    leaves.forget(leaf);
    leaves.gone.delete(leaf.id);
  }

  /**
   * The reverse, before leaves are taken over: the order of the last may not be the greatest any
   * more.
   */
  #unsetLast(leaves: Leaves<K>): void {
    if (leaves.lastId < 0) return;
    const { lastId: id, lastBytes: bytes } = leaves;
    if (bytes !== undefined) leaves.add(id, bytes);
    this.keys = [];
    this.columns = noColumns;
    this.#wake = never;
    leaves.lastId = -1;
    leaves.lastBytes = undefined;
    leaves.lastChanged = false;
  }

  #atOrAfter(key: K): Place<K> | undefined {
    const leaves = this.#leaves;
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

  /** Entries of a leaf have changed. @param at the number of leaves: the last */
  #changed(leaves: Leaves<K>, at: number): void {
    const leaf = leaves.list[at];
    if (leaf !== undefined) leaves.change(leaf);
    else {
      leaves.lastChanged = true;
      this.#wake = Number.NaN;
    }
  }

  #place(leaf: number, { keys, columns }: Entries<K>, i: number): Place<K> {
    return { keys, columns, i, leaf };
  }

  /** False when the leaf is gone, as all of its entries were removed. */
  #visit(
    leaves: Leaves<K> | undefined,
    at: number,
    entries: { keys: K[]; columns: unknown[][] },
    from: K | undefined,
    to: K | undefined,
    visit: Visit<K>,
  ): boolean {
    const { keys } = entries;
    let isChanged = false;
    let gone = 0;
    let i = from === undefined ? 0 : firstAtOrAfter(keys, from);
    for (; i < keys.length; i++) {
      if (to !== undefined && (keys[i] as K) > to) break;
      const outcome = visit(entries, i);
      if (outcome === removed) gone++;
      else if (gone > 0) moveEntry(entries, i, i - gone);
      if (outcome !== kept) isChanged = true;
    }
    if (gone > 0) removeEntries(entries, i - gone, gone);
    if (!isChanged) return true;
    if (leaves === undefined) {
      this.#wake = Number.NaN;
      return true;
    }
    const leaf = leaves.list[at];
    if (leaf !== undefined) {
      leaf.count -= gone;
      leaves.count -= gone;
    }
    this.#changed(leaves, at);
    return !leaves.dropEmpty(at);
  }

  #droppable(to: K): number {
    const { keys } = this;
    const { wake } = this.layout;
    let count = 0;
    while (count < keys.length && (keys[count] as K) <= to) {
      if (wake !== undefined && wake(this, count) !== never) break;
      count++;
    }
    return count;
  }

  /** The same of the last. @param ids gets those of its leaves */
  #encodeLast(leaves: Leaves<K>, ids: number[]): void {
    if (leaves.lastId < 0) return;
    ids.push(leaves.lastId);
    if (this.keys.length === 0) {
      leaves.lastBytes = undefined;
      return;
    }
    const ends = leaves.cuts(this);
    let from = 0;
    for (const end of ends.slice(0, -1)) {
      const leaf = leaves.newLeaf(leaves.lastId, leaves.lastOrder, this, from, end);
      leaves.list.push(leaf);
      leaves.byId.set(leaf.id, leaf);
      leaves.count += leaf.count;
      leaves.wake = Number.NaN;
      leaves.lastId = leaves.nextId++;
      leaves.lastOrder++;
      ids.push(leaves.lastId);
      from = end;
    }
    removeEntries(this, 0, from);
    this.#wake = Number.NaN;
    leaves.lastBytes = bytesOf(this.layout, leaves.lastOrder, this, 0, this.keys.length);
  }
}
