/**
 * Converts values to JSON without ambiguity: values that JSON cannot express become an object with
 * one name that begins with `$`.
 *
 *   undefined     {"$undefined":true}      Date         {"$date":"2026-01-01T00:00:00.000Z"}
 *   NaN, -0, ∞    {"$number":"NaN"}        bytes        {"$bytes":"00ff"}
 *   12n           {"$bigint":"12"}         Map, Set     {"$map":[[k,v]]}, {"$set":[v]}
 *
 * An object with names that begin with `$` is wrapped in {"$object":{...}}.
 */
import { MillraceError } from '../../base/errors.ts';

export type Plain =
  | null
  | string
  | boolean
  | number
  | readonly Plain[]
  | { readonly [name: string]: Plain };

/**
 * @param where name of the value, for messages
 * @throws GOLDEN_VALUE for values that a file cannot express: functions, symbols, class instances,
 * cycles
 */
export function plainOf(value: unknown, where: string, within: readonly unknown[] = []): Plain {
  if (typeof value === 'object' && value !== null) return plainObject(value, where, within);
  if (typeof value === 'number') {
    const isJson = Number.isFinite(value) && !Object.is(value, -0);
    return isJson ? value : { $number: Object.is(value, -0) ? '-0' : String(value) };
  }
  if (value === undefined) return { $undefined: true };
  if (typeof value === 'bigint') return { $bigint: String(value) };
  if (typeof value === 'function') return refuse(where, 'is a function');
  if (typeof value === 'symbol') return refuse(where, 'is a symbol');
  return value as null | string | boolean;
}

function plainObject(value: object, where: string, within: readonly unknown[]): Plain {
  if (within.includes(value)) refuse(where, 'holds itself');
  const inner = [...within, value];
  const at = (one: unknown, name: string | number) => plainOf(one, `${where}.${name}`, inner);
  if (Array.isArray(value)) return Array.from(value, at);
  if (value instanceof Date) {
    return { $date: Number.isNaN(value.getTime()) ? 'invalid' : value.toISOString() };
  }
  if (value instanceof Uint8Array) return { $bytes: Buffer.from(value).toString('hex') };
  if (value instanceof Map) {
    return { $map: [...value].map(([key, one], i) => [at(key, i), at(one, i)]) };
  }
  if (value instanceof Set) return { $set: [...value].map(at) };
  const prototype: unknown = Object.getPrototypeOf(value);
  if (prototype !== Object.prototype && prototype !== null) {
    const { name = 'a class' } = value.constructor as { name?: string };
    refuse(where, `is an instance of ${name}: it would not come back as it is`);
  }
  if (Object.getOwnPropertySymbols(value).length > 0) refuse(where, 'has a name that is a symbol');
  const entries = Object.entries(value).map(([name, one]) => [name, at(one, name)] as const);
  // Keeps names such as __proto__.
  const plain: Plain = Object.fromEntries(entries);
  return entries.some(([name]) => name.startsWith('$')) ? { $object: plain } : plain;
}

function refuse(where: string, problem: string): never {
  throw new MillraceError('GOLDEN_VALUE', { where, problem });
}

/** The first path at which two values differ, with both values; undefined if they are equal. */
export function firstDifference(
  expected: Plain | undefined,
  actual: Plain | undefined,
  path = '',
): { readonly path: string; readonly expected: string; readonly actual: string } | undefined {
  if (isInner(expected) && isInner(actual) && Array.isArray(expected) === Array.isArray(actual)) {
    // In the order of the file; the order of names does not matter.
    for (const name of new Set([...Object.keys(expected), ...Object.keys(actual)])) {
      const [before, after] = [expected, actual].map((one) =>
        Object.hasOwn(one, name) ? one[name] : undefined,
      );
      const found = firstDifference(before, after, path === '' ? name : `${path}.${name}`);
      if (found !== undefined) return found;
    }
    return undefined;
  }
  if (JSON.stringify(expected) === JSON.stringify(actual)) return undefined;
  return { path, expected: textOf(expected), actual: textOf(actual) };
}

type Inner = { readonly [name: string]: Plain };

function isInner(value: Plain | undefined): value is Inner {
  return typeof value === 'object' && value !== null;
}

/** Formats a value; undefined means a missing name. */
function textOf(value: Plain | undefined): string {
  return value === undefined ? 'nothing' : JSON.stringify(value);
}
