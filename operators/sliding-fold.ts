/**
 * Merges of a range that slides along a line of partial aggregates: about three merges a step,
 * instead of one an element of the range (van Herk 1992, Gil and Werman 1993). The line is cut into
 * panes as wide as the range, so that a range is the end of one pane and the beginning of the next:
 *
 *     panes     |  . a b c d  |  e f g . .  |        c to f = (c d) (e f)
 *
 * Panes lie at multiples of their width, so whoever comes to a range merges the same elements in
 * the same order, also after a restart: sums of floating point numbers do not depend on it.
 */
export class SlidingFold<A> {
  readonly #width: number;
  readonly #merge: (left: A, right: A) => A;
  /**
   * The ends of this pane: its last element, its last two, and so on, as far as they were asked
   * for.
   */
  #endsOf = Number.NaN;
  readonly #ends: A[] = [];
  /** The beginning of this pane, up to an instant. */
  #beginningOf = Number.NaN;
  #beginning: A | undefined;
  #upTo = Number.NEGATIVE_INFINITY;

  /** @param width of the range, and of the panes, ms */
  constructor(width: number, merge: (left: A, right: A) => A) {
    this.#width = width;
    this.#merge = merge;
  }

  /** What follows is of another line. */
  forget(): void {
    this.#endsOf = Number.NaN;
    this.#beginningOf = Number.NaN;
  }

  /** Something came to be at an instant, or changed. */
  changed(at: number): void {
    const pane = Math.floor(at / this.#width);
    if (pane === this.#endsOf) this.#endsOf = Number.NaN;
    if (pane === this.#beginningOf && at <= this.#upTo) this.#beginningOf = Number.NaN;
  }

  /**
   * The merge of the elements in the range that begins at `start`, of which there must be some.
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
