/**
 * A list of entries, ascending by key (a time, or a text), that may become very long. Most are short: then the entries lie
 * in columns, as they come. A list whose cell was cut into parts has leaves of a few kilobytes, each of which is a part
 * (graph/store-spec.ts); all but the last stay bytes until someone looks into them:
 *
 *      leaves   [ bytes ][ bytes ][ decoded, changed ][ bytes ]      last   keys, columns
 *      order       0        1            1.5              2                   3
 *
 * So a record costs what it looks at and what it changes, however many entries there are. Leaves are ordered by numbers,
 * not by their keys, as equal keys may lie in several.
 */
import { must } from '../engine/base/assert.ts';
import {
  bytesOf,
  type Entries,
  type EntryKey,
  type EntryLayout,
  entriesOf,
  firstAfter,
  insertEntry,
  type Leaf,
  Leaves,
  lastBeginning,
  leafOf,
  moveEntry,
  never,
  removeEntries,
  wakeOf,
} from './entry-leaves.ts';
import { firstAtOrAfter } from './times.ts';

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

const [leafBytesMost, leafBytesSplit] = [8_192, 4_096];
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
    list.#parts = new Leaves();
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
    if (leaf.count > 1) return this.#open(leaves, leaf).keys[1];
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
    if (Number.isNaN(leaves.wake)) {
      leaves.wake = leaves.list.reduce((found, leaf) => Math.min(found, leaf.wake), never);
    }
    return Math.min(this.#wake, leaves.wake);
  }

  /** Adds an entry after those of the same key. @param cells one a column */
  insert(key: K, ...cells: readonly unknown[]): void {
    const leaves = this.#leaves;
    if (leaves !== undefined) {
      if (this.keys.length === 0) this.#refill(leaves);
      const first = this.keys[0];
      if (leaves.list.length > 0 && first !== undefined && key < first) {
        this.#insertBefore(leaves, key, cells);
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
    const at = leaves === undefined ? -1 : lastBeginning(leaves.list, key);
    if (leaves === undefined || at < 0) return undefined;
    const entries = this.#open(leaves, leaves.list[at] as Leaf<K>);
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
    this.#dropEmpty(leaves, leaf);
  }

  /** Visits the entries with keys in [from, to], ascending, until `visit` has seen the last. Both may be left open. */
  scan(from: K | undefined, to: K | undefined, visit: Visit<K>): void {
    const leaves = this.#leaves;
    let at = 0;
    if (leaves !== undefined) {
      const { list } = leaves;
      at = from === undefined ? 0 : this.#leafOf(leaves, from);
      while (at < list.length) {
        const leaf = list[at] as Leaf<K>;
        if (to !== undefined && leaf.first > to) return;
        if (this.#visit(leaves, at, this.#open(leaves, leaf), from, to, visit)) at++;
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
          const entries = this.#open(leaves, leaf);
          if (this.#visit(leaves, at, entries, undefined, undefined, visit)) at++;
        }
      }
    }
    this.#visit(leaves, leaves?.list.length ?? 0, this, undefined, undefined, visit);
  }

  /**
   * Lets go of the first entries, up to key `to`, of which none wants attention: if there are `least` or more of them, or
   * they are all; of the leaves before the last, as soon as all of a leaf may go. So some may be there for longer.
   */
  dropFirst(to: K, least = 1): void {
    const leaves = this.#leaves;
    if (leaves !== undefined) {
      const { list } = leaves;
      let count = 0;
      while (count < list.length) {
        const leaf = list[count] as Leaf<K>;
        if (leaf.last > to || leaf.wake !== never) break;
        this.#forget(leaves, leaf);
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

  /** Entries with keys in [from, to], ascending; both may be left open. The list must not change meanwhile. */
  *range(from: K | undefined, to: K | undefined): Generator<Place<K>> {
    const leaves = this.#leaves;
    const count = leaves?.list.length ?? 0;
    let at = leaves === undefined || from === undefined ? 0 : this.#leafOf(leaves, from);
    for (; at <= count; at++) {
      const leaf = leaves?.list[at];
      if (leaf !== undefined && to !== undefined && leaf.first > to) return;
      const isOpen = leaf === undefined || leaf.entries !== undefined;
      const entries = leaves === undefined || leaf === undefined ? this : this.#open(leaves, leaf);
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
      for (const leaf of leaves.list) this.#forget(leaves, leaf);
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
    this.#parts ??= new Leaves();
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
      if (leaf.bytes === undefined) this.#encode(leaves, leaf);
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
    return leaves === undefined
      ? []
      : [
          ...leaves.list.map(({ id }) => id),
          ...(leaves.lastId < 0 ? [] : [leaves.lastId]),
          ...leaves.gone,
        ];
  }

  /** As of the last `takeChanges`; undefined of a leaf that is gone. */
  partBytes(id: number): Buffer | undefined {
    const leaves = this.#leaves;
    if (leaves === undefined) return undefined;
    return id === leaves.lastId ? leaves.lastBytes : leaves.byId.get(id)?.bytes;
  }

  /** Takes a leaf over, or its end. */
  setPart(id: number, bytes: Buffer | null): void {
    const leaves = must(this.#parts, 'the cell is in parts');
    this.#unsetLast(leaves);
    const known = leaves.byId.get(id);
    if (known !== undefined) {
      leaves.list.splice(leaves.list.indexOf(known), 1);
      this.#forget(leaves, known);
      leaves.gone.delete(id);
    }
    leaves.wake = Number.NaN;
    leaves.nextId = Math.max(leaves.nextId, id + 1);
    if (bytes === null) return;
    const leaf = leafOf(this.layout, id, Buffer.from(bytes));
    leaves.byId.set(id, leaf);
    leaves.count += leaf.count;
    leaves.bytes += bytes.byteLength;
    // Mostly they come in their order.
    const before = leaves.list.at(-1)?.order ?? leaf.order;
    leaves.sorted &&= before <= leaf.order;
    leaves.list.push(leaf);
  }

  /** About as many bytes as it takes. */
  get byteLength(): number {
    const leaves = this.#leaves;
    return leaves === undefined ? 0 : leaves.bytes + (leaves.lastBytes?.byteLength ?? 0);
  }

  get #leaves(): Leaves<K> | undefined {
    const leaves = this.#parts;
    if (leaves === undefined || leaves.sorted) return leaves;
    leaves.list.sort((a, b) => a.order - b.order);
    leaves.sorted = true;
    return leaves;
  }

  /** The last leaf becomes the list's own columns, which are empty. */
  #refill(leaves: Leaves<K>): void {
    const leaf = leaves.list.pop();
    if (leaf === undefined) return;
    const { keys, columns } = this.#open(leaves, leaf);
    if (leaves.lastId >= 0) leaves.gone.add(leaves.lastId);
    this.keys = keys;
    this.columns = columns;
    leaves.lastId = leaf.id;
    leaves.lastOrder = leaf.order;
    leaves.lastBytes = leaf.bytes;
    leaves.lastChanged = leaf.bytes === undefined || leaves.changed.has(leaf);
    this.#wake = Number.NaN;
    this.#forget(leaves, leaf);
    leaves.gone.delete(leaf.id);
  }

  /** The reverse, before leaves are taken over: the order of the last may not be the greatest any more. */
  #unsetLast(leaves: Leaves<K>): void {
    if (leaves.lastId < 0) return;
    const { lastId: id, lastBytes: bytes } = leaves;
    if (bytes !== undefined) {
      const leaf = leafOf(this.layout, id, bytes);
      leaves.byId.set(id, leaf);
      leaves.list.push(leaf);
      leaves.count += leaf.count;
      leaves.bytes += bytes.byteLength;
    }
    this.keys = [];
    this.columns = noColumns;
    this.#wake = never;
    leaves.lastId = -1;
    leaves.lastBytes = undefined;
    leaves.lastChanged = false;
  }

  #open(leaves: Leaves<K>, leaf: Leaf<K>): { keys: K[]; columns: unknown[][] } {
    if (leaf.entries !== undefined) return leaf.entries;
    leaf.entries = entriesOf(this.layout, leaf.bytes as Buffer);
    leaves.opened.add(leaf);
    return leaf.entries;
  }

  /** Index of the first leaf that may hold an entry of `key`, or one after it. */
  #leafOf({ list }: Leaves<K>, key: K): number {
    let [low, high] = [0, list.length];
    while (low < high) {
      const middle = (low + high) >> 1;
      if ((list[middle] as Leaf<K>).last < key) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  #atOrAfter(key: K): Place<K> | undefined {
    const leaves = this.#leaves;
    if (leaves !== undefined) {
      const at = this.#leafOf(leaves, key);
      const leaf = leaves.list[at];
      if (leaf !== undefined) {
        const entries = this.#open(leaves, leaf);
        return this.#place(at, entries, firstAtOrAfter(entries.keys, key));
      }
    }
    const i = firstAtOrAfter(this.keys, key);
    return i === this.keys.length ? undefined : this.#place(leaves?.list.length ?? 0, this, i);
  }

  #place(leaf: number, { keys, columns }: Entries<K>, i: number): Place<K> {
    return { keys, columns, i, leaf };
  }

  #insertBefore(leaves: Leaves<K>, key: K, cells: readonly unknown[]): void {
    // The last leaf that begins at the key or before it, or the first of all.
    const at = Math.max(0, lastBeginning(leaves.list, key));
    const leaf = leaves.list[at] as Leaf<K>;
    const entries = this.#open(leaves, leaf);
    insertEntry(entries, firstAfter(entries.keys, key), key, cells);
    leaf.count++;
    leaves.count++;
    this.#changed(leaves, at);
  }

  /** Entries of a leaf have changed. @param at the number of leaves: the last */
  #changed(leaves: Leaves<K>, at: number): void {
    const leaf = leaves.list[at];
    if (leaf === undefined) {
      leaves.lastChanged = true;
      this.#wake = Number.NaN;
      return;
    }
    leaves.bytes -= leaf.bytes?.byteLength ?? 0;
    leaf.bytes = undefined;
    leaves.changed.add(leaf);
    const { keys } = leaf.entries as { keys: K[] };
    if (keys.length > 0) {
      leaf.first = keys[0] as K;
      leaf.last = keys[keys.length - 1] as K;
    }
    if (this.layout.wake === undefined) return;
    leaf.wake = wakeOf(this.layout, leaf.entries as Entries<K>);
    leaves.wake = Number.NaN;
  }

  /** True when the leaf is gone, as it has no entries. */
  #dropEmpty(leaves: Leaves<K>, at: number): boolean {
    const leaf = leaves.list[at];
    if (leaf === undefined || leaf.count > 0) return false;
    leaves.list.splice(at, 1);
    this.#forget(leaves, leaf);
    return true;
  }

  /** A leaf that is no more in the list. */
  #forget(leaves: Leaves<K>, leaf: Leaf<K>): void {
    leaves.count -= leaf.count;
    leaves.bytes -= leaf.bytes?.byteLength ?? 0;
    leaves.gone.add(leaf.id);
    leaves.wake = Number.NaN;
    leaves.byId.delete(leaf.id);
    leaves.changed.delete(leaf);
    leaves.opened.delete(leaf);
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
    return !this.#dropEmpty(leaves, at);
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

  /** Makes the bytes of a leaf; of one that is too long several leaves. */
  #encode(leaves: Leaves<K>, leaf: Leaf<K>): void {
    const entries = leaf.entries as Entries<K>;
    const ends = this.#cuts(entries);
    let from = 0;
    for (const [n, end] of ends.entries()) {
      const at = leaves.list.indexOf(leaf) + n;
      const order = n === 0 ? leaf.order : this.#orderAfter(leaves, at - 1);
      const id = n === 0 ? leaf.id : leaves.nextId++;
      const made = this.#newLeaf(leaves, id, order, entries, from, end);
      if (n === 0) {
        leaves.count += made.count - leaf.count;
        Object.assign(leaf, made);
      } else {
        leaves.list.splice(at, 0, made);
        leaves.byId.set(id, made);
        leaves.changed.add(made);
        leaves.count += made.count;
      }
      from = end;
    }
    leaves.wake = Number.NaN;
  }

  /** The same of the last. @param ids gets those of its leaves */
  #encodeLast(leaves: Leaves<K>, ids: number[]): void {
    if (leaves.lastId < 0) return;
    ids.push(leaves.lastId);
    if (this.keys.length === 0) {
      leaves.lastBytes = undefined;
      return;
    }
    const ends = this.#cuts(this);
    let from = 0;
    for (const end of ends.slice(0, -1)) {
      const leaf = this.#newLeaf(leaves, leaves.lastId, leaves.lastOrder, this, from, end);
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

  /** Ends of the leaves to make of some entries. */
  #cuts(entries: Entries<K>): number[] {
    const count = entries.keys.length;
    const ends: number[] = [];
    const cut = (from: number, end: number): void => {
      const bytes = bytesOf(this.layout, 0, entries, from, end).byteLength;
      if (bytes <= leafBytesMost || end - from === 1) {
        ends.push(end);
        return;
      }
      const pieces = Math.min(end - from, Math.ceil(bytes / leafBytesSplit));
      for (let n = 0; n < pieces; n++) {
        const [a, b] = [n, n + 1].map((k) => from + Math.floor(((end - from) * k) / pieces));
        cut(a as number, b as number);
      }
    };
    cut(0, count);
    return ends;
  }

  #newLeaf(
    leaves: Leaves<K>,
    id: number,
    order: number,
    entries: Entries<K>,
    from: number,
    end: number,
  ): Leaf<K> {
    const bytes = bytesOf(this.layout, order, entries, from, end);
    leaves.bytes += bytes.byteLength;
    return leafOf(this.layout, id, bytes);
  }

  /** A number between that of leaf `at` and the next. */
  #orderAfter(leaves: Leaves<K>, at: number): number {
    const next = (i: number) => leaves.list[i]?.order ?? leaves.lastOrder;
    const [before, after] = [next(at), next(at + 1)];
    const middle = (before + after) / 2;
    if (middle > before && middle < after) return middle;
    // There is none left: all are numbered anew, with their bytes.
    for (const [i, leaf] of leaves.list.entries()) {
      leaf.order = i;
      if (leaf.bytes !== undefined) leaf.bytes.writeDoubleLE(i, 0);
      leaves.changed.add(leaf);
    }
    leaves.lastOrder = leaves.list.length;
    leaves.lastChanged = true;
    return at + 0.5;
  }
}
