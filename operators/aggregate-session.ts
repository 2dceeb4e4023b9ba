/**
 * Session windows `[first, last]`, both inclusive: records no more than the gap apart. A record that
 * joins sessions takes them in: each of them is withdrawn (null), the grown one follows (SEMANTICS
 * B.4). A closed session is final: nothing grows from it any more.
 */
import type { Cells, StoreSpec } from '../engine/graph/store-spec.ts';
import type { Serde } from '../engine/serde/serde.ts';
import { closesAt, isClosed } from '../engine/time/closed.ts';
import type { SessionWindow } from '../engine/time/windows/spec.ts';
import type { Accumulators } from './accumulators.ts';
import type { Closed } from './closing.ts';
import {
  emptyWindowCell,
  endAt,
  indexOfStart,
  removeWindows,
  setTimes,
  startAt,
  type WindowCell,
  windowStore,
  windowsOf,
} from './window-cell.ts';
import type { WindowFamily, WindowUpdate } from './windowed-step.ts';

const none: never[] = [];

/** The sessions that a record takes in, as what they are no more. */
function withdrawnOf<A>(
  accumulators: Accumulators<never, A>,
  cell: WindowCell<A>,
  from: number,
  to: number,
): WindowUpdate<A>[] {
  const withdrawn: WindowUpdate<A>[] = [];
  for (let i = from; i < to; i++) {
    const [start, end] = [startAt(cell, i) as number, endAt(cell, i) as number];
    const old = accumulators.valueAt(cell, i);
    withdrawn.push({ start, end, value: null, timestamp: end, old });
  }
  return withdrawn;
}

export class SessionWindows<K, V, A> implements WindowFamily<K, V, A> {
  readonly store: StoreSpec<K, WindowCell<A>>;
  readonly order = (a: Closed<A>, b: Closed<A>) => a.end - b.end || a.start - b.start;
  readonly #spec: SessionWindow;
  readonly #accumulators: Accumulators<V, A>;
  readonly #results: boolean;

  /** @param results answer what became of the sessions at each record; false when only final ones are wanted */
  constructor(
    name: string,
    spec: SessionWindow,
    accumulators: Accumulators<V, A>,
    key: Serde<K>,
    results: boolean,
  ) {
    this.#spec = spec;
    this.#accumulators = accumulators;
    this.#results = results;
    this.store = windowStore({
      name,
      kind: 'session',
      key,
      accumulators,
      due: (cell) =>
        windowsOf(cell) === 0 ? Number.POSITIVE_INFINITY : closesAt(spec, endAt(cell, 0) as number),
    });
  }

  emptyCell(): WindowCell<A> {
    return emptyWindowCell(this.#accumulators.width);
  }

  update(
    cells: Cells<WindowCell<A>>,
    value: V,
    timestamp: number,
    streamTime: number,
    late: () => void,
    timeBefore: number,
  ): WindowUpdate<A>[] {
    const cell = cells.get() ?? this.emptyCell();
    const accumulators = this.#accumulators;
    const { from, to, same } = this.#reached(cell, timestamp, timeBefore);
    let start = timestamp;
    let end = timestamp;
    for (let i = from; i < to; i++) {
      // One of the same name begins and ends at the record, and changes neither.
      start = Math.min(start, startAt(cell, i) as number);
      end = Math.max(end, endAt(cell, i) as number);
    }
    if (isClosed(this.#spec, end, streamTime)) {
      late();
      return [];
    }
    const withdrawn =
      this.#results && end > start ? withdrawnOf(accumulators, cell, from, to) : none;
    // A session of one instant that stays one is no other session: it changes as any window does.
    const stays = this.#results && end === start && to > from;
    const isUpdate = stays || (this.#results && same);
    const old = isUpdate ? accumulators.valueAt(cell, from) : undefined;
    if (same) removeWindows(cell, from, 1);
    if (from === to || same) accumulators.begin(cell, from, start, end, value, timestamp);
    else {
      accumulators.join(cell, from, to, value, timestamp);
      setTimes(cell, from, start, end, end);
    }
    cells.put(cell);
    if (!this.#results) return none;
    const grown = accumulators.valueAt(cell, from);
    return [...withdrawn, { start, end, value: grown, timestamp: end, old }];
  }

  takeClosed(cells: Cells<WindowCell<A>>, streamTime: number): Closed<A>[] {
    const cell = cells.get();
    if (cell === undefined) return [];
    const closed: Closed<A>[] = [];
    for (let i = 0; i < windowsOf(cell); i++) {
      const end = endAt(cell, i) as number;
      if (!isClosed(this.#spec, end, streamTime)) break;
      const value = this.#accumulators.valueAt(cell, i);
      closed.push({ start: startAt(cell, i) as number, end, value, timestamp: end });
    }
    removeWindows(cell, 0, closed.length);
    if (windowsOf(cell) === 0) cells.remove();
    else cells.put(cell);
    return closed;
  }

  /**
   * The sessions within the gap of `timestamp`, as indexes [from, to). As in Kafka Streams, one that
   * ended a gap and a grace before the last record's stream time is not found any more, an instant
   * before it is closed. A record of that very instant begins a session of the same name, which takes
   * the place of the one that was not found: `same`, and that is the one at `from`.
   */
  #reached(
    cell: WindowCell<A>,
    timestamp: number,
    timeBefore: number,
  ): { from: number; to: number; same: boolean } {
    const { gapMs, graceMs } = this.#spec;
    const earliest = Math.max(timestamp - gapMs, timeBefore - gapMs - graceMs + 1);
    const to = indexOfStart(cell, timestamp + gapMs + 1);
    let from = to;
    while (from > 0 && (endAt(cell, from - 1) as number) >= earliest) from--;
    const before = from - 1;
    const same =
      from === to && startAt(cell, before) === timestamp && endAt(cell, before) === timestamp;
    return same ? { from: before, to, same } : { from, to, same };
  }
}
