/**
 * Sliding windows with final results only. The cell has one accumulator per instant with records,
 * and a window is assembled when it closes. So the cost of a record does not depend on how many
 * records share a window with it. (aggregate-sliding.ts, which emits every change, updates each
 * window over a record, as Kafka Streams does. There a new window starts from the value of the one
 * before it; if that one was already closed and never created, the new one lacks records. Here a
 * window contains all records that came before it closed.)
 *
 * For every instant t with records there is the window that ends at t, and, if it contains records,
 * the window that starts right after t (SEMANTICS B.3):
 *
 *     instants        a      b   c
 *     left of c    [ ........... ]        c - size to c; from 0 for c < size
 *     right of a      ( .............. ]  a + 1 to a + 1 + size
 */
import type { Cells, StoreRow, StoreSpec } from '../engine/graph/store-spec.ts';
import type { Serde } from '../engine/serde/serde.ts';
import { closesAt, isClosed } from '../engine/time/closed.ts';
import type { SlidingWindow } from '../engine/time/windows/window-spec.ts';
import { ValueAccumulators } from './accumulators.ts';
import type { MergeableAggregate } from './aggregate-value.ts';
import { byStart, type Closed, FailedResult } from './closing.ts';
import { present } from './present.ts';
import { SlidingFold } from './sliding-fold.ts';
import { isLateForSome } from './sliding-late.ts';
import { indexOfStart, startAt, type WindowCell } from './window-cell.ts';
import {
  emptyPartedCell,
  type PartedCell,
  partedStore,
  removeFirst,
  setFinalTo,
  touch,
} from './window-parts.ts';
import { acceptedOnly, type WindowFamily, type WindowUpdate } from './windowed-step.ts';

/** Below this number of instants, merges are not worth caching. */
const fewInstants = 16;
/**
 * Parts of a window that are separate changelog records, and the maximal number of instants in one.
 */
const [partsAWindow, instantsMost] = [64, 1_000];

/** A window cell whose windows are the instants. */
interface InstantsCell<A> extends PartedCell<A> {
  /** Cached merges; missing ones are recomputed. */
  fold?: SlidingFold<A>;
}

export class FinalSlidingWindows<K, V, A> implements WindowFamily<K, V, A, InstantsCell<A>> {
  readonly store: StoreSpec<K, InstantsCell<A>>;
  readonly order = byStart;
  bySource = false;
  readonly #spec: SlidingWindow;
  readonly #aggregate: MergeableAggregate<V, A>;
  /** Accumulators as values, because folds keep them. */
  readonly #accumulators: ValueAccumulators<V, A>;
  readonly #partMs: number;
  /** Shared fold for cells without their own. */
  readonly #fold: SlidingFold<A>;

