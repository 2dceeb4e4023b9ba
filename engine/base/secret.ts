/** A value that must not be printed: text, JSON and inspection show only that it is set. */
export class Secret {
  readonly #value: string;

  constructor(value: string) {
    this.#value = value;
  }

  /** The value itself. */
  reveal(): string {
    return this.#value;
  }

  toString(): string {
    return '«set»';
  }

  toJSON(): string {
    return '«set»';
  }
}
