/** Checks a mapping that was read from JSON, down to the last member. */
import {
  checkField,
  checkFields,
  checkOneOf,
  checkTime,
  checkTimes,
  timeKeys,
} from './check-fields.ts';
import { checkTest, checkWhen } from './check-tests.ts';
import type { ClassRule } from './classes.ts';
import { groupMarks } from './decimal.ts';
import { type Mapping, subjectForms } from './mapping.ts';
import { textTests } from './pattern.ts';
import { envelopes } from './unpack.ts';
import {
  checkKeys,
  checkText,
  checkTextOrList,
  type Fail,
  failOf,
  listAt,
  objectAt,
} from './value-checks.ts';

const identifierKinds: readonly string[] = ['user', 'email', 'anonymous'];

const known = [
  '$schema',
  'name',
  'note',
  'format',
  'separator',
  'columns',
  'envelope',
  'root',
  'unpack',
  'subject',
  'subjectForm',
  'time',
  'received',
  'id',
  'class',
  'item',
  'link',
  'evidence',
  'currency',
  'purpose',
  'until',
  'skip',
  'order',
  'traits',
  'numbers',
  'identities',
  'configuration',
];
const evidenceFields = ['machine', 'ip', 'agent', 'method', 'prefetch', 'honeypot', 'links'];

/** Checks a mapping that was read from JSON. @throws MAPPING_INVALID that names the field */
export function checkMapping(value: unknown, mapping: string): Mapping {
  const fail = failOf(mapping);
  const given = objectAt('(all)', value, fail);
  checkKeys('', given, known, fail);
  checkFormat(given, fail);
  if (given['name'] !== undefined) checkText('name', given['name'], fail);
  if (given['$schema'] !== undefined) checkText('$schema', given['$schema'], fail);
  if (given['note'] !== undefined) checkTextOrList('note', given['note'], fail);
  checkField('subject', given['subject'], fail);
  checkOneOf('subjectForm', given['subjectForm'], subjectForms, fail);
  checkOneOf('order', given['order'], ['file', 'time'], fail);
  checkTimes('time', given['time'], fail);
  if (given['until'] !== undefined) checkTimes('until', given['until'], fail);
  if (given['received'] !== undefined) checkReceived(given['received'], fail);
  checkClass(given['class'], fail);
  for (const field of ['item', 'link', 'currency', 'purpose']) {
    if (given[field] !== undefined) checkField(field, given[field], fail);
  }
  if (given['id'] !== undefined) {
    const id = listAt('id', given['id'], fail);
    if (id.length === 0) fail('id', 'must name at least one field');
    id.forEach((one, i) => {
      checkField(`id.${i}`, one, fail);
    });
  }
  if (given['skip'] !== undefined) {
    listAt('skip', given['skip'], fail).forEach((rule, i) => {
      checkSkip(`skip.${i}`, rule, fail);
    });
  }
  if (given['evidence'] !== undefined) {
    checkKeys('evidence', objectAt('evidence', given['evidence'], fail), evidenceFields, fail);
    checkFields('evidence', given['evidence'], fail);
  }
  if (given['traits'] !== undefined) checkFields('traits', given['traits'], fail);
  if (given['numbers'] !== undefined) {
    for (const [name, told] of Object.entries(objectAt('numbers', given['numbers'], fail))) {
      checkNumber(`numbers.${name}`, told, fail);
    }
  }
  if (given['identities'] !== undefined) {
    listAt('identities', given['identities'], fail).forEach((one, i) => {
      checkIdentity(`identities.${i}`, one, fail);
    });
  }
  if (given['configuration'] !== undefined) objectAt('configuration', given['configuration'], fail);
  return { ...given, name: given['name'] ?? mapping } as Mapping;
}

