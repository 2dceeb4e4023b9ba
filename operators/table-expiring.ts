/**
 * A table whose rows live for so long after their last change. A row's end is indexed by time, so nothing
 * is scanned; when stream time reaches it, the row is deleted as if its topic had said so: a change goes
 * on, with the instant of the end as its time, and the changelog gets a tombstone. A record whose row
 * would be over when it comes deletes the row, and is counted as expired.
 */
import type { Step } from '../engine/graph/node.ts';
import type { AnyReceiver, BuildContext, TimedStep } from '../engine/graph/processor.ts';
import type { Cells, StoreSpec } from '../engine/graph/store-spec.ts';
import type { Serde } from '../engine/serde/serde.ts';
import { type AggregateCell, aggregateStore } from './aggregate.ts';
import { OperatorTime } from './kit/operator-time.ts';
import { enterDue } from './kit/release.ts';
import { present } from './present.ts';
import { rowOf, storeGetter, type TableGetter, tableGetter } from './table-getter.ts';
import { type UnderWay, underWay } from './under-way.ts';

export function expiringTable<K, V>(
  name: string,
  ttlMs: number,
  key: Serde<K>,
  value: Serde<V>,
): { readonly step: Step; readonly getter: TableGetter<V> } {
  const store: StoreSpec<K, AggregateCell<V>> = {
    ...aggregateStore<K, V>(name, key, value),
    due: ({ timestamp }) => timestamp + ttlMs,
  };
  const step: Step = {
    kind: 'table-source',
    name,
    nulls: true,
    detail: { ttlMs },
    stores: [store],
    build: (context) => {
      const table = new ExpiringTable(name, ttlMs, store as never, context);
      context.onTime(table);
      return [table];
    },
  };
  return { step, getter: livingGetter(storeGetter(store), ttlMs) };
}

/** A stream may be ahead of the table's own time: a row that is over by the stream's is none. */
function livingGetter<V>(getter: TableGetter<V>, ttlMs: number): TableGetter<V> {
  return tableGetter(getter.stores, (context) => {
    const read = getter(context);
    return (asOf, isAhead) => {
      const row = read(undefined, isAhead);
      return row === undefined || asOf === undefined || asOf < row.timestamp + ttlMs
        ? row
        : undefined;
    };
  });
}

class ExpiringTable implements AnyReceiver, TimedStep {
  readonly #name: string;
  readonly #ttlMs: number;
  readonly #store: StoreSpec<unknown, AggregateCell<unknown>>;
  readonly #context: BuildContext;
  readonly #cells: Cells<AggregateCell<unknown>>;
  readonly #time: OperatorTime;
  readonly #next: AnyReceiver;
  readonly #expired: AnyReceiver;
  readonly #underWay: UnderWay;

  constructor(
    name: string,
    ttlMs: number,
    store: StoreSpec<unknown, AggregateCell<unknown>>,
    context: BuildContext,
  ) {
    this.#name = name;
    this.#ttlMs = ttlMs;
    this.#store = store;
    this.#context = context;
    this.#cells = context.cells(store);
    this.#time = new OperatorTime(this.#cells, context.task);
    this.#next = context.output(0);
    this.#expired = context.timer(this.#next);
    this.#underWay = underWay(this.#cells);
  }

  receive(key: unknown, value: unknown, timestamp: number): void {
    if (key === null) {
      this.#context.task.drop(this.#name, 'null_key');
      return;
    }
    const streamTime = this.#time.advance(timestamp);
    if (!this.#time.bySource) this.#expire(streamTime);
    const before = rowOf(this.#cells.get());
    const over = present(value) && timestamp + this.#ttlMs <= streamTime;
    if (over) this.#context.task.drop(this.#name, 'expired');
    if (present(value) && !over) this.#cells.put({ accumulator: value, timestamp });
    else this.#cells.remove();
    if (!over) this.#underWay.tell(before, this.#next, key, value ?? null, timestamp);
    else if (before !== undefined) {
      this.#underWay.tell(before, this.#next, key, null, timestamp);
    }
  }

  nextDue(): number {
    return this.#cells.nextDue();
  }

  pass(until: number): void {
    this.#expire(this.#time.pass(until));
  }

  /** Rows live on when the input ends. */
  end(): void {}

  #expire(streamTime: number): void {
    if (this.#cells.nextDue() > streamTime) return;
    this.#time.keep();
    const { task } = this.#context;
    const { stand } = task;
    enterDue(task, this.#store, this.#cells, streamTime, (key) => {
      const cell = this.#cells.get();
      if (cell === undefined) return;
      this.#cells.remove();
      const at = cell.timestamp + this.#ttlMs;
      task.stand = at;
      this.#underWay.tell(rowOf(cell), this.#expired, key, null, at);
    });
    task.stand = stand;
  }
}
