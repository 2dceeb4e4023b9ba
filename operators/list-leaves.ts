/**
 * The leaves of a list in parts (entry-list.ts): all but the last, which is the list's own columns.
 */
import {
  bytesOf,
  type Entries,
  type EntryKey,
  type EntryLayout,
  entriesOf,
  firstAfter,
  insertEntry,
  type Leaf,
  leafOf,
  never,
  wakeOf,
} from './entry-leaves.ts';

const [leafBytesMost, leafBytesSplit] = [8_192, 4_096];

/** The leaves of a list in parts. */
export class Leaves<K extends EntryKey> {
  readonly #layout: EntryLayout<K>;
  /** All but the last, which is the list's own columns. */
  readonly list: Leaf<K>[] = [];
  sorted = true;
  readonly byId = new Map<number, Leaf<K>>();
  readonly changed = new Set<Leaf<K>>();
  /** Leaves with decoded entries. */
  readonly opened = new Set<Leaf<K>>();
  /** Ids of leaves removed since the last `takeChanges`. */
  readonly gone = new Set<number>();
  nextId = 0;
  /** Id of the last leaf; -1: there is none. */
  lastId = -1;
  lastOrder = 0;
  lastBytes: Buffer | undefined;
  lastChanged = false;
  /** Entries in all leaves but the last. */
  count = 0;
  bytes = 0;
  /** Earliest due instant of `list`; NaN if it must be recomputed. */
  wake = never;

  constructor(layout: EntryLayout<K>) {
    this.#layout = layout;
  }

  /** The earliest due instant of their entries; +Infinity: none is due. */
  get leastWake(): number {
    if (Number.isNaN(this.wake)) {
      this.wake = this.list.reduce((found, leaf) => Math.min(found, leaf.wake), never);
    }
    return this.wake;
  }

  /** Ids of all leaves, including the last, and those removed since the last `takeChanges`. */
  get ids(): number[] {
    const last = this.lastId < 0 ? [] : [this.lastId];
    return [...this.list.map(({ id }) => id), ...last, ...this.gone];
  }

  /** Bytes of a leaf as of the last `takeChanges`; undefined for a removed leaf. */
  bytesOf(id: number): Buffer | undefined {
    return id === this.lastId ? this.lastBytes : this.byId.get(id)?.bytes;
  }

  sort(): void {
    this.list.sort((a, b) => a.order - b.order);
    this.sorted = true;
  }

