/**
 * The change of a table that is under way. A change goes depth first through the steps after its
 * table, while the store has the new row already. A join whose two sides come from one store hears
 * of the change twice, and must not read on one side what it has not heard of yet: else the old row
 * that it tells was never told as a new one, and what is counted from the differences is wrong for
 * good.
 *
 *   store: row 1 -> row 2          join (left, right), both of this store
 *   left hears (2, was 1)          right is still 1:  tells (2, 1), was (1, 1)
 *   right hears (2, was 1)         left is 2:         tells (2, 2), was (2, 1)
 */
import type { AnyReceiver } from '../engine/graph/processor.ts';
import type { Cells } from '../engine/graph/store-spec.ts';
import type { TableRow } from './table-getter.ts';

/** Of one store of one task. */
export class UnderWay<V = unknown> {
  /** Number of the change that is under way; 0 when there is none. */
  change = 0;
  /** The row before it. */
  before: TableRow<V> | undefined;
  /** True once somebody asks. */
  isWatched = false;

  /** Tells a change of the store; `before` is the row that it replaced. */
  tell(
    before: TableRow<V> | undefined,
    next: AnyReceiver,
    key: unknown,
    value: unknown,
    timestamp: number,
  ): void {
    const old = before?.value;
    if (!this.isWatched) {
      next.receive(key, value, timestamp, old);
      return;
    }
    changes++;
    this.change = changes;
    this.before = before;
    try {
      next.receive(key, value, timestamp, old);
    } finally {
      this.change = 0;
      this.before = undefined;
    }
  }
}

/** Numbers of changes: the one that began last is the one that is told. */
let changes = 0;

const all = new WeakMap<object, UnderWay<never>>();

/** That of a store, the same for the step that owns it and for those that read it. */
export function underWay<V>(cells: Cells<unknown>): UnderWay<V> {
  let known = all.get(cells);
  if (known === undefined) {
    known = new UnderWay<never>();
    all.set(cells, known);
  }
  return known as unknown as UnderWay<V>;
}

/** What one side of a join has heard of the stores that it comes from. */
export class Heard {
  readonly #stores: readonly UnderWay[];
  readonly #last: number[];

  constructor(stores: readonly UnderWay[]) {
    this.#stores = stores;
    this.#last = stores.map(() => 0);
    for (const store of stores) store.isWatched = true;
  }

  /** The side hears a change: that of its store which began last. */
  hear(): void {
    let newest = -1;
    for (const [i, { change }] of this.#stores.entries()) {
      if (change > 0 && change > (this.#stores[newest]?.change ?? 0)) newest = i;
    }
    if (newest >= 0) this.#last[newest] = (this.#stores[newest] as UnderWay).change;
  }

  /** True while a change of the store is on its way to this side. */
  readonly isAhead = (store: UnderWay): boolean => {
    if (store.change === 0) return false;
    const i = this.#stores.indexOf(store);
    return i >= 0 && this.#last[i] !== store.change;
  };
}
