/**
 * Aggregate by key whose row expires `ttlMs` after its newest record; the next record starts from
 * `init`. A record that is already older than that on arrival, and finds no row, has no effect and
 * is counted as expired.
 */
import type { Step } from '../engine/graph/node.ts';
import type { AnyReceiver, BuildContext } from '../engine/graph/processor.ts';
import type { StoreSpec } from '../engine/graph/store-spec.ts';
import type { Serde } from '../engine/serde/serde.ts';
import { type AggregateCell, aggregateStep, aggregateStore, dropUnusable } from './aggregate.ts';
import type { Aggregate } from './aggregate-value.ts';
import { present } from './present.ts';
import { expiringStore, livingGetter, RowExpiry } from './row-expiry.ts';
import { rowOf, storeGetter, type TableGetter } from './table-getter.ts';
import { underWay } from './under-way.ts';

/** The step and getter of an aggregate by key. @param ttlMs undefined: rows do not expire */
export function keyAggregate<K, V, A>(
  name: string,
  aggregate: Aggregate<V, A>,
  key: Serde<K>,
  value: Serde<A>,
  ttlMs: number | undefined,
): { readonly step: Step; readonly getter: TableGetter<A> } {
  const plain = aggregateStore<K, A>(name, key, value);
  if (ttlMs === undefined) {
    return { step: aggregateStep(name, aggregate, plain), getter: storeGetter(plain) };
  }
  const store = expiringStore(plain, ttlMs);
  const getter = livingGetter(storeGetter<A>(store), ttlMs);
  return { step: expiringAggregateStep(name, ttlMs, aggregate, store), getter };
}

function expiringAggregateStep<K, V, A>(
  name: string,
  ttlMs: number,
  aggregate: Aggregate<V, A>,
  store: StoreSpec<K, AggregateCell<A>>,
): Step {
  return {
    kind: 'aggregate',
    name,
    detail: { aggregate: aggregate.name ?? 'own', ttlMs },
    stores: [store],
    build: (context) => [expiringAggregate(name, ttlMs, aggregate, store as never, context)],
  };
}

function expiringAggregate<V, A>(
  name: string,
  ttlMs: number,
  aggregate: Aggregate<V, A>,
  store: StoreSpec<never, AggregateCell<A>>,
  context: BuildContext,
): AnyReceiver {
  const expiry = new RowExpiry({ ttlMs, store, context, rowOf });
  const { cells } = expiry;
  const next = context.output(0);
  const changing = underWay<A>(cells as never);
  return {
    receive: (key, value, timestamp) => {
      if (dropUnusable(context, name, key, value)) return;
      const now = expiry.advance(timestamp);
      const cell = expiry.living(key, Math.max(now, timestamp));
      if (cell === undefined && expiry.isOver(timestamp, now)) {
        context.task.drop(name, 'expired');
        return;
      }
      const before = cell?.accumulator ?? aggregate.init();
      const accumulator = aggregate.add(before, value as V, timestamp);
      const newest = cell === undefined ? timestamp : Math.max(cell.timestamp, timestamp);
      if (present(accumulator)) {
        cells.put({ accumulator, timestamp: newest });
        changing.tell(rowOf(cell), next, key, accumulator, newest);
      } else if (cell !== undefined) {
        cells.remove();
        changing.tell(rowOf(cell), next, key, null, newest);
      }
    },
  };
}
