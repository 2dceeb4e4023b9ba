/** Parts of the checks of a mapping. A mistake is MAPPING_INVALID, with the path of the field. */
import { MillraceError } from 'millrace';

export type Fail = (field: string, problem: string) => never;

export function failOf(mapping: string): Fail {
  return (field, problem) => {
    throw new MillraceError('MAPPING_INVALID', { mapping, field, problem });
  };
}

export function objectAt(field: string, found: unknown, fail: Fail): Record<string, unknown> {
  if (typeof found === 'object' && found !== null && !Array.isArray(found)) {
    return found as Record<string, unknown>;
  }
  return fail(field, found === undefined ? 'is needed: an object' : 'must be an object');
}

export function listAt(field: string, found: unknown, fail: Fail): unknown[] {
  return Array.isArray(found) ? found : fail(field, 'must be a list');
}

export function checkText(field: string, found: unknown, fail: Fail): string {
  return typeof found === 'string' && found !== '' ? found : fail(field, 'must be a text');
}

export function checkTextOrList(field: string, found: unknown, fail: Fail): void {
  if (!Array.isArray(found)) {
    checkText(field, found, fail);
    return;
  }
  if (found.length === 0) fail(field, 'must have at least one text');
  found.forEach((one, i) => {
    checkText(`${field}.${i}`, one, fail);
  });
}

/** Unknown names are mistakes, mostly of spelling. */
export function checkKeys(
  field: string,
  given: Readonly<Record<string, unknown>>,
  known: readonly string[],
  fail: Fail,
): void {
  for (const name of Object.keys(given)) {
    if (known.includes(name)) continue;
    const at = field === '' ? name : `${field}.${name}`;
    fail(at, `is not known; known are ${known.join(', ')}`);
  }
}
