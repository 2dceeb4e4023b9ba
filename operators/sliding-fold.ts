/**
 * Merges a range that slides along a line of partial aggregates, with about three merges per step
 * instead of one per element of the range (van Herk 1992, Gil and Werman 1993). The line is cut
 * into panes as wide as the range, so a range is the end of one pane and the beginning of the next:
 *
 *     panes     |  . a b c d  |  e f g . .  |        c to f = (c d) (e f)
 *
 * Panes are at multiples of their width, so a range always merges the same elements in the same
 * order, also after a restart: floating-point sums are reproducible.
 */
export class SlidingFold<A> {
  readonly #width: number;
  readonly #merge: (left: A, right: A) => A;
  /**
   * The suffix merges of this pane: its last element, its last two, and so on, as far as computed.
   */
  #endsOf = Number.NaN;
  readonly #ends: A[] = [];
  /** The prefix merge of this pane, up to an instant. */
  #beginningOf = Number.NaN;
  #beginning: A | undefined;
  #upTo = Number.NEGATIVE_INFINITY;

  /** @param width width of the range and of the panes, ms */
  constructor(width: number, merge: (left: A, right: A) => A) {
    this.#width = width;
    this.#merge = merge;
  }

  /** Clears the cache, for another line. */
  forget(): void {
    this.#endsOf = Number.NaN;
    this.#beginningOf = Number.NaN;
  }

  /** Invalidates the merges that contain an instant. */
  changed(at: number): void {
    const pane = Math.floor(at / this.#width);
    if (pane === this.#endsOf) this.#endsOf = Number.NaN;
    if (pane === this.#beginningOf && at <= this.#upTo) this.#beginningOf = Number.NaN;
  }

  /**
   * The merge of the elements in the range that begins at `start`; there must be at least one.
   * @param indexAt index of the first element at an instant or after it
   */
  over(values: readonly A[], start: number, indexAt: (instant: number) => number): A {
    const pane = Math.floor(start / this.#width);
    const from = indexAt(start);
    const to = indexAt(start + this.#width);
    const border = Math.min(to, indexAt((pane + 1) * this.#width));
    if (border === to) return this.#end(values, pane, from, border);
    const beginning = this.#begin(values, pane + 1, border, to, start + this.#width - 1, indexAt);
    if (from === border) return beginning;
    return this.#merge(this.#end(values, pane, from, border), beginning);
  }

  #end(values: readonly A[], pane: number, from: number, border: number): A {
    if (pane !== this.#endsOf) {
      this.#endsOf = pane;
      this.#ends.length = 0;
    }
    const ends = this.#ends;
    for (let i = border - 1 - ends.length; i >= from; i--) {
      const value = values[i] as A;
      ends.push(ends.length === 0 ? value : this.#merge(value, ends[ends.length - 1] as A));
    }
    return ends[border - from - 1] as A;
  }

  #begin(
    values: readonly A[],
    pane: number,
    border: number,
    to: number,
    upTo: number,
    indexAt: (instant: number) => number,
  ): A {
    const known = pane === this.#beginningOf && this.#upTo <= upTo;
    let beginning = known ? this.#beginning : undefined;
    for (let i = known ? indexAt(this.#upTo + 1) : border; i < to; i++) {
      const value = values[i] as A;
      beginning = beginning === undefined ? value : this.#merge(beginning, value);
    }
    this.#beginningOf = pane;
    this.#beginning = beginning;
    this.#upTo = upTo;
    return beginning as A;
  }
}
