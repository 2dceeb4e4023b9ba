/**
 * Session windows `[first, last]`, both inclusive: records no more than the gap apart. A record that
 * joins sessions takes them in: each of them is withdrawn (null), the grown one follows (SEMANTICS
 * B.4). Without emission on close, a closed session still joins while a record may reach it; on
 * close it is final, so nothing grows from it.
 */
import type { Cells, StoreSpec } from '../engine/graph/store-spec.ts';
import type { Serde } from '../engine/serde/serde.ts';
import { closesAt, isClosed } from '../engine/time/closed.ts';
import type { SessionWindow } from '../engine/time/windows/spec.ts';
import type { MergeableAggregate } from './aggregate-value.ts';
import type { Closed } from './closing.ts';
import {
  emptyWindowCell,
  indexOfStart,
  insertWindow,
  removeWindows,
  type WindowCell,
  windowStore,
} from './window-cell.ts';
import type { WindowFamily, WindowUpdate } from './windowed-step.ts';

export class SessionWindows<K, V, A> implements WindowFamily<K, V, A> {
  readonly store: StoreSpec<K, WindowCell<A>>;
  readonly #spec: SessionWindow;
  readonly #aggregate: MergeableAggregate<V, A>;
  /** How long a session stays after it has closed, in ms. */
  readonly #keepMs: number;

  /** @param closing results are emitted on close only */
  constructor(
    name: string,
    spec: SessionWindow,
    aggregate: MergeableAggregate<V, A>,
    key: Serde<K>,
    value: Serde<A>,
    closing: boolean,
  ) {
    this.#spec = spec;
    this.#aggregate = aggregate;
    this.#keepMs = closing ? 0 : spec.gapMs;
    this.store = windowStore({
      name,
      kind: 'session',
      key,
      value,
      due: (cell) =>
        cell.ends.length === 0
          ? Number.POSITIVE_INFINITY
          : closesAt(spec, cell.ends[0] as number) + this.#keepMs,
    });
  }

  update(
    cells: Cells<WindowCell<A>>,
    value: V,
    timestamp: number,
    streamTime: number,
    late: () => void,
  ): WindowUpdate<A>[] {
    const cell = cells.get() ?? emptyWindowCell<A>();
    const { from, to } = this.#reached(cell, timestamp);
    let start = timestamp;
    let end = timestamp;
    let merged = this.#aggregate.init();
    for (let i = from; i < to; i++) {
      start = Math.min(start, cell.starts[i] as number);
      end = Math.max(end, cell.ends[i] as number);
      merged = this.#aggregate.merge(merged, cell.values[i] as A);
    }
    if (isClosed(this.#spec, end, streamTime)) {
      late();
      return [];
    }
    const updates: WindowUpdate<A>[] = [];
    for (let i = from; i < to && end > start; i++) {
      const old = cell.values[i] as A;
      const session = { start: cell.starts[i] as number, end: cell.ends[i] as number };
      updates.push({ ...session, value: null, timestamp: session.end, old });
    }
    removeWindows(cell, from, to - from);
    const grown = this.#aggregate.add(merged, value);
    insertWindow(cell, indexOfStart(cell, start), { start, end, timestamp: end, value: grown });
    cells.put(cell);
    updates.push({ start, end, value: grown, timestamp: end, old: undefined });
    return updates;
  }

  takeClosed(cells: Cells<WindowCell<A>>, streamTime: number): Closed<A>[] {
    const cell = cells.get();
    if (cell === undefined) return [];
    const closed: Closed<A>[] = [];
    for (let i = 0; i < cell.starts.length; i++) {
      const end = cell.ends[i] as number;
      if (!isClosed(this.#spec, end + this.#keepMs, streamTime)) break;
      const [start, value] = [cell.starts[i] as number, cell.values[i] as A];
      closed.push({ start, end, value, timestamp: end });
    }
    removeWindows(cell, 0, closed.length);
    if (cell.starts.length === 0) cells.remove();
    else cells.put(cell);
    return closed;
  }

  /** The sessions within the gap of `timestamp`: indexes [from, to). */
  #reached(cell: WindowCell<A>, timestamp: number): { from: number; to: number } {
    const { gapMs } = this.#spec;
    const to = indexOfStart(cell, timestamp + gapMs + 1);
    let from = to;
    while (from > 0 && (cell.ends[from - 1] as number) >= timestamp - gapMs) from--;
    return { from, to };
  }
}
