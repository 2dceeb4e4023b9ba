/** Checks the members of a mapping that name fields of a row, and times. */
import { instantReader, zonePolicies } from 'millrace';
import { checkTest } from './check-tests.ts';
import { isObject } from './row-fields.ts';
import { checkKeys, checkText, type Fail, listAt, objectAt } from './value-checks.ts';

export const timeKeys = ['field', 'format', 'zone', 'since', 'from', 'gap', 'overlap'];

const fieldForms =
  'must be the name of a field, a list of fields, { "value": a constant }, { "field", "path" }, { "field" } with tests of its text, { "join": fields } or { "content": true }';

export function checkField(field: string, found: unknown, fail: Fail): void {
  if (typeof found === 'string' && found !== '') return;
  if (Array.isArray(found)) {
    if (found.length === 0) fail(field, fieldForms);
    found.forEach((one, i) => {
      checkField(`${field}.${i}`, one, fail);
    });
    return;
  }
  if (!isObject(found)) fail(field, fieldForms);
  else checkFieldForm(field, found, fail);
}

function checkFieldForm(field: string, found: Readonly<Record<string, unknown>>, fail: Fail): void {
  const form = ['value', 'join', 'content', 'path'].find((name) => Object.hasOwn(found, name));
  if (form === 'value') {
    checkKeys(field, found, ['value'], fail);
    const { value } = found;
    if (!['string', 'number', 'boolean'].includes(typeof value)) {
      fail(field, 'must have a text, a number, true or false as value');
    }
  } else if (form === 'join') {
    checkKeys(field, found, ['join', 'with'], fail);
    const parts = listAt(`${field}.join`, found['join'], fail);
    if (parts.length < 2) fail(`${field}.join`, 'must name at least two fields');
    parts.forEach((one, i) => {
      checkField(`${field}.join.${i}`, one, fail);
    });
    if (found['with'] !== undefined && typeof found['with'] !== 'string') {
      fail(`${field}.with`, 'must be a text');
    }
  } else if (form === 'content') {
    checkKeys(field, found, ['content'], fail);
    if (found['content'] !== true) fail(`${field}.content`, 'must be true');
  } else if (form === 'path') {
    checkKeys(field, found, ['field', 'path'], fail);
    checkField(`${field}.field`, found['field'], fail);
    checkText(`${field}.path`, found['path'], fail);
  } else if (Object.hasOwn(found, 'field')) {
    const { field: of, ...test } = found;
    checkField(`${field}.field`, of, fail);
    checkTest(field, test, fail);
  } else fail(field, fieldForms);
}

export function checkFields(field: string, found: unknown, fail: Fail): void {
  for (const [name, one] of Object.entries(objectAt(field, found, fail))) {
    checkField(`${field}.${name}`, one, fail);
  }
}

export function checkOneOf(
  field: string,
  found: unknown,
  names: readonly string[],
  fail: Fail,
): void {
  if (found === undefined || names.includes(found as string)) return;
  fail(field, `must be one of ${names.join(', ')}`);
}

export function checkTimes(field: string, found: unknown, fail: Fail): void {
  if (!Array.isArray(found)) {
    checkTime(field, objectAt(field, found, fail), timeKeys, fail);
    return;
  }
  if (found.length === 0) fail(field, 'must have at least one field and format');
  found.forEach((one, i) => {
    checkTime(`${field}.${i}`, objectAt(`${field}.${i}`, one, fail), timeKeys, fail);
  });
}

export function checkTime(
  field: string,
  given: Readonly<Record<string, unknown>>,
  keys: readonly string[],
  fail: Fail,
): void {
  checkKeys(field, given, keys, fail);
  checkField(`${field}.field`, given['field'], fail);
  checkOneOf(`${field}.gap`, given['gap'], zonePolicies, fail);
  checkOneOf(`${field}.overlap`, given['overlap'], zonePolicies, fail);
  const { zone, since, from, format } = given;
  for (const [name, told] of Object.entries({ since, from })) {
    if (told === undefined) continue;
    const at = typeof told === 'string' ? instantReader('iso')(told) : undefined;
    if (typeof at === 'number') continue;
    fail(`${field}.${name}`, 'must be an instant such as 2026-01-31T00:00:00Z');
  }
  if (zone !== undefined) {
    try {
      instantReader('iso-local', checkText(`${field}.zone`, zone, fail));
    } catch (error) {
      fail(`${field}.zone`, (error as Error).message);
    }
  }
  const formats = Array.isArray(format) ? format : [format];
  if (formats.length === 0) fail(`${field}.format`, 'must be a format, or a list of them');
  formats.forEach((one: unknown, i) => {
    const at = Array.isArray(format) ? `${field}.format.${i}` : `${field}.format`;
    const name = checkText(at, one, fail);
    try {
      instantReader(name, zone as string | undefined, since as string | undefined);
    } catch (error) {
      fail(`${field}.format`, (error as Error).message);
    }
  });
}
