/**
 * The number form of an aggregate: its accumulator is a fixed number of numbers in an array.
 * Windows store them beside their times and update them in place, without a new object per record.
 * It is an alternative implementation of an existing aggregate and must give the same results.
 */
import { ignoreRejection, isThenable } from '../../engine/base/promises.ts';
import type { Aggregate } from '../aggregate-value.ts';

export interface NumberForm<V, A> {
  /** Numbers of an accumulator. */
  readonly width: number;
  /** Writes the accumulator of one record at `at`. @param timestamp of the record, ms UTC */
  begin(to: number[], at: number, value: V, timestamp: number): void;
  /** Adds a record to the accumulator at `at`. */
  add(to: number[], at: number, value: V, timestamp: number): void;
  /** Merges the accumulator at `rightAt` of another array, or of the same, into the one at `at`. */
  merge(left: number[], at: number, right: readonly number[], rightAt: number): void;
  /** The accumulator at `at`, as the aggregate's own type. */
  result(of: readonly number[], at: number): A;
}

// Not a property of the aggregate, because a copy with another `add` (`{ ...sum(of), add }`) must
// not inherit the form.
const forms = new WeakMap<object, NumberForm<never, unknown>>();

/** Registers the number form of an aggregate. */
export function withNumberForm<V, A, G extends Aggregate<V, A>>(
  aggregate: G,
  form: NumberForm<V, A>,
): G {
  forms.set(aggregate, form);
  return aggregate;
}

/** The number form of an aggregate; undefined if it has none. */
export function numberFormOf<V, A>(aggregate: Aggregate<V, A>): NumberForm<V, A> | undefined {
  return forms.get(aggregate) as NumberForm<V, A> | undefined;
}

export function numberAt(of: readonly number[], at: number): number {
  return of[at] as number;
}

/** The merge of totals. */
export function addTotal(
  left: number[],
  at: number,
  right: readonly number[],
  rightAt: number,
): void {
  left[at] = numberAt(left, at) + numberAt(right, rightAt);
}

/**
 * Checks the number that an aggregate takes from a record: anything else would turn the whole sum
 * into a string or NaN.
 * @throws TypeError if it is not a finite number
 */
export function finite(number: number, aggregate: string): number {
  if (typeof number === 'number' && number - number === 0) return number;
  ignoreRejection(number);
  const what = isThenable(number) ? 'a promise' : typeof number;
  const got = what === 'number' ? String(number) : what;
  throw new TypeError(`${aggregate}: expected a finite number from the record, got ${got}`);
}
