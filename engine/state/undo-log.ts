/**
 * The undo log of a careful task: how to undo the changes of a record that fails. Units of work
 * nest: a timer that fires while a record is processed is a unit within the record's. The notes of
 * a unit that succeeds become part of the enclosing unit.
 */
export type Undo = () => void;

export class UndoLog {
  readonly #undos: Undo[] = [];
  /** Start of the current unit. */
  #from = 0;
  /** By object: where its value was last noted. */
  readonly #noted = new Map<object, number>();

  /** Begins a unit; pass the result to `end`. */
  begin(): number {
    const outer = this.#from;
    this.#from = this.#undos.length;
    return outer;
  }

  /** Ends the current unit. @param outer result of its `begin` */
  end(outer: number): void {
    this.#from = outer;
  }

  /** Undoes the changes of the current unit, newest first. */
  rollback(): void {
    while (this.#undos.length > this.#from) (this.#undos.pop() as Undo)();
  }

  /** Ends the outermost unit: its changes stay. */
  clear(): void {
    this.#undos.length = 0;
    this.#noted.clear();
    this.#from = 0;
  }

  note(undo: Undo): void {
    this.#undos.push(undo);
  }

  /** True if the current unit has already noted the object's value. */
  knows(object: object): boolean {
    return (this.#noted.get(object) ?? -1) >= this.#from;
  }

  /** Notes how to restore an object's current value. */
  noteValue(object: object, undo: Undo): void {
    const before = this.#noted.get(object);
    this.#noted.set(object, this.#undos.length);
    this.#undos.push(() => {
      if (before === undefined) this.#noted.delete(object);
      else this.#noted.set(object, before);
      undo();
    });
  }

  /** The first problem among the objects noted by the current unit or one within it. */
  problem<P>(of: (object: object) => P | undefined): P | undefined {
    for (const [object, at] of this.#noted) {
      const found = at >= this.#from ? of(object) : undefined;
      if (found !== undefined) return found;
    }
    return undefined;
  }
}
