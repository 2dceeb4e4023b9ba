/**
 * Hopping windows on slices. The time line is cut into slices of gcd(size, advance); a record
 * updates one slice, whatever the overlap. A window's result is the merge of its slices, computed
 * when it is emitted. `finalTo` is the first window start that is not final; slices before it are
 * dropped.
 *
 *     slices   | a | b | c | d | e |          size 3 slices, advance 1
 *     windows  [ a   b   c )
 *                  [ b   c   d )
 *                      [ c   d   e )
 *
 * If a record's source has closed some of its windows but the watermark has not, the record counts
 * in the other windows only. It is kept in a separate row after that of its slice; the row's end,
 * which is otherwise redundant, is -1 - s, where s is the first window start in which the record
 * counts.
 *
 * On update all windows over a slice change together. Their results are built from one run of
 * merges to the left of the slice and one to the right, so n windows cost about 2n merges instead
 * of n * n.
 */
import type { Cells, StoreRow, StoreSpec } from '../engine/graph/store-spec.ts';
import type { Serde } from '../engine/serde/serde.ts';
import { closesAt, isClosed } from '../engine/time/closed.ts';
import { floorTo } from '../engine/time/floor-to.ts';
import { firstOpenStart, firstWindowStart, sliceMs } from '../engine/time/windows/hopping.ts';
import type { HoppingWindow } from '../engine/time/windows/window-spec.ts';
import type { Accumulators } from './accumulators.ts';
import type { MergeableAggregate } from './aggregate-value.ts';
import { byStart, type Closed, FailedResult } from './closing.ts';
import { present } from './present.ts';
import { type Merged, SliceMerges } from './slice-merges.ts';
import {
  endAt,
  indexOfStart,
  startAt,
  timestampAt,
  type WindowCell,
  windowsOf,
} from './window-cell.ts';
import {
  emptyPartedCell,
  type PartedCell,
  partedStore,
  removeFirst,
  setFinalTo,
  touch,
} from './window-parts.ts';
import {
  acceptedOnly,
  type UpdatesWanted,
  type WindowFamily,
  type WindowUpdate,
  withoutResult,
} from './windowed-step.ts';

export class SlicedWindows<K, V, A> implements WindowFamily<K, V, A, PartedCell<A>> {
  readonly store: StoreSpec<K, PartedCell<A>>;
  readonly order = byStart;
  bySource = false;
  readonly #spec: HoppingWindow;
  readonly #merges: SliceMerges<A>;
  readonly #accumulators: Accumulators<V, A>;
  readonly #sliceMs: number;
  /** Some step reads the windows that a record changed, with their results. */
  readonly #results: boolean;
  /** No step reads which windows changed. */
  readonly #quiet: boolean;

