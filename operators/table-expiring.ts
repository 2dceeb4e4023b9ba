/**
 * A table whose rows expire after their last change (row-expiry.ts). A record that has already
 * expired on arrival deletes its row, and is counted as expired.
 */
import type { Step } from '../engine/graph/node.ts';
import type { AnyReceiver, BuildContext } from '../engine/graph/processor.ts';
import type { StoreSpec } from '../engine/graph/store-spec.ts';
import type { Serde } from '../engine/serde/serde.ts';
import { type AggregateCell, aggregateStore } from './aggregate.ts';
import { present } from './present.ts';
import { expiringStore, livingGetter, RowExpiry } from './row-expiry.ts';
import { rowOf, storeGetter, type TableGetter } from './table-getter.ts';
import { type UnderWay, underWay } from './under-way.ts';

export function expiringTable<K, V>(
  name: string,
  ttlMs: number,
  key: Serde<K>,
  value: Serde<V>,
): { readonly step: Step; readonly getter: TableGetter<V> } {
  const store = expiringStore(aggregateStore<K, V>(name, key, value), ttlMs);
  const step: Step = {
    kind: 'table-source',
    name,
    nulls: true,
    detail: { ttlMs },
    stores: [store],
    build: (context) => [new ExpiringTable(name, ttlMs, store as never, context)],
  };
  return { step, getter: livingGetter(storeGetter(store), ttlMs) };
}

class ExpiringTable implements AnyReceiver {
  readonly #name: string;
  readonly #context: BuildContext;
  readonly #expiry: RowExpiry<AggregateCell<unknown>>;
  readonly #next: AnyReceiver;
  readonly #underWay: UnderWay;

  constructor(
    name: string,
    ttlMs: number,
    store: StoreSpec<never, AggregateCell<unknown>>,
    context: BuildContext,
  ) {
    this.#name = name;
    this.#context = context;
    this.#expiry = new RowExpiry({ ttlMs, store, context, rowOf });
    this.#next = context.output(0);
    this.#underWay = underWay(this.#expiry.cells as never);
  }

  receive(key: unknown, value: unknown, timestamp: number): void {
    if (key === null) {
      this.#context.task.drop(this.#name, 'null_key');
      return;
    }
    const { cells } = this.#expiry;
    const now = this.#expiry.advance(timestamp);
    const before = rowOf(cells.get());
    const over = present(value) && this.#expiry.isOver(timestamp, now);
    if (over) this.#context.task.drop(this.#name, 'expired');
    if (present(value) && !over) cells.put({ accumulator: value, timestamp });
    else cells.remove();
    if (!over) this.#underWay.tell(before, this.#next, key, value ?? null, timestamp);
    else if (before !== undefined) {
      this.#underWay.tell(before, this.#next, key, null, timestamp);
    }
  }
}
