/**
 * What is a row. A table has no row of a key whose value is null or undefined, whoever says so: a
 * topic, a map, a joiner, an aggregate. On the edges of a table a change is (new, old): no new row
 * is null, no old row is undefined, and nowhere is it the other way round.
 */
/** False of null and undefined. */
export function present<V>(value: V): value is NonNullable<V> {
  return value !== null && value !== undefined;
}