  constructor(
    name: string,
    spec: HoppingWindow,
    aggregate: MergeableAggregate<V, A>,
    accumulators: Accumulators<V, A>,
    key: Serde<K>,
    wanted: UpdatesWanted,
  ) {
    this.#quiet = wanted === 'nothing';
    this.#spec = spec;
    this.#accumulators = accumulators;
    this.#sliceMs = sliceMs(spec);
    this.#merges = new SliceMerges(spec, aggregate, accumulators);
    this.#results = wanted === 'results';
    this.store = partedStore('slices', this.#sliceMs, {
      name,
      kind: 'window',
      key,
      accumulators,
      due: (cell) => {
        const start = this.#firstOpen(cell);
        return start === undefined ? Number.POSITIVE_INFINITY : closesAt(spec, start + spec.sizeMs);
      },
      rows: (cell, k) => this.#rows(cell, k),
    });
  }

  emptyCell(): PartedCell<A> {
    return emptyPartedCell(this.#accumulators.width);
  }

  update(
    cells: Cells<PartedCell<A>>,
    value: V,
    timestamp: number,
    streamTime: number,
    late: () => void,
    timeBefore: number,
  ): WindowUpdate<A>[] {
    const { advanceMs } = this.#spec;
    const last = floorTo(timestamp, advanceMs);
    const firstOpen = firstOpenStart(this.#spec, streamTime);
    const first = firstWindowStart(this.#spec, timestamp);
    let start = first;
    for (; start < firstOpen && start <= last; start += advanceMs) late();
    if (start > last) return [];
    const cell = cells.get() ?? this.emptyCell();
    if (this.bySource)
      return this.#updateBySource(cells, cell, value, timestamp, start, timeBefore);
    const before = this.#addToSlice(cell, value, timestamp);
    // A late record must not reopen a final window. Windows that become due with the record that
    // advances stream time are final only after the record.
    if (timestamp < streamTime) setFinalTo(cell, Math.max(cell.finalTo, firstOpen));
    cells.put(cell);
    if (this.#quiet) return acceptedOnly;
    if (!this.#results) return [withoutResult<A>(last)];
    const open: number[] = [];
    for (; start <= last; start += advanceMs) open.push(start);
    return this.#merges.changed(cell, before, timestamp, open);
  }

  /**
   * @param from the first window start in which the record counts
   * @param passed how far the watermark has passed, ms UTC
   */
  #updateBySource(
    cells: Cells<PartedCell<A>>,
    cell: PartedCell<A>,
    value: V,
    at: number,
    from: number,
    passed: number,
  ): WindowUpdate<A>[] {
    const { advanceMs } = this.#spec;
    const closedTo = firstOpenStart(this.#spec, passed);
    const last = floorTo(at, advanceMs);
    const open: number[] = [];
    for (let start = from; start <= last; start += advanceMs) open.push(start);
    const isPartial = Math.max(firstWindowStart(this.#spec, at), closedTo) < from;
    const isMixed = isPartial || this.#hasPartial(cell);
    const olds =
      this.#results && isMixed ? open.map((start) => this.#merges.window(cell, start)) : [];
    const before = isPartial
      ? this.#addPartial(cell, value, at, from)
      : this.#addToSlice(cell, value, at);
    if (at < passed) setFinalTo(cell, Math.max(cell.finalTo, closedTo));
    cells.put(cell);
    if (this.#quiet) return acceptedOnly;
    if (!this.#results) return [withoutResult<A>(last)];
    if (!isMixed) return this.#merges.changed(cell, before, at, open);
    return open.map((start, i) => {
      const end = start + this.#spec.sizeMs;
      const now = this.#merges.window(cell, start) as Merged<A>;
      return { start, end, value: now.value, timestamp: now.timestamp, old: olds[i]?.value };
    });
  }

  #hasPartial(cell: WindowCell<A>): boolean {
    for (let i = 0; i < windowsOf(cell); i++) if ((endAt(cell, i) as number) < 0) return true;
    return false;
  }

  /** Adds a separate row for a record that counts only in windows from `from` on. */
  #addPartial(cell: PartedCell<A>, added: V, at: number, from: number): undefined {
    const start = floorTo(at, this.#sliceMs);
    touch(cell, start, this.#sliceMs);
    let i = indexOfStart(cell, start);
    for (; startAt(cell, i) === start; i++) {
      if (endAt(cell, i) !== -1 - from) continue;
      this.#accumulators.add(cell, i, added, at);
      return;
    }
    this.#accumulators.begin(cell, i, start, -1 - from, added, at);
  }

  takeClosed(cells: Cells<PartedCell<A>>, streamTime: number): Closed<A>[] {
    const cell = cells.get();
    if (cell === undefined) return [];
    const closed: Closed<A>[] = [];
    const { sizeMs, advanceMs } = this.#spec;
    for (let start = this.#firstOpen(cell); start !== undefined; start = this.#firstOpen(cell)) {
      if (!isClosed(this.#spec, start + sizeMs, streamTime)) break;
      if (!this.#results) {
        const from = indexOfStart(cell, start);
        const end = start + sizeMs;
        const merged = this.#closedSlices(cell, from, indexOfStart(cell, end), start);
        // Field by field: an object spread is several times as slow in V8.
        if (merged !== undefined) {
          closed.push({ start, end, value: merged.value, timestamp: merged.timestamp });
        }
      }
      setFinalTo(cell, start + advanceMs);
      removeFirst(cell, indexOfStart(cell, cell.finalTo), this.#sliceMs);
    }
    if (windowsOf(cell) === 0) cells.remove();
    else cells.put(cell);
    return closed;
  }

  #closedSlices(
    cell: WindowCell<A>,
    from: number,
    to: number,
    start: number,
  ): Merged<A> | undefined {
    try {
      return this.#merges.mergeSlices(cell, from, to, start);
    } catch (error) {
      const timestamps = Array.from({ length: to - from }, (_, i) => timestampAt(cell, from + i));
      const timestamp = Math.max(...(timestamps as number[]));
      return { value: new FailedResult(error) as A, timestamp };
    }
  }

  /** Start of the first window that is not final and contains a record. */
  #firstOpen(cell: WindowCell<A>): number | undefined {
    const slice = startAt(cell, 0);
    if (slice === undefined) return undefined;
    return Math.max(cell.finalTo, firstWindowStart(this.#spec, slice));
  }

  /** Adds the record to its slice; returns the previous slice if results are needed. */
  #addToSlice(cell: PartedCell<A>, added: V, at: number): Merged<A> | undefined {
    const start = floorTo(at, this.#sliceMs);
    touch(cell, start, this.#sliceMs);
    const i = indexOfStart(cell, start);
    if (startAt(cell, i) !== start || (endAt(cell, i) as number) < 0) {
      this.#accumulators.begin(cell, i, start, start + this.#sliceMs, added, at);
      return undefined;
    }
    const before = this.#results ? this.#merges.slice(cell, i) : undefined;
    this.#accumulators.add(cell, i, added, at);
    return before;
  }

  *#rows(cell: WindowCell<A>, key: K): Iterable<StoreRow> {
    const { sizeMs, advanceMs } = this.#spec;
    const last = startAt(cell, windowsOf(cell) - 1) ?? 0;
    for (let start = this.#firstOpen(cell) ?? last + 1; start <= last; start += advanceMs) {
      const merged = this.#merges.window(cell, start);
      if (merged === undefined || !present(merged.value)) continue;
      yield { key, window: { start, end: start + sizeMs }, ...merged };
    }
  }
}