  /** Appends a leaf to the list. */
  add(id: number, bytes: Buffer): Leaf<K> {
    const leaf = leafOf(this.#layout, id, bytes);
    this.byId.set(id, leaf);
    this.list.push(leaf);
    this.count += leaf.count;
    this.bytes += bytes.byteLength;
    return leaf;
  }

  /** Replaces or removes a leaf. */
  set(id: number, bytes: Buffer | null): void {
    const known = this.byId.get(id);
    if (known !== undefined) {
      this.list.splice(this.list.indexOf(known), 1);
      this.forget(known);
      this.gone.delete(id);
    }
    this.wake = Number.NaN;
    this.nextId = Math.max(this.nextId, id + 1);
    if (bytes === null) return;
    const before = this.list.at(-1)?.order;
    const { order } = this.add(id, Buffer.from(bytes));
    // Leaves mostly arrive in order.
    this.sorted &&= before === undefined || before <= order;
  }

  /** Entries of a leaf, decoded on demand. */
  open(leaf: Leaf<K>): { keys: K[]; columns: unknown[][] } {
    if (leaf.entries !== undefined) return leaf.entries;
    leaf.entries = entriesOf(this.#layout, leaf.bytes as Buffer);
    this.opened.add(leaf);
    return leaf.entries;
  }

  /** Index of the first leaf that may have an entry at or after `key`. */
  indexFor(key: K): number {
    const { list } = this;
    let [low, high] = [0, list.length];
    while (low < high) {
      const middle = (low + high) >> 1;
      if ((list[middle] as Leaf<K>).last < key) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  /** Index of the last leaf that begins at or before `key`; -1 if none does. */
  lastBeginning(key: K): number {
    const { list } = this;
    let [low, high] = [0, list.length];
    while (low < high) {
      const middle = (low + high) >> 1;
      if ((list[middle] as Leaf<K>).first <= key) low = middle + 1;
      else high = middle;
    }
    return low - 1;
  }

  /** Adds an entry to the leaf of its key. There must be a leaf. */
  insert(key: K, cells: readonly unknown[]): void {
    // The last leaf that begins at or before the key, or the first one.
    const leaf = this.list[Math.max(0, this.lastBeginning(key))] as Leaf<K>;
    const entries = this.open(leaf);
    insertEntry(entries, firstAfter(entries.keys, key), key, cells);
    leaf.count++;
    this.count++;
    this.change(leaf);
  }

  /** Notes that entries of a leaf have changed. */
  change(leaf: Leaf<K>): void {
    this.bytes -= leaf.bytes?.byteLength ?? 0;
    leaf.bytes = undefined;
    this.changed.add(leaf);
    const { keys } = leaf.entries as { keys: K[] };
    if (keys.length > 0) {
      leaf.first = keys[0] as K;
      leaf.last = keys[keys.length - 1] as K;
    }
    if (this.#layout.wake === undefined) return;
    leaf.wake = wakeOf(this.#layout, leaf.entries as Entries<K>);
    this.wake = Number.NaN;
  }

  /** Removes a leaf without entries; returns true if it did. */
  dropEmpty(at: number): boolean {
    const leaf = this.list[at];
    if (leaf === undefined || leaf.count > 0) return false;
    this.list.splice(at, 1);
    this.forget(leaf);
    return true;
  }

  /** Forgets a leaf that is no longer in the list. */
  forget(leaf: Leaf<K>): void {
    this.count -= leaf.count;
    this.bytes -= leaf.bytes?.byteLength ?? 0;
    this.gone.add(leaf.id);
    this.wake = Number.NaN;
    this.byId.delete(leaf.id);
    this.changed.delete(leaf);
    this.opened.delete(leaf);
  }

  /** Encodes a leaf, or several if it is too long. */
  encode(leaf: Leaf<K>): void {
    const entries = leaf.entries as Entries<K>;
    const ends = this.cuts(entries);
    let from = 0;
    for (const [n, end] of ends.entries()) {
      const at = this.list.indexOf(leaf) + n;
      const order = n === 0 ? leaf.order : this.#orderAfter(at - 1);
      const id = n === 0 ? leaf.id : this.nextId++;
      const made = this.newLeaf(id, order, entries, from, end);
      if (n === 0) {
        this.count += made.count - leaf.count;
        Object.assign(leaf, made);
      } else {
        this.list.splice(at, 0, made);
        this.byId.set(id, made);
        this.changed.add(made);
        this.count += made.count;
      }
      from = end;
    }
    this.wake = Number.NaN;
  }

  /** Where to split some entries into leaves. */
  cuts(entries: Entries<K>): number[] {
    const count = entries.keys.length;
    const ends: number[] = [];
    const cut = (from: number, end: number): void => {
      const bytes = bytesOf(this.#layout, 0, entries, from, end).byteLength;
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

  newLeaf(id: number, order: number, entries: Entries<K>, from: number, end: number): Leaf<K> {
    const bytes = bytesOf(this.#layout, order, entries, from, end);
    this.bytes += bytes.byteLength;
    return leafOf(this.#layout, id, bytes);
  }

  /** A number between that of leaf `at` and the next. */
  #orderAfter(at: number): number {
    const next = (i: number) => this.list[i]?.order ?? this.lastOrder;
    const [before, after] = [next(at), next(at + 1)];
    const middle = (before + after) / 2;
    if (middle > before && middle < after) return middle;
    // No number is left in between: renumber all leaves, and their bytes.
    for (const [i, leaf] of this.list.entries()) {
      leaf.order = i;
      if (leaf.bytes !== undefined) leaf.bytes.writeDoubleLE(i, 0);
      this.changed.add(leaf);
    }
    this.lastOrder = this.list.length;
    this.lastChanged = true;
    return at + 0.5;
  }
}
