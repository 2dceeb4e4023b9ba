/**
 * Visits to the entries of a list (entry-list.ts), in which they may be changed and removed; and
 * how the first of them go.
 */
import {
  type Entries,
  type EntryKey,
  type Leaf,
  moveEntry,
  never,
  removeEntries,
} from './entry-leaves.ts';
import type { Leaves } from './list-leaves.ts';
import { PartedEntries } from './parted-entries.ts';
import { firstAtOrAfter } from './time-columns.ts';

/** What became of an entry that was visited. */
export const [kept, changed, removed] = [0, 1, 2] as const;
export type Visited = 0 | 1 | 2;

/** Called for each entry; the columns are the list's own, and may be changed at `i`. */
export type Visit<K extends EntryKey> = (entries: Entries<K>, i: number) => Visited;

export class ScannedEntries<K extends EntryKey> extends PartedEntries<K> {
  /**
   * Visits the entries with keys in [from, to], ascending, until `visit` has seen the last. Both
   * may be left open.
   */
  scan(from: K | undefined, to: K | undefined, visit: Visit<K>): void {
    const leaves = this.leaves;
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
    const leaves = this.leaves;
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
   * Drops the first entries, up to key `to`, none of which may be due: if they are at least
   * `least`, or all. In leaves before the last, entries are dropped when the whole leaf can go. So
   * some stay for longer.
   */
  dropFirst(to: K, least = 1): void {
    const leaves = this.leaves;
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
      this.ownWake = Number.NaN;
      return true;
    }
    const leaf = leaves.list[at];
    if (leaf !== undefined) {
      leaf.count -= gone;
      leaves.count -= gone;
    }
    this.leafChanged(leaves, at);
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
}
