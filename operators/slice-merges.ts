/**
 * Results of windows out of the slices of a cell (aggregate-sliced.ts): the merge of a window's
 * slices, and of all windows over a slice that has changed.
 */
import { floorTo } from '../engine/time/floor-to.ts';
import { sliceMs } from '../engine/time/windows/hopping.ts';
import type { HoppingWindow } from '../engine/time/windows/window-spec.ts';
import type { Accumulators } from './accumulators.ts';
import type { MergeableAggregate } from './aggregate-value.ts';
import {
  endAt,
  indexOfStart,
  startAt,
  timestampAt,
  type WindowCell,
  windowsOf,
} from './window-cell.ts';
import type { WindowUpdate } from './windowed-step.ts';

export interface Merged<A> {
  readonly value: A;
  readonly timestamp: number;
}

export class SliceMerges<A> {
  readonly #sizeMs: number;
  readonly #sliceMs: number;
  readonly #aggregate: Pick<MergeableAggregate<never, A>, 'merge'>;
  readonly #accumulators: Accumulators<never, A>;

  constructor(
    spec: HoppingWindow,
    aggregate: Pick<MergeableAggregate<never, A>, 'merge'>,
    accumulators: Accumulators<never, A>,
  ) {
    this.#sizeMs = spec.sizeMs;
    this.#sliceMs = sliceMs(spec);
    this.#aggregate = aggregate;
    this.#accumulators = accumulators;
  }

  /** The window that starts at `start`; undefined without a record. */
  window(cell: WindowCell<A>, start: number): Merged<A> | undefined {
    const end = start + this.#sizeMs;
    return this.mergeSlices(cell, indexOfStart(cell, start), indexOfStart(cell, end), start);
  }

  /**
   * New and old results of the windows that start at `starts`, all of which hold the slice of `at`.
   */
  changed(
    cell: WindowCell<A>,
    before: Merged<A> | undefined,
    at: number,
    starts: readonly number[],
  ): WindowUpdate<A>[] {
    const i = indexOfStart(cell, floorTo(at, this.#sliceMs));
    const now = this.slice(cell, i);
    // Windows begin further left, the longer their left part and the shorter their right part.
    const updates: WindowUpdate<A>[] = [];
    let left: Merged<A> | undefined;
    let leftFrom = i;
    const rights = this.#rightMerges(cell, i + 1, starts);
    for (let w = starts.length - 1; w >= 0; w--) {
      const start = starts[w] as number;
      for (; leftFrom > 0 && (startAt(cell, leftFrom - 1) as number) >= start; leftFrom--) {
        left = this.#join(this.slice(cell, leftFrom - 1), left);
      }
      const right = rights[w];
      const merged = this.#join(this.#join(left, now), right) as Merged<A>;
      const old = this.#join(this.#join(left, before), right);
      updates.push({ start, end: start + this.#sizeMs, ...merged, old: old?.value });
    }
    return updates.reverse();
  }

  /** For each window, the merge of its slices from index `from` on. */
  #rightMerges(
    cell: WindowCell<A>,
    from: number,
    starts: readonly number[],
  ): (Merged<A> | undefined)[] {
    let right: Merged<A> | undefined;
    let to = from;
    return starts.map((start) => {
      for (; to < windowsOf(cell) && (startAt(cell, to) as number) < start + this.#sizeMs; to++) {
        right = this.#join(right, this.slice(cell, to));
      }
      return right;
    });
  }

  slice(cell: WindowCell<A>, i: number): Merged<A> {
    const value = this.#accumulators.valueAt(cell, i);
    return { value, timestamp: timestampAt(cell, i) as number };
  }

  /**
   * Rows [from, to) of the window that starts at `start`, except those that count only in later
   * windows.
   */
  mergeSlices(cell: WindowCell<A>, from: number, to: number, start: number): Merged<A> | undefined {
    if (from >= to) return undefined;
    let timestamp = Number.NEGATIVE_INFINITY;
    for (let i = from; i < to; i++) {
      if ((endAt(cell, i) as number) < 0) return this.#mergeMixed(cell, from, to, start);
      timestamp = Math.max(timestamp, timestampAt(cell, i) as number);
    }
    return { value: this.#accumulators.mergeOf(cell, from, to), timestamp };
  }

  #mergeMixed(cell: WindowCell<A>, from: number, to: number, start: number): Merged<A> | undefined {
    let merged: Merged<A> | undefined;
    for (let i = from; i < to; i++) {
      const end = endAt(cell, i) as number;
      if (end < 0 && -1 - end > start) continue;
      merged = this.#join(merged, this.slice(cell, i));
    }
    return merged;
  }

  #join(a: Merged<A> | undefined, b: Merged<A> | undefined): Merged<A> | undefined {
    if (a === undefined || b === undefined) return a ?? b;
    return {
      value: this.#aggregate.merge(a.value, b.value),
      timestamp: Math.max(a.timestamp, b.timestamp),
    };
  }
}
