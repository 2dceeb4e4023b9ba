/**
 * What a careful task notes of its changes, so that those of a record which fails can be taken
 * back. Units of work nest: a timer that fires while a record is processed is a unit within the
 * record's. What a unit that succeeds has noted belongs to the unit around it.
 */
export type Undo = () => void;

export class UndoLog {
  readonly #undos: Undo[] = [];
  /** Where the unit at hand begins. */
  #from = 0;
  /** By object: where its value was noted last. */
  readonly #noted = new Map<object, number>();

  /** Begins a unit; the answer is to be given to `end`. */
  begin(): number {
    const outer = this.#from;
    this.#from = this.#undos.length;
    return outer;
  }

  /** Ends the unit at hand. @param outer answer of its `begin` */
  end(outer: number): void {
    this.#from = outer;
  }

  /** Takes back what the unit at hand has done, the newest first. */
  rollback(): void {
    while (this.#undos.length > this.#from) (this.#undos.pop() as Undo)();
  }

  /** The outermost unit is done: its changes stay. */
  clear(): void {
    this.#undos.length = 0;
    this.#noted.clear();
    this.#from = 0;
  }

  note(undo: Undo): void {
    this.#undos.push(undo);
  }

  /** True when the unit at hand has noted the object's value already. */
  knows(object: object): boolean {
    return (this.#noted.get(object) ?? -1) >= this.#from;
  }

  /** Notes how an object gets the value that it has now. */
  noteValue(object: object, undo: Undo): void {
    const before = this.#noted.get(object);
    this.#noted.set(object, this.#undos.length);
    this.#undos.push(() => {
      if (before === undefined) this.#noted.delete(object);
      else this.#noted.set(object, before);
      undo();
    });
  }

  /** The first problem among the objects whose values the unit at hand, or one within it, noted. */
  problem<P>(of: (object: object) => P | undefined): P | undefined {
    for (const [object, at] of this.#noted) {
      const found = at >= this.#from ? of(object) : undefined;
      if (found !== undefined) return found;
    }
    return undefined;
  }
}
