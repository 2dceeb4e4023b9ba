/**
 * Work on many cells in steps of a millisecond or less, so that a thread can answer questions
 * between two of them. No cell may be changed meanwhile.
 */

export type Steps<T> = Generator<undefined, T, undefined>;

/** A step ends after this many cells, or encoded bytes. */
export const [stepCells, stepBytes] = [32, 1_024];

/** All steps at once. */
export function allSteps<T>(steps: Steps<T>): T {
  for (;;) {
    const step = steps.next();
    if (step.done === true) return step.value;
  }
}
