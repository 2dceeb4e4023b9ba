/**
 * Storage and logging of a list's entries (entry-list.ts): they are in the list's own columns and,
 * if its cell is split into parts, in leaves before them. The number of a part is its leaf's id;
 * the columns are the last leaf.
 */
import { must } from '../engine/base/assert.ts';
import {
  bytesOf,
  type Entries,
  type EntryKey,
  type EntryLayout,
  never,
  removeEntries,
  wakeOf,
} from './entry-leaves.ts';
import { Leaves } from './list-leaves.ts';

export const noColumns: unknown[][] = [];

/**
 * Base class of `EntryList`. It adds fields to the same object and no calls, because lists are on
 * the hot path.
 */
export class PartedEntries<K extends EntryKey> {
  readonly layout: EntryLayout<K>;
  /** The entries; of a list in parts those of the last leaf. */
  keys: K[] = [];
  columns: unknown[][] = noColumns;
  /** The least of those entries; NaN when it must be looked for. */
  protected ownWake = never;
  protected parts: Leaves<K> | undefined = undefined;

  constructor(layout: EntryLayout<K>, entries?: Entries<K>) {
    this.layout = layout;
    if (entries === undefined) return;
    this.keys = entries.keys;
    this.columns = entries.columns as unknown[][];
    this.ownWake = Number.NaN;
  }

  /** Splits the cell into leaves; none of them is in the changelog yet. */
  cut(): void {
    this.parts ??= new Leaves(this.layout);
    const leaves = this.parts;
    if (leaves.lastId < 0 && this.keys.length > 0) leaves.lastId = leaves.nextId++;
    leaves.lastChanged = leaves.lastId >= 0;
    for (const leaf of leaves.list) leaves.changed.add(leaf);
  }

  /** Ids of the leaves that changed; those that are too long are cut, and bytes are made of all. */
  takeChanges(): number[] {
    const leaves = this.leaves;
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
    const leaves = this.leaves;
    return leaves === undefined ? [] : leaves.ids;
  }

  /** Bytes of a leaf as of the last `takeChanges`; undefined for a removed leaf. */
  partBytes(id: number): Buffer | undefined {
    const leaves = this.leaves;
    return leaves?.bytesOf(id);
  }

  /** Takes a leaf over, or its end. */
  setPart(id: number, bytes: Buffer | null): void {
    const leaves = must(this.parts, 'the cell is in parts');
    this.#unsetLast(leaves);
    leaves.set(id, bytes);
  }

  /** About as many bytes as it takes. */
  get byteLength(): number {
    const leaves = this.leaves;
    return leaves === undefined ? 0 : leaves.bytes + (leaves.lastBytes?.byteLength ?? 0);
  }

  protected get leaves(): Leaves<K> | undefined {
    const leaves = this.parts;
    if (leaves?.sorted === false) leaves.sort();
    return leaves;
  }

  /** The last leaf becomes the list's own columns, which are empty. */
  protected refill(leaves: Leaves<K>): void {
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
    this.ownWake = Number.NaN;
    leaves.forget(leaf);
    leaves.gone.delete(leaf.id);
  }

  /**
   * The reverse, before leaves are adopted: the last leaf may no longer have the greatest order.
   */
  #unsetLast(leaves: Leaves<K>): void {
    if (leaves.lastId < 0) return;
    const { lastId: id, lastBytes: bytes } = leaves;
    if (bytes !== undefined) leaves.add(id, bytes);
    this.keys = [];
    this.columns = noColumns;
    this.ownWake = never;
    leaves.lastId = -1;
    leaves.lastBytes = undefined;
    leaves.lastChanged = false;
  }

  /** Entries of a leaf have changed. @param at the number of leaves: the last */
  protected leafChanged(leaves: Leaves<K>, at: number): void {
    const leaf = leaves.list[at];
    if (leaf !== undefined) leaves.change(leaf);
    else {
      leaves.lastChanged = true;
      this.ownWake = Number.NaN;
    }
  }

  /** As `wake` of the list's own columns. */
  protected leastOwnWake(): number {
    if (Number.isNaN(this.ownWake)) this.ownWake = wakeOf(this.layout, this);
    return this.ownWake;
  }

  /**
   * Encodes the last leaf; splits one that is too long. @param ids receives the ids of the leaves
   */
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
    this.ownWake = Number.NaN;
    leaves.lastBytes = bytesOf(this.layout, leaves.lastOrder, this, 0, this.keys.length);
  }
}
