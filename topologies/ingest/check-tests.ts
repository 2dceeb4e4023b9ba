/** Checks tests of texts, and the conditions of rules that are made of them. */
import { type TextTest, textTest, textTests } from './pattern.ts';
import { isObject } from './row-fields.ts';
import { checkKeys, checkText, checkTextOrList, type Fail, objectAt } from './value-checks.ts';

/**
 * What must fit for a rule to be the one: each field a text, a list, a flag, or tests of a text.
 */
export function checkWhen(field: string, found: unknown, fail: Fail): void {
  const when = Object.entries(objectAt(field, found, fail));
  if (when.length === 0) fail(field, 'must test at least one field');
  for (const [name, told] of when) {
    const at = `${field}.${name}`;
    if (isObject(told) && !Array.isArray(told)) checkTest(at, told, fail);
    else if (typeof told !== 'string' && typeof told !== 'boolean') {
      const isList = Array.isArray(told) && told.length > 0;
      if (isList && told.every((one) => typeof one === 'string')) continue;
      fail(at, 'must be a text, a list of texts, true for any value, or tests of its text');
    }
  }
}

export function checkTest(
  field: string,
  test: Readonly<Record<string, unknown>>,
  fail: Fail,
): void {
  checkKeys(field, test, [...textTests, 'ignoreCase'], fail);
  const tests = textTests.filter((name) => test[name] !== undefined);
  if (tests.length === 0) fail(field, `needs one of ${textTests.join(', ')}`);
  for (const name of tests) {
    const told = test[name];
    const at = `${field}.${name}`;
    if (name === 'empty') {
      if (typeof told !== 'boolean') fail(at, 'must be true or false');
    } else if (name === 'equals') {
      const plain = ['string', 'number', 'boolean'];
      const all = Array.isArray(told) ? told : [told];
      if (all.length > 0 && all.every((one) => plain.includes(typeof one))) continue;
      fail(at, 'must be a text, a number, true or false, or a list of these');
    } else if (name === 'contains') checkTextOrList(at, told, fail);
    else checkText(at, told, fail);
  }
  if (test['ignoreCase'] !== undefined && typeof test['ignoreCase'] !== 'boolean') {
    fail(`${field}.ignoreCase`, 'must be true or false');
  }
  try {
    textTest(test as TextTest);
  } catch (error) {
    fail(`${field}.pattern`, `is not a pattern of RE2: ${(error as Error).message}`);
  }
}
