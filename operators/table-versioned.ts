/**
 * A versioned table: each key's values of the last `historyMs` of stream time, so that a join can
 * read the value as of a record's time (KIP-889, SEMANTICS B.8). A change older than the history is
 * dropped and counted. A change that is not the newest only changes the history, not the current
 * table; so joins and groups do not see it. It is sent to output 1, for steps that need every
 * change.
 */

import type { Step } from '../engine/graph/node.ts';
import type { AnyReceiver, BuildContext, TimedStep } from '../engine/graph/processor.ts';
import type { Cells, StoreSpec } from '../engine/graph/store-spec.ts';
import { faithful } from '../engine/serde/faithful.ts';
import type { Serde } from '../engine/serde/serde.ts';
import { columnLayout } from './cell-codec.ts';
import { EntryList, removed } from './entry-list.ts';
import { OperatorTime } from './kit/operator-time.ts';
import { visitDue } from './kit/release.ts';
import { type AnyList, listParts } from './list-parts.ts';
import { present } from './present.ts';
import { type TableGetter, tableGetter } from './table-getter.ts';
import { type UnderWay, underWay } from './under-way.ts';

/** Versions by time, ascending. One column: the values; an absent one is a deletion. */
interface Versions {
  readonly list: EntryList<number>;
}

interface VersionStore<K> {
  readonly store: StoreSpec<K, Versions>;
  newList(): EntryList<number>;
}

function versionStore<K, V>(
  name: string,
  historyMs: number,
  key: Serde<K>,
  given: Serde<V>,
): VersionStore<K> {
  const value = faithful(given);
  const optional: Serde<V | undefined> = {
    format: value.format,
    encode: (one) =>
      one === undefined ? Buffer.of(0) : Buffer.concat([Buffer.of(1), value.encode(one)]),
    decode: (bytes, start, end) =>
      bytes[start] === 0 ? undefined : value.decode(bytes, start + 1, end),
  };
  const layout = columnLayout<number, V | undefined>(false, 0, optional);
  const store: StoreSpec<K, Versions> = {
    name,
    kind: 'versioned',
    key,
    format: `versions(${value.format})`,
    // The first version is needed until the second one covers the whole history; a deletion is not
    // needed.
    due: ({ list }) => {
      const first = list.secondKey ?? (isDeleted(list) ? list.firstKey : undefined);
      return (first ?? Number.POSITIVE_INFINITY) + historyMs;
    },
    write: ({ list }, to) => {
      const all = list.joined();
      layout.write(to, all, 0, all.keys.length);
    },
    decode: (bytes, start, end) => ({
      list: new EntryList(layout, layout.decode(bytes, start, end)),
    }),
    parts: listParts<Versions>({
      lists: ({ list }) => [list as AnyList],
      empty: () => ({ list: EntryList.inParts(layout) }),
    }),
    newestRows: ({ list }, k) => {
      const { last } = list;
      const value = last?.columns[0]?.[last.i];
      return last === undefined || value === undefined
        ? []
        : [{ key: k, value, timestamp: last.keys[last.i] as number }];
    },
    rows: function* rows({ list }, k) {
      for (const { keys, columns, i } of list.all()) {
        const one = columns[0]?.[i];
        if (one !== undefined) yield { key: k, value: one, timestamp: keys[i] as number };
      }
    },
  };
  return { store, newList: () => new EntryList(layout) };
}

/** True if the newest version is a deletion. */
function isDeleted(list: EntryList<number>): boolean {
  const { last } = list;
  return last !== undefined && last.columns[0]?.[last.i] === undefined;
}

