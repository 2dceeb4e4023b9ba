/**
 * Sliding windows `[end - size, end]`, both ends inclusive: one for every distinct set of records.
 * A window ends at a record (its left window) or starts right after one (its right window, once a
 * later record falls into it). SEMANTICS B.3 has the rules; the order of the updates is that of
 * Kafka Streams, which reads its windows from the newest back:
 *
 *        windows over ts (newest first), right window of the record before, left window of ts,
 *        right window of ts
 *
 * Records with a time below `size` share the window [0, size], because there is no time before 0.
 */
import type { Cells, StoreSpec } from '../engine/graph/store-spec.ts';
import type { Serde } from '../engine/serde/serde.ts';
import { closesAt, isClosed } from '../engine/time/closed.ts';
import type { SlidingWindow } from '../engine/time/windows/window-spec.ts';
import { ValueAccumulators } from './accumulators.ts';
import type { Aggregate } from './aggregate-value.ts';
import { byStart, type Closed } from './closing.ts';
import { isLateForSome } from './sliding-late.ts';
import {
  endAt,
  indexOfStart,
  setTimestamp,
  startAt,
  startsOf,
  timestampAt,
  type WindowCell,
} from './window-cell.ts';
import {
  cutStore,
  emptyWholeCell,
  type PartedCell,
  removeFirst,
  setFinalTo,
  touch,
  windowsAPart,
} from './window-parts.ts';
import type { WindowFamily, WindowUpdate } from './windowed-step.ts';

interface Timed<A> {
  readonly value: A;
  readonly timestamp: number;
}

/** A record that is being added to the windows of its key. */
interface Arrival<V, A> {
  readonly cell: PartedCell<A>;
  readonly value: V;
  readonly at: number;
  readonly streamTime: number;
  readonly oldestStart: number;
  readonly updates: WindowUpdate<A>[];
}

export class SlidingWindows<K, V, A> implements WindowFamily<K, V, A, PartedCell<A>> {
  readonly store: StoreSpec<K, PartedCell<A>>;
  readonly order = byStart;
  bySource = false;
  readonly #spec: SlidingWindow;
  readonly #aggregate: Aggregate<V, A>;
  readonly #accumulators: ValueAccumulators<V, A>;

