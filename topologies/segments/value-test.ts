/** Comparisons of one value. */
import type { Trait } from '../event.ts';
import type { Comparison, Filter, ValueTest } from './definition.ts';
import type { Kept } from './history.ts';

export function compare<T extends Trait>(a: T, op: Comparison, b: T): boolean {
  switch (op) {
    case 'eq':
      return a === b;
    case 'ne':
      return a !== b;
    case 'lt':
      return a < b;
    case 'le':
      return a <= b;
    case 'gt':
      return a > b;
    case 'ge':
      return a >= b;
  }
}

/** A comparison with a missing value, or between different types, is false. */
export function passes(
  actual: Trait | undefined,
  op: ValueTest,
  value: Trait | readonly Trait[] | undefined,
): boolean {
  if (op === 'exists') return actual !== undefined;
  if (actual === undefined || value === undefined) return false;
  if (op === 'in') return Array.isArray(value) && value.includes(actual);
  if (op === 'contains') return typeof actual === 'string' && actual.includes(String(value));
  if (op === 'startsWith') return typeof actual === 'string' && actual.startsWith(String(value));
  return typeof actual === typeof value && compare(actual, op, value as Trait);
}

export function passesAll(kept: Kept, filters: readonly Filter[]): boolean {
  return filters.every(({ path, op, value }) => passes(kept[2].get(path), op, value));
}
