/**
 * Exchanges an item with the one before it: those that are wanted oftener come to the front of a
 * list that is searched.
 */
export function moveForward<T>(list: T[], i: number): void {
  if (i === 0) return;
  const item = list[i] as T;
  list[i] = list[i - 1] as T;
  list[i - 1] = item;
}
