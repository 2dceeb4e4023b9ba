/** Several aggregates of the same records as one: an object with the result of each. */
import { MillraceError } from '../../engine/base/errors.ts';
import type { Aggregate, MergeableAggregate, SubtractableAggregate } from '../aggregate-value.ts';
import { type CombinedFunctions, compiledFunctions, type Part } from './combined-code.ts';
import { numberFormOf, withNumberForm } from './number-form.ts';

type Named<V, R> = { readonly [N in keyof R]: Aggregate<V, R[N]> };
type NamedMergeable<V, R> = { readonly [N in keyof R]: MergeableAggregate<V, R[N]> };
type NamedSubtractable<V, R> = { readonly [N in keyof R]: SubtractableAggregate<V, R[N]> };

/**
 * Several aggregates of the same records, each under its name: `combined({ n: count(), total:
 * sum(of) })` has results of the form `{ n, total }`. It has `merge` and `subtract` if all parts
 * have them, and depends on order if one part does. If all parts have a number form (count, sum,
 * average, min, max, decayedSum), windows store them without an object per window.
 * @throws CONFIG_INVALID without parts, and for a part named `__proto__`
 */
export function combined<V, R extends object>(
  parts: NamedMergeable<V, R> & NamedSubtractable<V, R>,
): MergeableAggregate<V, R> & SubtractableAggregate<V, R>;
export function combined<V, R extends object>(
  parts: NamedMergeable<V, R>,
): MergeableAggregate<V, R>;
export function combined<V, R extends object>(parts: Named<V, R>): Aggregate<V, R>;
export function combined<V, R extends object>(parts: Named<V, R>): Aggregate<V, R> {
  return combinedAs(undefined, parts);
}

/** @param name its name; default: composed of its parts */
export function combinedAs<V, R extends object>(
  name: string | undefined,
  named: Named<V, R>,
): Aggregate<V, R> {
  const parts = partsOf(named);
  const ownName = parts.map((part) => `${part.name}: ${part.aggregate.name ?? 'own'}`).join(', ');
  const { init, add, merge, subtract, form } =
    compiledFunctions<V, R>(parts) ?? loopedFunctions<V, R>(parts);
  const aggregates = parts.map(({ aggregate }) => aggregate);
  const aggregate: Aggregate<V, R> = {
    name: name ?? `combined(${ownName})`,
    init,
    add,
    ...(aggregates.every((of) => of.merge !== undefined) && { merge }),
    ...(aggregates.every((of) => of.subtract !== undefined) && { subtract }),
    ...(aggregates.some(({ ordered }) => ordered === true) && { ordered: true }),
  };
  if (parts.some((part) => part.form === undefined)) return aggregate;
  const width = parts.reduce((sum, part) => sum + (part.form?.width ?? 0), 0);
  return withNumberForm(aggregate, { width, ...form });
}

function partsOf<V, R extends object>(named: Named<V, R>): Part<V>[] {
  const all = Object.entries(named) as [string, Aggregate<V, unknown>][];
  const names = all.map(([name]) => name);
  if (names.length === 0 || names.includes('__proto__')) {
    const problem = names.length === 0 ? 'has no parts' : 'a part cannot be named __proto__';
    throw new MillraceError('CONFIG_INVALID', { field: 'combined', problem });
  }
  let width = 0;
  return all.map(([name, aggregate]) => {
    const form = numberFormOf(aggregate);
    const place = width;
    width += form?.width ?? 0;
    return { name, aggregate, form, place };
  });
}

/** The same functions as loops, if code generation is not allowed. */
function loopedFunctions<V, R>(parts: readonly Part<V>[]): CombinedFunctions<V, R> {
  const each = (of: (part: Part<V>) => unknown): R =>
    Object.fromEntries(parts.map((part) => [part.name, of(part)])) as R;
  const of = (whole: R, { name }: Part<V>) => (whole as Record<string, unknown>)[name];
  return {
    init: () => each(({ aggregate }) => aggregate.init()),
    add: (whole, value, at) => each((part) => part.aggregate.add(of(whole, part), value, at)),
    merge: (a, b) => each((part) => part.aggregate.merge?.(of(a, part), of(b, part))),
    subtract: (whole, value) => each((part) => part.aggregate.subtract?.(of(whole, part), value)),
    form: {
      begin: (to, at, value, timestamp) => {
        for (const { form, place } of parts) form?.begin(to, at + place, value, timestamp);
      },
      add: (to, at, value, timestamp) => {
        for (const { form, place } of parts) form?.add(to, at + place, value, timestamp);
      },
      merge: (left, at, right, rightAt) => {
        for (const { form, place } of parts) form?.merge(left, at + place, right, rightAt + place);
      },
      result: (numbers, at) => each(({ form, place }) => form?.result(numbers, at + place)),
    },
  };
}