export function versionedTable<K, V>(
  name: string,
  historyMs: number,
  key: Serde<K>,
  value: Serde<V>,
): { readonly step: Step; readonly getter: TableGetter<V> } {
  const versions = versionStore(name, historyMs, key, value);
  const { store } = versions;
  const step: Step = {
    kind: 'table-versioned',
    name,
    nulls: true,
    detail: { historyMs },
    stores: [store],
    build: (context) => {
      const table = new VersionedTable(name, historyMs, versions as never, context);
      context.onTime(table);
      return [table];
    },
  };
  const stores = [store];
  const getter = tableGetter<V>(stores, (context) => {
    const cells = context.cells<Versions>(store);
    const changing = underWay<V>(cells);
    const time = new OperatorTime(cells, context.task);
    return (asOf = Number.POSITIVE_INFINITY, isAhead = undefined) => {
      if (isAhead?.(changing as UnderWay) === true) return changing.before;
      const cell = cells.get();
      if (cell === undefined || asOf < time.now - historyMs) return undefined;
      const place = cell.list.atOrBefore(asOf);
      const found = place?.columns[0]?.[place.i] as V | undefined;
      return place === undefined || found === undefined
        ? undefined
        : { value: found, timestamp: place.keys[place.i] as number };
    };
  });
  return { step, getter };
}

class VersionedTable implements AnyReceiver, TimedStep {
  readonly #name: string;
  readonly #historyMs: number;
  readonly #context: BuildContext;
  readonly #cells: Cells<Versions>;
  readonly #newList: () => EntryList<number>;
  readonly #time: OperatorTime;
  readonly #next: AnyReceiver;
  readonly #stale: AnyReceiver;
  readonly #underWay: UnderWay;

  constructor(
    name: string,
    historyMs: number,
    { store, newList }: VersionStore<never>,
    context: BuildContext,
  ) {
    this.#newList = newList;
    this.#name = name;
    this.#historyMs = historyMs;
    this.#context = context;
    this.#cells = context.cells(store);
    this.#time = new OperatorTime(this.#cells, context.task);
    this.#next = context.output(0);
    this.#stale = context.output(1);
    this.#underWay = underWay(this.#cells);
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
    const now = bySource ? this.#time.now : this.#time.advance(timestamp);
    this.#expire(now, this.#context.task.keyText);
    const cell = this.#cells.get() ?? { list: this.#newList() };
    const { list } = cell;
    const newest = list.last;
    const old = newest?.columns[0]?.[newest.i];
    const isLatest = newest === undefined || (newest.keys[newest.i] as number) <= timestamp;
    const row = present(old)
      ? { value: old, timestamp: newest?.keys[newest.i] as number }
      : undefined;
    const version = present(value) ? value : undefined;
    const place = list.atOrBefore(timestamp);
    if (place !== undefined && place.keys[place.i] === timestamp) {
      (place.columns[0] as unknown[])[place.i] = version;
      list.change(place);
    } else list.insert(timestamp, version);
    this.#keep(cell, now - this.#historyMs);
    if (isLatest) this.#underWay.tell(row, this.#next, key, value ?? null, timestamp);
    else this.#stale.receive(key, value ?? null, timestamp, old);
  }

  nextDue(): number {
    return this.#cells.nextDue();
  }

  pass(until: number): void {
    this.#expire(this.#time.pass(until), undefined);
  }

  /** Versions stay when the input ends. */
  end(): void {}

  /**
   * Removes versions older than the history.
   * @param except the current key's cell is about to change anyway
   */
  #expire(streamTime: number, except: string | undefined): void {
    if (this.#cells.nextDue() > streamTime) return;
    this.#time.keep();
    visitDue(this.#context.task, this.#cells, streamTime, (keyText) => {
      const cell = keyText === except ? undefined : this.#cells.get();
      if (cell !== undefined) this.#keep(cell, streamTime - this.#historyMs);
    });
  }

  /** Keeps the version that was in force at `oldest`, and all after it. */
  #keep(cell: Versions, oldest: number): void {
    const { list } = cell;
    const inForce = list.atOrBefore(oldest);
    const first = inForce?.keys[inForce.i];
    if (first !== undefined && first > (list.firstKey as number)) {
      // Drop whole leaves first, without decoding them.
      list.dropFirst(first - 1);
      list.scan(undefined, first - 1, () => removed);
    }
    const onlyGone = list.size === 1 && isDeleted(list);
    if (onlyGone && (list.firstKey as number) <= oldest) this.#cells.remove();
    else this.#cells.put(cell);
  }
}
