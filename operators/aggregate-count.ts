/**
 * Count windows: the records of a key are numbered from 0 in order of arrival; a window `[start,
 * end)` of these numbers is closed by the record that fills it. Time plays no part: nothing is
 * late, and neither other keys nor the idle clock close a window. Worked example, size 3, advance
 * 2:
 *
 *     records   0  1  2  3  4
 *     windows  [0  1  2)                 closed by record 2
 *                    [2  3  4)           closed by record 4
 *
 * The timestamp of a result is the greatest of its window's records. A key's cell stays after its
 * windows are closed, because it has the number of records so far, so that no window number is used
 * twice.
 */
import type { Step } from '../engine/graph/node.ts';
import type { AnyReceiver, BuildContext } from '../engine/graph/processor.ts';
import type { Cells, StoreSpec } from '../engine/graph/store-spec.ts';
import type { Serde } from '../engine/serde/serde.ts';
import { isClosed } from '../engine/time/closed.ts';
import type { CountWindow } from '../engine/time/windows/window-spec.ts';
import { type Accumulators, accumulatorsOf } from './accumulators.ts';
import { dropUnusable } from './aggregate.ts';
import type { Aggregate } from './aggregate-value.ts';
import { present } from './present.ts';
import { indexOfStart, removeWindows, startAt, timestampAt } from './window-cell.ts';
import {
  cutStore,
  emptyWholeCell,
  type PartedCell,
  setFinalTo,
  touch,
  windowsAPart,
} from './window-parts.ts';

/** The store and the step; `emit` 'close' emits full windows only, 'update' every change. */
export function countWindowStep<K, V, A>(
  name: string,
  spec: CountWindow,
  aggregate: Aggregate<V, A>,
  key: Serde<K>,
  value: Serde<A>,
  emit: 'update' | 'close',
): Step {
  const accumulators = accumulatorsOf(aggregate, value);
  const store = cutStore<K, A>(windowsAPart * spec.advance, {
    name,
    kind: 'window',
    key,
    accumulators,
    due: () => Number.POSITIVE_INFINITY,
  });
  return {
    kind: 'aggregate-window',
    name,
    detail: { aggregate: aggregate.name ?? 'own', emit, ...spec },
    stores: [store],
    build: (context) => [
      new CountWindows({ name, spec, accumulators, closing: emit === 'close', context, store }),
    ],
  };
}

interface CountWindowParts<K, V, A> {
  readonly name: string;
  readonly spec: CountWindow;
  readonly accumulators: Accumulators<V, A>;
  readonly closing: boolean;
  readonly context: BuildContext;
  readonly store: StoreSpec<K, PartedCell<A>>;
}

class CountWindows<K, V, A> implements AnyReceiver {
  readonly #parts: CountWindowParts<K, V, A>;
  readonly #cells: Cells<PartedCell<A>>;
  readonly #next: AnyReceiver;

  constructor(parts: CountWindowParts<K, V, A>) {
    this.#parts = parts;
    this.#cells = parts.context.cells<PartedCell<A>>(parts.store as never);
    this.#next = parts.context.output(0);
  }

  receive(key: unknown, value: unknown, timestamp: number): void {
    const { name, spec, accumulators, closing, context } = this.#parts;
    if (dropUnusable(context, name, key, value)) return;
    // `finalTo` is the number of the next record.
    const cell = this.#cells.get() ?? firstCell<A>(accumulators.width);
    const number = cell.finalTo;
    setFinalTo(cell, number + 1);
    const changes = startsOf(spec, number).map((start) =>
      this.#update(cell, start, value as V, timestamp),
    );
    const full = changes.filter(({ end }) => isClosed(spec, end, cell.finalTo));
    for (const { start } of full) {
      touch(cell, start, windowsAPart * spec.advance);
      removeWindows(cell, indexOfStart(cell, start), 1);
    }
    this.#cells.put(cell);
    for (const { start, end, result, at, old } of closing ? full : changes) {
      const before = closing ? undefined : (old ?? undefined);
      if (!present(result) && !present(before)) continue;
      this.#next.receive({ key, start, end }, result ?? null, at, before);
    }
  }

  #update(cell: PartedCell<A>, start: number, value: V, timestamp: number) {
    const { spec, accumulators } = this.#parts;
    const end = start + spec.size;
    const i = indexOfStart(cell, start);
    const isKnown = startAt(cell, i) === start;
    touch(cell, start, windowsAPart * spec.advance);
    const old = isKnown ? accumulators.valueAt(cell, i) : undefined;
    if (isKnown) accumulators.add(cell, i, value, timestamp);
    else accumulators.begin(cell, i, start, end, value, timestamp);
    const at = timestampAt(cell, i) as number;
    return { start, end, result: accumulators.valueAt(cell, i), at, old };
  }
}

function firstCell<A>(width: number): PartedCell<A> {
  const cell = emptyWholeCell<A>(width);
  cell.finalTo = 0;
  return cell;
}

/** Starts of the windows that contain record `number`, ascending. */
function startsOf({ size, advance }: CountWindow, number: number): number[] {
  const earliest = Math.max(0, number - size + advance);
  const starts: number[] = [];
  for (let start = earliest - (earliest % advance); start <= number; start += advance) {
    starts.push(start);
  }
  return starts;
}
