import type { MergeableAggregate } from '../aggregate-value.ts';

/** Smallest number taken from the records; null before the first. */
export function min<V>(of: (value: V) => number): MergeableAggregate<V, number | null> {
  return extreme('min', of, Math.min);
}

/** Greatest number taken from the records; null before the first. */
export function max<V>(of: (value: V) => number): MergeableAggregate<V, number | null> {
  return extreme('max', of, Math.max);
}

function extreme<V>(
  name: string,
  of: (value: V) => number,
  better: (a: number, b: number) => number,
): MergeableAggregate<V, number | null> {
  const join = (a: number | null, b: number | null) =>
    a === null ? b : b === null ? a : better(a, b);
  return { name, init: () => null, add: (a, value) => join(a, of(value)), merge: join };
}
