/**
 * A store as a step holds it: its cells are those of the current key, and it keeps the step's time.
 */
import type { TaskContext } from '../../engine/graph/processor.ts';
import type { Cells, KeyedBy } from '../../engine/graph/store-spec.ts';
import { OperatorTime } from './operator-time.ts';

/**
 * The cells of a store. The current key is that of the record at hand, or the one that `release`
 * has entered.
 */
export class KeyedStore<C, K = unknown> {
  /** Time of the step, kept with this store, so that it survives a restart. */
  readonly time: OperatorTime;
  /** Of which store: how its keys are written. */
  readonly spec: KeyedBy<K>;
  readonly cells: Cells<C>;

  constructor(spec: KeyedBy<K>, cells: Cells<C>, task: TaskContext) {
    this.spec = spec;
    this.cells = cells;
    this.time = new OperatorTime(cells, task);
  }

  /** The cell of the current key; undefined when it has none. */
  get(): C | undefined {
    return this.cells.get();
  }

  /** Stores the cell of the current key. One that was changed in place counts only after `put`. */
  put(cell: C): void {
    this.cells.put(cell);
  }

  /** Forgets the cell of the current key. */
  remove(): void {
    this.cells.remove();
  }

  /**
   * A number of the step itself, the same for all keys of a task; undefined before the first set.
   */
  number(name: string): number | undefined {
    return this.cells.number(name);
  }

  /** Sets such a number; it is committed with the record at hand. */
  setNumber(name: string, value: number): void {
    this.cells.setNumber(name, value);
  }
}
