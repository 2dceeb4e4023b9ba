/** Keeps the smallest n of many keys. */
export class LeastKeys {
  readonly #limit: number;
  #keys = new Set<string>();
  /** Keys after this one are not needed. */
  #last: string | undefined;

  constructor(limit: number) {
    this.#limit = limit;
  }

  add(keyText: string): void {
    if (this.#last !== undefined && keyText > this.#last) return;
    this.#keys.add(keyText);
    if (this.#keys.size < 4 * this.#limit + 64) return;
    const kept = this.sorted();
    this.#keys = new Set(kept);
    this.#last = kept.at(-1);
  }

  sorted(): string[] {
    return [...this.#keys].sort().slice(0, this.#limit);
  }
}
