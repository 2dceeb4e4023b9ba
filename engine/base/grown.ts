/**
 * A column with its numbers, and room for as many more: columns that grow are copied so, few times.
 */
export function grown<T extends Float64Array | Int32Array>(column: T): T {
  const longer = new (column.constructor as new (length: number) => T)(2 * column.length);
  longer.set(column);
  return longer;
}
