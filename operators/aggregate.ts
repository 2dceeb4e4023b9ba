/**
 * Aggregate of all records of a key. A record with a null key or value has no effect and is
 * counted. Each update is forwarded as (new, old); its timestamp is the greatest of the records so
 * far. If `add` returns null or undefined, the row is removed; the next record starts from `init`.
 */

import type { Step } from '../engine/graph/node.ts';
import type { AnyReceiver, BuildContext } from '../engine/graph/processor.ts';
import type { Cells, StoreSpec } from '../engine/graph/store-spec.ts';
import { faithful } from '../engine/serde/faithful.ts';
import { encodeTo, type Serde } from '../engine/serde/serde.ts';
import type { Aggregate } from './aggregate-value.ts';
import { present } from './present.ts';
import { rowOf } from './table-getter.ts';
import { type UnderWay, underWay } from './under-way.ts';

export interface AggregateCell<A> {
  accumulator: A;
  timestamp: number;
}

export function aggregateStore<K, A>(
  name: string,
  key: Serde<K>,
  given: Serde<A>,
): StoreSpec<K, AggregateCell<A>> {
  const value = faithful(given);
  return {
    name,
    kind: 'key-value',
    key,
    format: `timestamped(${value.format})`,
    write: (cell, to) => {
      to.float64(cell.timestamp);
      encodeTo(value, cell.accumulator, to);
    },
    decode: (bytes, start, end) => ({
      timestamp: bytes.readDoubleLE(start),
      accumulator: value.decode(bytes, start + 8, end),
    }),
    isFixed: ({ accumulator }) => typeof accumulator !== 'object' || accumulator === null,
    peek: ({ accumulator, timestamp }) => (typeof accumulator === 'object' ? timestamp : 0),
    rows: (cell, k) => [{ key: k, value: cell.accumulator, timestamp: cell.timestamp }],
  };
}

export function aggregateStep<K, V, A>(
  name: string,
  aggregate: Aggregate<V, A>,
  store: StoreSpec<K, AggregateCell<A>>,
): Step {
  return {
    kind: 'aggregate',
    name,
    detail: { aggregate: aggregate.name ?? 'own' },
    stores: [store],
    build: (context) => [
      new KeyAggregate(
        name,
        aggregate,
        context,
        context.cells<AggregateCell<A>>(store),
      ) as AnyReceiver,
    ],
  };
}

class KeyAggregate<V, A> {
  readonly #name: string;
  readonly #aggregate: Aggregate<V, A>;
  readonly #context: BuildContext;
  readonly #cells: Cells<AggregateCell<A>>;
  readonly #next: AnyReceiver;
  readonly #underWay: UnderWay<A>;

  constructor(
    name: string,
    aggregate: Aggregate<V, A>,
    context: BuildContext,
    cells: Cells<AggregateCell<A>>,
  ) {
    this.#name = name;
    this.#aggregate = aggregate;
    this.#context = context;
    this.#cells = cells;
    this.#next = context.output(0);
    this.#underWay = underWay(cells);
  }

  receive(key: unknown, value: V, timestamp: number): void {
    if (dropUnusable(this.#context, this.#name, key, value)) return;
    const cell = this.#cells.get();
    const old = cell?.accumulator;
    const accumulator = this.#aggregate.add(old ?? this.#aggregate.init(), value, timestamp);
    const newest = cell === undefined ? timestamp : Math.max(cell.timestamp, timestamp);
    if (present(accumulator)) {
      this.#cells.put({ accumulator, timestamp: newest });
      if (!this.#underWay.isWatched) this.#next.receive(key, accumulator, newest, old);
      else this.#underWay.tell(rowOf(cell), this.#next, key, accumulator, newest);
    } else if (cell !== undefined) {
      this.#cells.remove();
      this.#underWay.tell(rowOf(cell), this.#next, key, null, newest);
    }
  }
}

/**
 * Drops and counts records that no aggregate can use: with a null key or value (SEMANTICS,
 * decisions).
 */
export function dropUnusable(
  context: BuildContext,
  step: string,
  key: unknown,
  value: unknown,
): boolean {
  if (key === null || key === undefined) context.task.drop(step, 'null_key');
  else if (value === null || value === undefined) context.task.drop(step, 'null_value');
  else return false;
  return true;
}
