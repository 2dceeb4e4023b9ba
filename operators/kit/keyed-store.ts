/**
 * A store as a step uses it: access to the current key's cell, and the step's time.
 */
import type { TaskContext } from '../../engine/graph/processor.ts';
import type { Cells, KeyedBy } from '../../engine/graph/store-spec.ts';
import { OperatorTime } from './operator-time.ts';

/**
 * The cells of a store. The current key is that of the current record, or the one that `release`
 * has entered.
 */
export class KeyedStore<C, K = unknown> {
  /** Time of the step, stored here so that it survives a restart. */
  readonly time: OperatorTime;
  /** The serde of the store's keys. */
  readonly spec: KeyedBy<K>;
  readonly cells: Cells<C>;

  constructor(spec: KeyedBy<K>, cells: Cells<C>, task: TaskContext) {
    this.spec = spec;
    this.cells = cells;
    this.time = new OperatorTime(cells, task);
  }

  /** Returns the cell of the current key; undefined if it has none. */
  get(): C | undefined {
    return this.cells.get();
  }

  /** Stores the cell of the current key. A change in place takes effect only with `put`. */
  put(cell: C): void {
    this.cells.put(cell);
  }

  /** Removes the cell of the current key. */
  remove(): void {
    this.cells.remove();
  }

  /** A number of the step, the same for all keys of a task; undefined before it is set. */
  number(name: string): number | undefined {
    return this.cells.number(name);
  }

  /** Sets such a number; it is committed with the current record. */
  setNumber(name: string, value: number): void {
    this.cells.setNumber(name, value);
  }
}
