/** Named numbers that steps keep in a store in addition to its cells. */
import type { UndoLog } from './undo-log.ts';

export type StoreNumbers = Readonly<Record<string, number>>;

interface NamedNumber {
  readonly name: string;
  value: number | undefined;
}

export class Numbers {
  /** True if a number has changed since the last seal. */
  dirty = false;
  readonly #byName = new Map<string, NamedNumber>();
  // Cache: mostly the same number is read and set.
  #last: NamedNumber = { name: '', value: undefined };

  constructor(numbers: StoreNumbers) {
    this.reset(numbers);
  }

  get(name: string): number | undefined {
    return this.#of(name).value;
  }

  /** Returns true if the value changed. */
  set(name: string, value: number, undo: UndoLog | undefined): boolean {
    const number = this.#of(name);
    if (number.value === value) return false;
    if (undo !== undefined) this.#note(undo, number);
    number.value = value;
    this.dirty = true;
    return true;
  }

  /** The numbers that were set, in an order independent of access. */
  get all(): StoreNumbers {
    const set = [...this.#byName.values()]
      .filter(({ value }) => value !== undefined)
      .sort((a, b) => (a.name < b.name ? -1 : 1));
    return Object.fromEntries(set.map(({ name, value }) => [name, value as number]));
  }

  /** Replaces all numbers. */
  reset(numbers: StoreNumbers): void {
    this.#byName.clear();
    for (const [name, value] of Object.entries(numbers)) this.#byName.set(name, { name, value });
    this.#last = { name: '', value: undefined };
  }

  // A function with a closure allocates a context on each call, so this one is separate.
  #note(undo: UndoLog, number: NamedNumber): void {
    const [before, wasDirty] = [number.value, this.dirty];
    undo.note(() => {
      number.value = before;
      this.dirty = wasDirty;
    });
  }

  #of(name: string): NamedNumber {
    if (name === this.#last.name) return this.#last;
    let number = this.#byName.get(name);
    if (number === undefined) {
      number = { name, value: undefined };
      this.#byName.set(name, number);
    }
    this.#last = number;
    return number;
  }
}
