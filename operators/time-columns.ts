/** Ascending columns of a cell, such as the times that joins and versioned tables keep. */

/** Index of the first entry that is at least `from`; the number of entries if none is. */
export function firstAtOrAfter<T extends number | string>(entries: readonly T[], from: T): number {
  let [low, high] = [0, entries.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((entries[middle] as T) < from) low = middle + 1;
    else high = middle;
  }
  return low;
}

/** Index of the last time that is not after `at`; -1 if all are. Searches backwards. */
export function lastAtOrBefore(times: readonly number[], at: number): number {
  let i = times.length - 1;
  while (i >= 0 && (times[i] as number) > at) i--;
  return i;
}

/** Inserts one entry into each of several columns at the same index; at the end it appends. */
export function insertAt(
  at: number,
  ...entries: readonly (readonly [column: unknown[], entry: unknown])[]
): void {
  for (const [column, entry] of entries) {
    if (at === column.length) column.push(entry);
    else column.splice(at, 0, entry);
  }
}
