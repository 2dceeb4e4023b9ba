/** Ascending times of a cell, as joins and versioned tables keep them. */

/** Index of the last time that is not after `at`; -1 when all are. Looks from the newest back. */
export function lastAtOrBefore(times: readonly number[], at: number): number {
  let i = times.length - 1;
  while (i >= 0 && (times[i] as number) > at) i--;
  return i;
}
