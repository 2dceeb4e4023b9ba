/**
 * A copy of a column with twice the room, so that growing columns are copied rarely.
 */
export function grown<T extends Float64Array | Int32Array>(column: T): T {
  const longer = new (column.constructor as new (length: number) => T)(2 * column.length);
  longer.set(column);
  return longer;
}
