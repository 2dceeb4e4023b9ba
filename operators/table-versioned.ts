/**
 * A versioned table: each key's values of the last `historyMs` of stream time, so that a join can ask
 * for the value as of a record's time (KIP-889, SEMANTICS B.8). A change older than the history is
 * dropped and counted. One that is not the newest changes the history; the table as it is now stays, so
 * joins and groups do not see it (output 1), only who asks for every change.
 */

import type { Step } from '../engine/graph/node.ts';
import type { AnyReceiver, BuildContext } from '../engine/graph/processor.ts';
import type { Cells, StoreSpec } from '../engine/graph/store-spec.ts';
import { faithful } from '../engine/serde/faithful.ts';
import type { Serde } from '../engine/serde/serde.ts';
import { decodeColumns, writeColumns } from './cell-codec.ts';
import { OperatorTime } from './closing.ts';
import { present } from './present.ts';
import { type TableGetter, tableGetter } from './table-getter.ts';
import { lastAtOrBefore } from './times.ts';
import { type UnderWay, underWay } from './under-way.ts';

/** Versions by time, ascending; an absent one is a deletion. */
interface Versions<V> {
  readonly times: number[];
  readonly values: (V | undefined)[];
}

function versionStore<K, V>(
  name: string,
  key: Serde<K>,
  given: Serde<V>,
): StoreSpec<K, Versions<V>> {
  const value = faithful(given);
  const optional: Serde<V | undefined> = {
    format: value.format,
    encode: (one) =>
      one === undefined ? Buffer.of(0) : Buffer.concat([Buffer.of(1), value.encode(one)]),
    decode: (bytes, start, end) =>
      bytes[start] === 0 ? undefined : value.decode(bytes, start + 1, end),
  };
  return {
    name,
    kind: 'versioned',
    key,
    format: `versions(${value.format})`,
    write: ({ times, values }, to) => writeColumns(to, [times], values, optional),
    decode: (bytes, start, end) => {
      const { columns, values } = decodeColumns(bytes, start, end, 1, optional);
      return { times: columns[0] ?? [], values };
    },
    newestRows: ({ times, values }, k) => {
      const [value, timestamp] = [values.at(-1), times.at(-1) as number];
      return value === undefined ? [] : [{ key: k, value, timestamp }];
    },
    rows: function* rows({ times, values }, k) {
      for (const [i, timestamp] of times.entries()) {
        if (values[i] !== undefined) yield { key: k, value: values[i], timestamp };
      }
    },
  };
}

export function versionedTable<K, V>(
  name: string,
  historyMs: number,
  key: Serde<K>,
  value: Serde<V>,
): { readonly step: Step; readonly getter: TableGetter<V> } {
  const store = versionStore(name, key, value);
  const step: Step = {
    kind: 'table-versioned',
    name,
    nulls: true,
    detail: { historyMs },
    stores: [store as StoreSpec<never, never>],
    build: (context) => [new VersionedTable(name, historyMs, store as never, context)],
  };
  const stores = [store as StoreSpec<never, never>];
  const getter = tableGetter<V>(stores, (context) => {
    const cells = context.cells<Versions<V>>(store as never);
    const changing = underWay<V>(cells as Cells<never>);
    const time = new OperatorTime(cells as unknown as Cells<never>, context.task);
    return (asOf = Number.POSITIVE_INFINITY, isAhead = undefined) => {
      if (isAhead?.(changing as UnderWay) === true) return changing.before;
      const cell = cells.get();
      if (cell === undefined || asOf < time.now - historyMs) return undefined;
      const i = lastAtOrBefore(cell.times, asOf);
      const found = cell.values[i];
      return found === undefined ? undefined : { value: found, timestamp: cell.times[i] as number };
    };
  });
  return { step, getter };
}

class VersionedTable<V> implements AnyReceiver {
  readonly #name: string;
  readonly #historyMs: number;
  readonly #context: BuildContext;
  readonly #cells: Cells<Versions<V>>;
  readonly #time: OperatorTime;
  readonly #next: AnyReceiver;
  readonly #stale: AnyReceiver;
  readonly #underWay: UnderWay<V>;

  constructor(
    name: string,
    historyMs: number,
    store: StoreSpec<never, Versions<V>>,
    context: BuildContext,
  ) {
    this.#name = name;
    this.#historyMs = historyMs;
    this.#context = context;
    this.#cells = context.cells(store);
    this.#time = new OperatorTime(this.#cells as unknown as Cells<never>, context.task);
    this.#next = context.output(0);
    this.#stale = context.output(1);
    this.#underWay = underWay(this.#cells as Cells<never>);
  }

  receive(key: unknown, value: unknown, timestamp: number): void {
    if (key === null) {
      this.#context.task.drop(this.#name, 'null_key');
      return;
    }
    const { bySource } = this.#time;
    const known = bySource ? this.#time.advance(timestamp) : this.#time.now;
    if (timestamp < known - this.#historyMs) {
      this.#context.task.drop(this.#name, 'expired');
      return;
    }
    const oldest = (bySource ? this.#time.now : this.#time.advance(timestamp)) - this.#historyMs;
    const cell = this.#cells.get() ?? { times: [], values: [] };
    const before = lastAtOrBefore(cell.times, timestamp);
    const isLatest = before === cell.times.length - 1;
    const old = cell.values.at(-1);
    const row = present(old) ? { value: old, timestamp: cell.times.at(-1) as number } : undefined;
    const version = present(value) ? (value as V) : undefined;
    if (cell.times[before] === timestamp) cell.values[before] = version;
    else {
      cell.times.splice(before + 1, 0, timestamp);
      cell.values.splice(before + 1, 0, version);
    }
    this.#forget(cell, oldest);
    if (isLatest) this.#underWay.tell(row, this.#next, key, value ?? null, timestamp);
    else this.#stale.receive(key, value ?? null, timestamp, old);
  }

  /** Keeps the version that was in force at `oldest`, and all after it. */
  #forget(cell: Versions<V>, oldest: number): void {
    const first = Math.max(0, lastAtOrBefore(cell.times, oldest));
    cell.times.splice(0, first);
    cell.values.splice(0, first);
    const onlyGone = cell.times.length === 1 && cell.values[0] === undefined;
    if (onlyGone && (cell.times[0] as number) <= oldest) this.#cells.remove();
    else this.#cells.put(cell);
  }
}