  constructor(
    name: string,
    spec: SlidingWindow,
    aggregate: Aggregate<V, A>,
    key: Serde<K>,
    value: Serde<A>,
  ) {
    this.#spec = spec;
    this.#aggregate = aggregate;
    this.#accumulators = new ValueAccumulators(aggregate, value);
    this.store = cutStore(windowsAPart, {
      name,
      kind: 'window',
      key,
      accumulators: this.#accumulators,
      due: (cell) => {
        if (cell.values.length === 0) return Number.POSITIVE_INFINITY;
        const next = endAt(cell, indexOfStart(cell, cell.finalTo));
        const closing = next === undefined ? Number.POSITIVE_INFINITY : closesAt(spec, next);
        return Math.min(closing, this.#forgottenAt(endAt(cell, 0) as number));
      },
    });
  }

  emptyCell(): PartedCell<A> {
    return emptyWholeCell();
  }

  update(
    cells: Cells<PartedCell<A>>,
    value: V,
    at: number,
    streamTime: number,
    late: () => void,
    timeBefore: number,
    oldestStart: number,
  ): WindowUpdate<A>[] {
    if (isLateForSome(this, this.#spec, at, streamTime, timeBefore)) {
      late();
      return [];
    }
    const cell = cells.get() ?? this.emptyCell();
    const arrival = { cell, value, at, streamTime, oldestStart, updates: [] };
    if (at < this.#spec.sizeMs) this.#addEarly(arrival);
    else this.#add(arrival);
    if (arrival.updates.length > 0) cells.put(cell);
    return arrival.updates;
  }

  takeClosed(cells: Cells<PartedCell<A>>, streamTime: number): Closed<A>[] {
    const cell = cells.get();
    if (cell === undefined) return [];
    const closed: Closed<A>[] = [];
    for (let i = indexOfStart(cell, cell.finalTo); i < cell.values.length; i++) {
      const [start, end] = [startAt(cell, i) as number, endAt(cell, i) as number];
      if (!isClosed(this.#spec, end, streamTime)) break;
      closed.push({ start, end, ...timed(cell, i) });
      setFinalTo(cell, start + 1);
    }
    let forgotten = 0;
    while (
      forgotten < cell.values.length &&
      this.#forgottenAt(endAt(cell, forgotten) as number) <= streamTime
    ) {
      forgotten++;
    }
    removeFirst(cell, forgotten, windowsAPart);
    if (cell.values.length === 0) cells.remove();
    else cells.put(cell);
    return closed;
  }

  /**
   * When a window is dropped: a closed window is still the source of newer ones until no record can
   * reach back to it.
   */
  #forgottenAt(end: number): number {
    return closesAt(this.#spec, end) + 2 * this.#spec.sizeMs;
  }

  #add(arrival: Arrival<V, A>): void {
    const { cell, at } = arrival;
    const { sizeMs } = this.#spec;
    const from = Math.max(at - 2 * sizeMs, arrival.oldestStart);
    let previous: number | undefined;
    let beforeLeft: Timed<A> | undefined;
    let leftThere = false;
    let right: Timed<A> | undefined;
    for (let start = before(cell, at + 1); start !== undefined; start = before(cell, start)) {
      if (start < from) break;
      const window = timed(cell, indexOfStart(cell, start));
      const end = start + sizeMs;
      if (end < at) {
        beforeLeft = window;
        previous = window.timestamp;
        break;
      }
      if (end > at) right ??= window;
      if (end === at) {
        leftThere = true;
        if (window.timestamp < at) previous = window.timestamp;
      }
      this.#update(arrival, start, window);
    }
    if (previous !== undefined) this.#createRightOf(previous, arrival);
    if (!leftThere) {
      const holdsPrevious = previous !== undefined && previous >= at - sizeMs;
      const left = holdsPrevious ? beforeLeft?.value : undefined;
      this.#update(arrival, at - sizeMs, undefined, left);
    }
    this.#createRight(arrival, right);
  }

  /**
   * Creates the right window from the newest window over the record, which has the later records.
   */
  #createRight(arrival: Arrival<V, A>, newest: Timed<A> | undefined): void {
    const start = arrival.at + 1;
    if (newest === undefined || newest.timestamp <= arrival.at) return;
    if (startAt(arrival.cell, indexOfStart(arrival.cell, start)) === start) return;
    this.#put(arrival, start, newest, undefined);
  }

  #addEarly(arrival: Arrival<V, A>): void {
    const { cell, at, oldestStart } = arrival;
    const combined = startAt(cell, 0) === 0 && oldestStart <= 0 ? timed(cell, 0) : undefined;
    let newest: Timed<A> | undefined;
    const from = indexOfStart(cell, Math.max(1, oldestStart));
    for (const start of startsOf(cell, from, indexOfStart(cell, at + 1))) {
      newest = timed(cell, indexOfStart(cell, start));
      this.#update(arrival, start, newest);
    }
    this.#createRight(arrival, newest ?? combined);
    if (combined !== undefined && combined.timestamp < at) {
      this.#createRightOf(combined.timestamp, arrival);
    }
    this.#update(arrival, 0, combined);
  }

  /** Adds the record to the right window of the previous record, which may not exist yet. */
  #createRightOf(previous: number, arrival: Arrival<V, A>): void {
    const start = previous + 1;
    const { cell, at } = arrival;
    if (startAt(cell, indexOfStart(cell, start)) === start) return;
    if (start + this.#spec.sizeMs >= at) this.#update(arrival, start, undefined);
  }

  /** Adds the record to a window; a new window starts from `base`. */
  #update(arrival: Arrival<V, A>, start: number, window: Timed<A> | undefined, base?: A): void {
    const { at, streamTime, value } = arrival;
    if (isClosed(this.#spec, start + this.#spec.sizeMs, streamTime)) return;
    const from = window?.value ?? base ?? this.#aggregate.init();
    const now = {
      value: this.#aggregate.add(from, value, at),
      timestamp: Math.max(window?.timestamp ?? at, at),
    };
    this.#put(arrival, start, now, window?.value);
  }

  #put({ cell, updates }: Arrival<V, A>, start: number, now: Timed<A>, old: A | undefined): void {
    const end = start + this.#spec.sizeMs;
    const i = indexOfStart(cell, start);
    touch(cell, start, windowsAPart);
    if (startAt(cell, i) === start) {
      cell.values[i] = now.value;
      setTimestamp(cell, i, now.timestamp);
    } else this.#accumulators.insert(cell, i, { start, end, ...now });
    updates.push({ start, end, ...now, old });
  }
}

function timed<A>(cell: WindowCell<A>, i: number): Timed<A> {
  return { value: cell.values[i] as A, timestamp: timestampAt(cell, i) as number };
}

/** Start of the last window that starts before `start`. */
function before(cell: WindowCell<unknown>, start: number): number | undefined {
  return startAt(cell, indexOfStart(cell, start) - 1);
}
