/**
 * Aggregates over tumbling, hopping and calendar windows `[start, end)`, one accumulator per
 * window. Used if the aggregate has no `merge`, if it depends on order, or if windows do not
 * overlap; otherwise aggregate-sliced.ts is used. Worked example (SEMANTICS B.1): size 10, grace 5;
 * records at 1, 9, 14 give [0,10) = 2 and [10,20) = 1; 8 is accepted at st 14, 9 is late at st 15.
 */
import { days } from '../engine/base/duration.ts';
import type { Cells, StoreSpec } from '../engine/graph/store-spec.ts';
import type { Serde } from '../engine/serde/serde.ts';
import { closesAt, isClosed } from '../engine/time/closed.ts';
import { gridOf, type WindowGrid } from '../engine/time/windows/hopping.ts';
import type { CalendarWindow, HoppingWindow } from '../engine/time/windows/window-spec.ts';
import type { Accumulators } from './accumulators.ts';
import { byStart, type Closed } from './closing.ts';
import { endAt, indexOfStart, startAt, timestampAt, windowsOf } from './window-cell.ts';
import {
  cutStore,
  emptyWholeCell,
  type PartedCell,
  removeFirst,
  touch,
  windowsAPart,
} from './window-parts.ts';
import {
  acceptedOnly,
  type UpdatesWanted,
  type WindowFamily,
  type WindowUpdate,
} from './windowed-step.ts';

/** Shortest calendar window, ms. */
const dayMs = days(1);

export class HoppingWindows<K, V, A> implements WindowFamily<K, V, A, PartedCell<A>> {
  readonly store: StoreSpec<K, PartedCell<A>>;
  readonly order = byStart;
  readonly #spec: HoppingWindow | CalendarWindow;
  readonly #grid: WindowGrid;
  readonly #accumulators: Accumulators<V, A>;
  /** No step reads which windows a record changed. */
  readonly #quiet: boolean;
  readonly #partMs: number;

  constructor(
    name: string,
    spec: HoppingWindow | CalendarWindow,
    accumulators: Accumulators<V, A>,
    key: Serde<K>,
    wanted: UpdatesWanted,
  ) {
    this.#quiet = wanted === 'nothing';
    this.#spec = spec;
    this.#grid = gridOf(spec);
    this.#accumulators = accumulators;
    this.#partMs = windowsAPart * (spec.type === 'hopping' ? spec.advanceMs : dayMs);
    this.store = cutStore(this.#partMs, {
      name,
      kind: 'window',
      key,
      accumulators,
      due: (cell) =>
        windowsOf(cell) === 0 ? Number.POSITIVE_INFINITY : closesAt(spec, endAt(cell, 0) as number),
    });
  }

  emptyCell(): PartedCell<A> {
    return emptyWholeCell(this.#accumulators.width);
  }

  update(
    cells: Cells<PartedCell<A>>,
    value: V,
    timestamp: number,
    streamTime: number,
    late: () => void,
  ): WindowUpdate<A>[] {
    const updates: WindowUpdate<A>[] = [];
    const cell = cells.get() ?? this.emptyCell();
    const accumulators = this.#accumulators;
    let taken = false;
    for (const start of this.#grid.starts(timestamp)) {
      const end = this.#grid.end(start);
      if (isClosed(this.#spec, end, streamTime)) {
        late();
        continue;
      }
      taken = true;
      touch(cell, start, this.#partMs);
      const i = indexOfStart(cell, start);
      const isKnown = startAt(cell, i) === start;
      const old = isKnown && !this.#quiet ? accumulators.valueAt(cell, i) : undefined;
      if (isKnown) accumulators.add(cell, i, value, timestamp);
      else accumulators.begin(cell, i, start, end, value, timestamp);
      if (this.#quiet) continue;
      const at = timestampAt(cell, i) as number;
      updates.push({ start, end, value: accumulators.valueAt(cell, i), timestamp: at, old });
    }
    if (!taken) return updates;
    cells.put(cell);
    return this.#quiet ? acceptedOnly : updates;
  }

  takeClosed(cells: Cells<PartedCell<A>>, streamTime: number): Closed<A>[] {
    const cell = cells.get();
    if (cell === undefined) return [];
    const closed: Closed<A>[] = [];
    for (let i = 0; i < windowsOf(cell); i++) {
      const end = endAt(cell, i) as number;
      if (!isClosed(this.#spec, end, streamTime)) break;
      const [start, timestamp] = [startAt(cell, i) as number, timestampAt(cell, i) as number];
      closed.push({ start, end, value: this.#accumulators.valueAt(cell, i), timestamp });
    }
    removeFirst(cell, closed.length, this.#partMs);
    if (windowsOf(cell) === 0) cells.remove();
    else cells.put(cell);
    return closed;
  }
}
