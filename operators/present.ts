/**
 * The definition of a row. A table has no row for a key whose value is null or undefined, whether
 * it comes from a topic, a map, a joiner or an aggregate. On the edges of a table a change is (new,
 * old): a missing new row is null, a missing old row is undefined, everywhere.
 */
/** False of null and undefined. */
export function present<V>(value: V): value is NonNullable<V> {
  return value !== null && value !== undefined;
}