  constructor(
    name: string,
    spec: SlidingWindow,
    aggregate: MergeableAggregate<V, A>,
    key: Serde<K>,
    value: Serde<A>,
  ) {
    this.#spec = spec;
    this.#aggregate = aggregate;
    this.#accumulators = new ValueAccumulators(aggregate, value);
    this.#fold = this.#newFold();
    this.#partMs = Math.min(instantsMost, Math.max(1, Math.ceil(spec.sizeMs / partsAWindow)));
    this.store = partedStore('instants', this.#partMs, {
      name,
      kind: 'window',
      key,
      accumulators: this.#accumulators,
      due: (cell) => {
        if (cell.values.length === 0) return Number.POSITIVE_INFINITY;
        // Records are dropped when windows close; the last ones when no window can need them.
        const next = this.#nextStart(cell, cell.finalTo);
        return next === undefined
          ? this.#forgottenAt(startAt(cell, cell.values.length - 1) as number)
          : closesAt(spec, next + spec.sizeMs);
      },
      rows: (cell, k) => this.#rows(cell, k),
    });
  }

  emptyCell(): InstantsCell<A> {
    return emptyPartedCell(this.#accumulators.width);
  }

  update(
    cells: Cells<InstantsCell<A>>,
    value: V,
    at: number,
    streamTime: number,
    late: () => void,
    timeBefore: number,
  ): WindowUpdate<A>[] {
    const { sizeMs, graceMs } = this.#spec;
    const passed = this.bySource ? timeBefore : streamTime;
    if (isLateForSome(this, this.#spec, at, streamTime, passed)) {
      late();
      return [];
    }
    const cell = cells.get() ?? this.emptyCell();
    const i = indexOfStart(cell, at);
    touch(cell, at, this.#partMs);
    if (startAt(cell, i) === at) this.#accumulators.add(cell, i, value, at);
    else this.#accumulators.begin(cell, i, at, at, value, at);
    // A late record must not reopen a final window. Windows that become due with the record that
    // advances stream time are final only after the record.
    if (at < passed) setFinalTo(cell, Math.max(cell.finalTo, passed - graceMs - sizeMs));
    cell.fold?.changed(at);
    cells.put(cell);
    return acceptedOnly;
  }

  takeClosed(cells: Cells<InstantsCell<A>>, streamTime: number): Closed<A>[] {
    const cell = cells.get();
    if (cell === undefined) return [];
    const closed: Closed<A>[] = [];
    const fold = this.#foldOf(cell);
    const { sizeMs } = this.#spec;
    for (
      let start = this.#nextStart(cell, cell.finalTo);
      start !== undefined && isClosed(this.#spec, start + sizeMs, streamTime);
      start = this.#nextStart(cell, cell.finalTo)
    ) {
      closed.push(this.#window(cell, start, fold));
      setFinalTo(cell, start + 1);
    }
    const forgotten = indexOfStart(cell, streamTime - this.#forgottenAt(0) + 1);
    // Removing from the front moves the rest, so remove several at once.
    if (4 * forgotten >= cell.values.length) removeFirst(cell, forgotten, this.#partMs);
    if (cell.values.length === 0) cells.remove();
    else cells.put(cell);
    return closed;
  }

  /** A record is needed as long as the window right after it may still be created. */
  #forgottenAt(at: number): number {
    return closesAt(this.#spec, at + 1 + this.#spec.sizeMs);
  }

  /** Start of the first window that starts at `from` or after it. */
  #nextStart(cell: WindowCell<A>, from: number): number | undefined {
    const { sizeMs } = this.#spec;
    const count = cell.values.length;
    if (from <= 0 && (startAt(cell, 0) as number) <= sizeMs) return 0;
    const left = startAt(cell, indexOfStart(cell, Math.max(from, 1) + sizeMs));
    let next = left === undefined ? undefined : left - sizeMs;
    for (let i = indexOfStart(cell, from - 1); i + 1 < count; i++) {
      const start = (startAt(cell, i) as number) + 1;
      if (next !== undefined && start >= next) break;
      if ((startAt(cell, i + 1) as number) > start + sizeMs) continue;
      next = start;
      break;
    }
    return next;
  }

  #window(cell: WindowCell<A>, start: number, fold: SlidingFold<A>): Closed<A> {
    const end = start + this.#spec.sizeMs;
    let value: A;
    try {
      value = fold.over(cell.values, start, (instant) => indexOfStart(cell, instant));
    } catch (error) {
      // The cached merges may be invalid.
      fold.forget();
      value = new FailedResult(error) as A;
    }
    return {
      start,
      end,
      value,
      timestamp: startAt(cell, indexOfStart(cell, end + 1) - 1) as number,
    };
  }

  #foldOf(cell: InstantsCell<A>): SlidingFold<A> {
    if (cell.fold === undefined && cell.values.length > fewInstants) cell.fold = this.#newFold();
    if (cell.fold !== undefined) return cell.fold;
    this.#fold.forget();
    return this.#fold;
  }

  #newFold(): SlidingFold<A> {
    // Windows include both ends.
    const width = this.#spec.sizeMs + 1;
    return new SlidingFold(width, (left, right) => this.#aggregate.merge(left, right));
  }

  *#rows(cell: WindowCell<A>, key: K): Iterable<StoreRow> {
    const fold = this.#newFold();
    for (
      let next = this.#nextStart(cell, cell.finalTo);
      next !== undefined;
      next = this.#nextStart(cell, next + 1)
    ) {
      const { start, end, value, timestamp } = this.#window(cell, next, fold);
      if (value instanceof FailedResult) throw value.error;
      if (present(value)) yield { key, window: { start, end }, value, timestamp };
    }
  }
}
