/**
 * How many records of a partition a cycle takes, at most. Each cycle ends in a transaction, whose price hardly depends on what it carries:
 * for tasks with little to do it is most of what a cycle costs the broker. So where records wait, cycles grow until they last about as
 * long as commits are to be apart.
 */

/** So many however long a cycle takes: fewer cost more a record (bench/README.md). */
const least = 16_384;
/** More gain little, and wait in memory. */
const most = 65_536;
/** Of the commit interval: a cycle that takes less may take twice the records, and one that takes more half of them. */
const [short, long] = [0.6, 2];

export class CycleSize {
  readonly #least: number;
  readonly #most: number;
  readonly #commitIntervalMs: number;
  #records: number;

  /** @param fixed records of a partition, where they are not to change; @param commitIntervalMs ms, 0 when there is none */
  constructor(fixed: number | undefined, commitIntervalMs: number) {
    this.#least = fixed ?? least;
    this.#most = fixed ?? most;
    this.#commitIntervalMs = commitIntervalMs;
    this.#records = this.#least;
  }

  get records(): number {
    return this.#records;
  }

  /** So many records of a partition that wait are a backlog, however many a cycle takes. */
  get backlog(): number {
    return this.#least / 2;
  }

  /** A cycle with a backlog took so long, ms. */
  took(ms: number): void {
    const shareOfInterval = ms / this.#commitIntervalMs;
    if (shareOfInterval < short) this.#records = Math.min(2 * this.#records, this.#most);
    else if (shareOfInterval > long) {
      this.#records = Math.max(this.#records / 2, this.#least);
    }
  }
}