function checkFormat(given: Readonly<Record<string, unknown>>, fail: Fail): void {
  const { format, separator, columns, envelope, root, unpack } = given;
  checkOneOf('envelope', envelope, envelopes, fail);
  if (format !== 'csv' && format !== 'jsonl' && format !== 'json') {
    fail('format', "must be 'csv', 'jsonl' or 'json'");
  }
  const isTable = format === 'csv';
  for (const [field, told] of Object.entries({ separator, columns })) {
    if (told !== undefined && !isTable) fail(field, 'is only for the format csv');
  }
  for (const [field, told] of Object.entries({ envelope, root, unpack })) {
    if (told !== undefined && isTable) fail(field, 'is only for the formats jsonl and json');
  }
  if (separator !== undefined && separator !== 'blanks') {
    if (typeof separator !== 'string' || !/^[^"\r\n]$/.test(separator)) {
      fail('separator', "must be one character other than a quote, or 'blanks'");
    }
  }
  if (columns !== undefined) {
    const names = listAt('columns', columns, fail).map((one, i) =>
      checkText(`columns.${i}`, one, fail).trim(),
    );
    const twice = names.findIndex((name, i) => names.indexOf(name) < i);
    if (twice >= 0) fail(`columns.${twice}`, `is the second column named ${names[twice]}`);
    if (names.length === 0) fail('columns', 'must name at least one column');
  }
  if (root !== undefined) {
    listAt('root', root, fail).forEach((one, i) => {
      checkText(`root.${i}`, one, fail);
    });
  }
  if (unpack === undefined) return;
  listAt('unpack', unpack, fail).forEach((one, i) => {
    if (!Array.isArray(one)) checkText(`unpack.${i}`, one, fail);
    else if (one.length === 0) fail(`unpack.${i}`, 'must name at least one path');
    else checkTextOrList(`unpack.${i}`, one, fail);
  });
}

function checkReceived(found: unknown, fail: Fail): void {
  const given = objectAt('received', found, fail);
  checkTime('received', given, [...timeKeys, 'maxSkewMs'], fail);
  const { maxSkewMs = 0 } = given;
  if (!Number.isSafeInteger(maxSkewMs) || (maxSkewMs as number) < 0) {
    fail('received.maxSkewMs', 'must be a whole number of 0 or more');
  }
}

function checkClass(found: unknown, fail: Fail): void {
  const given = objectAt('class', found, fail);
  const { value, field, map, rules } = given;
  const forms = [value, field, rules].filter((one) => one !== undefined);
  if (forms.length !== 1) fail('class', "needs one of 'value', 'field' and 'rules'");
  if (rules !== undefined) {
    checkKeys('class', given, ['rules'], fail);
    const list = listAt('class.rules', rules, fail);
    if (list.length === 0) fail('class.rules', 'must have at least one rule');
    list.forEach((rule, i) => {
      checkRule(`class.rules.${i}`, rule, fail);
    });
  } else if (value !== undefined) {
    checkKeys('class', given, ['value'], fail);
    checkText('class.value', value, fail);
  } else {
    checkKeys('class', given, ['field', 'map'], fail);
    checkField('class.field', field, fail);
    if (map === undefined) return;
    const entries = Object.entries(objectAt('class.map', map, fail));
    if (entries.length === 0) fail('class.map', 'must have at least one value');
    for (const [told, name] of entries) checkClassName(`class.map.${told}`, name, fail);
  }
}

function checkClassName(field: string, name: unknown, fail: Fail): void {
  const isName = (one: unknown) => typeof one === 'string' && one !== '';
  if (name === null || isName(name)) return;
  if (Array.isArray(name) && name.length > 0 && name.every(isName)) {
    const twice = name.find((one, i) => name.indexOf(one) < i);
    if (twice === undefined) return;
    fail(field, `has the class ${twice} twice`);
  }
  fail(field, 'must be the name of a class, a list of them, or null for rows to skip');
}

function checkRule(field: string, found: unknown, fail: Fail): void {
  const rule = objectAt(field, found, fail) as Readonly<Record<keyof ClassRule, unknown>>;
  checkKeys(field, rule, ['when', 'value', 'note'], fail);
  checkWhen(`${field}.when`, rule.when, fail);
  checkClassName(`${field}.value`, rule.value, fail);
  if (rule.note !== undefined) checkText(`${field}.note`, rule.note, fail);
}

function checkSkip(field: string, found: unknown, fail: Fail): void {
  const { field: of, ...test } = objectAt(field, found, fail);
  if (of === undefined) fail(field, `needs 'field' and one of ${textTests.join(', ')}`);
  checkField(`${field}.field`, of, fail);
  checkTest(field, test, fail);
}

function checkNumber(field: string, found: unknown, fail: Fail): void {
  const given = objectAt(field, found, fail);
  checkKeys(field, given, ['field', 'decimals', 'decimal', 'thousands', 'classes'], fail);
  checkField(`${field}.field`, given['field'], fail);
  const { decimals = 0, decimal, thousands, classes } = given;
  if (!Number.isInteger(decimals) || (decimals as number) < 0 || (decimals as number) > 9) {
    fail(`${field}.decimals`, 'must be a whole number of 0 to 9');
  }
  if (decimal !== undefined && decimal !== '.' && decimal !== ',') {
    fail(`${field}.decimal`, "must be '.' or ','");
  }
  if (thousands !== undefined && !(groupMarks as readonly unknown[]).includes(thousands)) {
    fail(`${field}.thousands`, `must be one of ${groupMarks.map((mark) => `'${mark}'`).join(' ')}`);
  }
  if (thousands === (decimal ?? '.')) {
    fail(`${field}.thousands`, "must be another mark than 'decimal'");
  }
  checkClasses(field, classes, fail);
}

function checkClasses(field: string, classes: unknown, fail: Fail): void {
  if (classes === undefined) return;
  const names = listAt(`${field}.classes`, classes, fail);
  if (names.length === 0) fail(`${field}.classes`, 'must name at least one class');
  names.forEach((one, i) => {
    checkText(`${field}.classes.${i}`, one, fail);
  });
}

function checkIdentity(field: string, found: unknown, fail: Fail): void {
  const given = objectAt(field, found, fail);
  checkKeys(field, given, ['kind', 'field', 'classes'], fail);
  if (given['kind'] === undefined) fail(`${field}.kind`, 'is needed');
  checkOneOf(`${field}.kind`, given['kind'], identifierKinds, fail);
  checkField(`${field}.field`, given['field'], fail);
  checkClasses(field, given['classes'], fail);
}
