/**
 * Session windows `[first, last]`, both inclusive: records no more than the gap apart. A record that
 * joins sessions takes them in: each of them is withdrawn (null), the grown one follows (SEMANTICS
 * B.4). A closed session is final: nothing grows from it any more.
 */
import type { Cells, StoreSpec } from '../engine/graph/store-spec.ts';
import type { Serde } from '../engine/serde/serde.ts';
import { closesAt, isClosed } from '../engine/time/closed.ts';
import type { SessionWindow } from '../engine/time/windows/spec.ts';
import type { MergeableAggregate } from './aggregate-value.ts';
import type { Closed } from './closing.ts';
import {
  emptyWindowCell,
  endAt,
  indexOfStart,
  insertWindow,
  removeWindows,
  setTimes,
  startAt,
  type WindowCell,
  windowStore,
} from './window-cell.ts';
import type { WindowFamily, WindowUpdate } from './windowed-step.ts';

const none: never[] = [];

/** The sessions that a record takes in, as what they are no more. */
function withdrawnOf<A>(cell: WindowCell<A>, from: number, to: number): WindowUpdate<A>[] {
  const withdrawn: WindowUpdate<A>[] = [];
  for (let i = from; i < to; i++) {
    const [start, end] = [startAt(cell, i) as number, endAt(cell, i) as number];
    withdrawn.push({ start, end, value: null, timestamp: end, old: cell.values[i] as A });
  }
  return withdrawn;
}

export class SessionWindows<K, V, A> implements WindowFamily<K, V, A> {
  readonly store: StoreSpec<K, WindowCell<A>>;
  readonly order = (a: Closed<A>, b: Closed<A>) => a.end - b.end || a.start - b.start;
  readonly #spec: SessionWindow;
  readonly #aggregate: MergeableAggregate<V, A>;
  readonly #results: boolean;

  /** @param results answer what became of the sessions at each record; false when only final ones are wanted */
  constructor(
    name: string,
    spec: SessionWindow,
    aggregate: MergeableAggregate<V, A>,
    key: Serde<K>,
    value: Serde<A>,
    results: boolean,
  ) {
    this.#spec = spec;
    this.#aggregate = aggregate;
    this.#results = results;
    this.store = windowStore({
      name,
      kind: 'session',
      key,
      value,
      due: (cell) =>
        cell.values.length === 0
          ? Number.POSITIVE_INFINITY
          : closesAt(spec, endAt(cell, 0) as number),
    });
  }

  update(
    cells: Cells<WindowCell<A>>,
    value: V,
    timestamp: number,
    streamTime: number,
    late: () => void,
    timeBefore: number,
  ): WindowUpdate<A>[] {
    const cell = cells.get() ?? emptyWindowCell<A>();
    const { from, to } = this.#reached(cell, timestamp, timeBefore);
    let start = timestamp;
    let end = timestamp;
    let merged = this.#aggregate.init();
    for (let i = from; i < to; i++) {
      start = Math.min(start, startAt(cell, i) as number);
      end = Math.max(end, endAt(cell, i) as number);
      merged = this.#aggregate.merge(merged, cell.values[i] as A);
    }
    if (isClosed(this.#spec, end, streamTime)) {
      late();
      return [];
    }
    const withdrawn = this.#results && end > start ? withdrawnOf(cell, from, to) : [];
    // A session of one instant that stays one is no other session: it changes as any window does.
    const old = end === start && to > from ? (cell.values[from] as A) : undefined;
    const grown = this.#aggregate.add(merged, value, timestamp);
    if (to - from === 1) {
      setTimes(cell, from, start, end, end);
      cell.values[from] = grown;
    } else {
      removeWindows(cell, from, to - from);
      insertWindow(cell, from, { start, end, timestamp: end, value: grown });
    }
    cells.put(cell);
    if (!this.#results) return none;
    return [...withdrawn, { start, end, value: grown, timestamp: end, old }];
  }

  takeClosed(cells: Cells<WindowCell<A>>, streamTime: number): Closed<A>[] {
    const cell = cells.get();
    if (cell === undefined) return [];
    const closed: Closed<A>[] = [];
    for (let i = 0; i < cell.values.length; i++) {
      const end = endAt(cell, i) as number;
      if (!isClosed(this.#spec, end, streamTime)) break;
      const [start, value] = [startAt(cell, i) as number, cell.values[i] as A];
      closed.push({ start, end, value, timestamp: end });
    }
    removeWindows(cell, 0, closed.length);
    if (cell.values.length === 0) cells.remove();
    else cells.put(cell);
    return closed;
  }

  /**
   * The sessions within the gap of `timestamp`, as indexes [from, to). As in Kafka Streams, one that
   * ended a gap and a grace before the last record's stream time is not found any more, an instant
   * before it is closed.
   */
  #reached(
    cell: WindowCell<A>,
    timestamp: number,
    timeBefore: number,
  ): { from: number; to: number } {
    const { gapMs, graceMs } = this.#spec;
    const earliest = Math.max(timestamp - gapMs, timeBefore - gapMs - graceMs + 1);
    const to = indexOfStart(cell, timestamp + gapMs + 1);
    let from = to;
    while (from > 0 && (endAt(cell, from - 1) as number) >= earliest) from--;
    return { from, to };
  }
}
