/**
 * Aggregates whose accumulators are numbers in an array, so many of them each: windows keep them
 * beside their times, and a record changes them in place, where an accumulator of its own would be
 * a new object at each record and several of them a key. It is another form of an aggregate that
 * there is, and must answer the same.
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
  /** The accumulator at `at`, as the aggregate answers it. */
  result(of: readonly number[], at: number): A;
}

// Not a property of the aggregate: a copy with another `add` (`{ ...sum(of), add }`) must not keep
// the form.
const forms = new WeakMap<object, NumberForm<never, unknown>>();

/** The aggregate, known to have such a form. */
export function withNumberForm<V, A, G extends Aggregate<V, A>>(
  aggregate: G,
  form: NumberForm<V, A>,
): G {
  forms.set(aggregate, form);
  return aggregate;
}

/** undefined of an aggregate that has none. */
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
 * The number that an aggregate takes from a record. Throws TypeError of what is none, or not
 * finite: it would make a text, or NaN, of all that is summed up already.
 */
export function finite(number: number, aggregate: string): number {
  if (typeof number === 'number' && number - number === 0) return number;
  ignoreRejection(number);
  const what = isThenable(number) ? 'a promise' : typeof number;
  const got = what === 'number' ? String(number) : what;
  throw new TypeError(`${aggregate}: expected a finite number from the record, got ${got}`);
}
