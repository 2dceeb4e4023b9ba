/**
 * Generated functions of combined aggregates, unrolled over the parts: a loop would be megamorphic
 * and never inlined. Names are embedded as string literals, so they cannot inject code.
 */
import type { Aggregate } from '../aggregate-value.ts';
import type { NumberForm } from './number-form.ts';

/** One of the aggregates that are combined. */
export interface Part<V> {
  readonly name: string;
  readonly aggregate: Aggregate<V, unknown>;
  readonly form: NumberForm<V, unknown> | undefined;
  /** Offset of its numbers, if all parts have a number form. */
  readonly place: number;
}

/** The functions over all parts. */
export interface CombinedFunctions<V, R> {
  readonly init: () => R;
  readonly add: (whole: R, value: V, timestamp: number) => R;
  /** Only valid if all parts have it, like the next one. */
  readonly merge: (left: R, right: R) => R;
  readonly subtract: (whole: R, value: V) => R;
  /** Only valid if all parts have a number form. */
  readonly form: Omit<NumberForm<V, R>, 'width'>;
}

/** Undefined if code generation is not allowed. */
export function compiledFunctions<V, R>(
  parts: readonly Part<V>[],
): CombinedFunctions<V, R> | undefined {
  const each = (code: (name: string, i: number, place: number) => string) =>
    parts.map(({ name, place }, i) => code(JSON.stringify(name), i, place)).join(' ');
  const results = (call: (name: string, i: number, place: number) => string) =>
    `return { ${each((name, i, place) => `${name}: ${call(name, i, place)},`)} };`;
  const body = `
    ${each((_, i) => `const a${i} = parts[${i}].aggregate, f${i} = parts[${i}].form;`)}
    return {
      init() { ${results((_, i) => `a${i}.init()`)} },
      add(whole, value, time) { ${results((name, i) => `a${i}.add(whole[${name}], value, time)`)} },
      merge(left, right) { ${results((name, i) => `a${i}.merge(left[${name}], right[${name}])`)} },
      subtract(whole, value) { ${results((name, i) => `a${i}.subtract(whole[${name}], value)`)} },
      form: {
        begin(to, at, value, time) { ${each((_, i, place) => `f${i}.begin(to, at + ${place}, value, time);`)} },
        add(to, at, value, time) { ${each((_, i, place) => `f${i}.add(to, at + ${place}, value, time);`)} },
        merge(to, at, from, start) { ${each((_, i, place) => `f${i}.merge(to, at + ${place}, from, start + ${place});`)} },
        result(of, at) { ${results((_, i, place) => `f${i}.result(of, at + ${place})`)} },
      },
    };`;
  try {
    return new Function('parts', body)(parts) as CombinedFunctions<V, R>;
  } catch (error) {
    if (!(error instanceof EvalError)) throw error;
    return undefined;
  }
}
