/**
 * The change of a table that is being forwarded. A change passes depth first through the steps
 * after its table, while the store already has the new row. A join whose two sides come from one
 * store receives the change twice. On each side it must not read the change before it has received
 * it there: otherwise it would emit an old row that was never emitted as a new one, and aggregates
 * of the differences would stay wrong.
 *
 *   store: row 1 -> row 2          join (left, right), both of this store
 *   left gets (2, was 1)           right is still 1:  emits (2, 1), was (1, 1)
 *    right gets (2, was 1)          left is 2:         emits (2, 2), was (2, 1)
 */
import type { AnyReceiver } from '../engine/graph/processor.ts';
import type { Cells } from '../engine/graph/store-spec.ts';
import type { TableRow } from './table-getter.ts';

/** The current change of one store of one task. */
export class UnderWay<V = unknown> {
  /** Number of the change in progress; 0 if there is none. */
  change = 0;
  /** The row before it. */
  before: TableRow<V> | undefined;
  /** True once a reader needs it. */
  isWatched = false;

  /** Forwards a change of the store; `before` is the replaced row. */
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

/** Counter of changes; the last one started is the one being forwarded. */
let changes = 0;

const all = new WeakMap<object, UnderWay<never>>();

/** The object of a store, shared by the step that owns it and those that read it. */
export function underWay<V>(cells: Cells<unknown>): UnderWay<V> {
  let known = all.get(cells);
  if (known === undefined) {
    known = new UnderWay<never>();
    all.set(cells, known);
  }
  return known as unknown as UnderWay<V>;
}

/** The changes that one side of a join has received from its stores. */
export class Heard {
  readonly #stores: readonly UnderWay[];
  readonly #last: number[];

  constructor(stores: readonly UnderWay[]) {
    this.#stores = stores;
    this.#last = stores.map(() => 0);
    for (const store of stores) store.isWatched = true;
  }

  /** Notes that the side receives a change: the last one started in its store. */
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
