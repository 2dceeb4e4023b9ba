/**
 * Swaps an item with the one before it, so that frequently used items move to the front of a
 * searched list.
 */
export function moveForward<T>(list: T[], i: number): void {
  if (i === 0) return;
  const item = list[i] as T;
  list[i] = list[i - 1] as T;
  list[i - 1] = item;
}
