/** Mappings: how the rows of somebody's log become events. Declared in JSON; docs/MAPPINGS.md. */
import { MillraceError } from 'millrace';
import { columnsOf, type FieldSpec, isObject, type Unpacking } from './fields.ts';
import { instantReader } from './instant.ts';

export interface SkipRule {
  readonly field: FieldSpec;
  /** One of these says when the row is not wanted. */
  readonly startsWith?: string;
  readonly equals?: string;
  readonly empty?: boolean;
}

export interface TimeSpec {
  readonly field: FieldSpec;
  /** One, or several of which exactly one must give an instant. */
  readonly format: string | readonly string[];
  /** IANA zone of times that name none; default UTC. */
  readonly zone?: string;
  /** ISO instant from which 'seconds', 'minutes', 'hours' or 'days' count. */
  readonly since?: string;
}

/** A class, or null: the row is not wanted. */
export type ClassName = string | null;

export interface ClassRule {
  /** Field -> its value, one of several, or true: it is there. All must fit. */
  readonly when: Readonly<Record<string, string | boolean | readonly string[]>>;
  readonly value: ClassName;
}

export type ClassSpec =
  | { readonly value: string }
  | { readonly field: FieldSpec; readonly map?: Readonly<Record<string, ClassName>> }
  /** The first that fits. */
  | { readonly rules: readonly ClassRule[] };

export interface EvidenceSpec {
  readonly machine?: FieldSpec;
  readonly ip?: FieldSpec;
  readonly agent?: FieldSpec;
  readonly method?: FieldSpec;
  readonly prefetch?: FieldSpec;
  readonly honeypot?: FieldSpec;
  readonly links?: FieldSpec;
}

export interface NumberSpec {
  readonly field: FieldSpec;
  readonly decimals?: number;
}

export const subjectForms = ['text', 'email', 'number'] as const;

export interface Mapping extends Unpacking {
  readonly name: string;
  readonly format: 'csv' | 'jsonl' | 'json';
  /** Between the columns of a CSV file: a character, default a comma, or 'blanks': one or more blanks. */
  readonly separator?: string;
  /** Columns of a CSV file without a header. */
  readonly columns?: readonly string[];
  readonly subject: FieldSpec;
  /** 'email': of `Ann <Ann@Shop.example>` the address, in small letters. 'number': 17850.0 is 17850. */
  readonly subjectForm?: (typeof subjectForms)[number];
  readonly time: TimeSpec;
  /** When the source got to know of it; an event from after that, and `maxSkewMs`, is refused. */
  readonly received?: TimeSpec & { readonly maxSkewMs?: number };
  /** Fields that together identify an event; without it equal rows are told apart by their ordinal. */
  readonly id?: readonly FieldSpec[];
  readonly class: ClassSpec;
  /** What is counted once an hour. */
  readonly item?: FieldSpec;
  /** The link of a click. */
  readonly link?: FieldSpec;
  readonly evidence?: EvidenceSpec;
  readonly currency?: FieldSpec;
  /** Of consents: what for, and until when. */
  readonly purpose?: FieldSpec;
  readonly until?: TimeSpec;
  readonly skip?: readonly SkipRule[];
  /** 'time': the file is not in the order of its times; it is sorted before it enters. */
  readonly order?: 'file' | 'time';
  /** Trait -> field. */
  readonly traits?: Readonly<Record<string, FieldSpec>>;
  /** Number -> field, and how many decimals of it are kept as a whole number: 2 makes 12.5 to 1250. */
  readonly numbers?: Readonly<Record<string, NumberSpec>>;
  /** What is done with the events where no other configuration is given. */
  readonly configuration?: unknown;
}

const known = [
  'name',
  'format',
  'separator',
  'columns',
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
  'configuration',
];
const evidenceFields = ['machine', 'ip', 'agent', 'method', 'prefetch', 'honeypot', 'links'];

type Fail = (field: string, problem: string) => never;

/** Checks a mapping read from JSON. Throws MAPPING_INVALID that names the field. */
export function checkMapping(value: unknown, mapping: string): Mapping {
  const fail: Fail = (field, problem) => {
    throw new MillraceError('MAPPING_INVALID', { mapping, field, problem });
  };
  if (!isObject(value) || Array.isArray(value)) return fail('(all)', 'must be a JSON object');
  const given = value as Partial<Mapping>;
  for (const field of Object.keys(given)) {
    if (!known.includes(field)) fail(field, `is not known; known are ${known.join(', ')}`);
  }
  if (!['csv', 'jsonl', 'json'].includes(given.format as string)) {
    fail('format', "must be 'csv', 'jsonl' or 'json'");
  }
  checkSeparator(given, fail);
  checkField('subject', given.subject, fail);
  if (given.subjectForm !== undefined && !subjectForms.includes(given.subjectForm)) {
    fail('subjectForm', `must be one of ${subjectForms.join(', ')}`);
  }
  checkTime('time', given.time, fail);
  if (given.received !== undefined) checkReceived(given.received, fail);
  if (given.until !== undefined) checkTime('until', given.until, fail);
  for (const field of ['columns', 'root'] as const) checkNames(field, given[field], fail);
  if (given.unpack !== undefined && !Array.isArray(given.unpack)) fail('unpack', 'must be a list');
  given.unpack?.forEach((one, i) => {
    checkNames(`unpack.${i}`, typeof one === 'string' ? [one] : one, fail);
  });
  if (given.id !== undefined) {
    if (!Array.isArray(given.id)) fail('id', 'must be a list of names');
    (given.id as unknown[]).forEach((one, i) => {
      checkField(`id.${i}`, one, fail);
    });
  }
  for (const field of ['item', 'link', 'currency', 'purpose'] as const) {
    if (given[field] !== undefined) checkField(field, given[field], fail);
  }
  if (given.order !== undefined && !['file', 'time'].includes(given.order)) {
    fail('order', "must be 'file' or 'time'");
  }
  checkClass(given.class, fail);
  checkSkip(given.skip, fail);
  checkFields('evidence', given.evidence, fail);
  for (const name of Object.keys(given.evidence ?? {})) {
    if (evidenceFields.includes(name)) continue;
    fail(`evidence.${name}`, `is not known; known are ${evidenceFields.join(', ')}`);
  }
  checkFields('traits', given.traits, fail);
  checkNumbers(given.numbers, fail);
  return { ...given, name: given.name ?? mapping } as Mapping;
}

function checkSeparator({ separator }: Partial<Mapping>, fail: Fail): void {
  if (separator === undefined || separator === 'blanks') return;
  if (typeof separator !== 'string' || separator.length !== 1) {
    fail('separator', "must be one character, or 'blanks'");
  }
}

function checkField(field: string, found: unknown, fail: Fail): void {
  const isName = (one: unknown) => typeof one === 'string' && one !== '';
  if (isName(found)) return;
  if (Array.isArray(found) && found.length > 0 && found.every(isName)) return;
  const constant = isObject(found) && !Array.isArray(found) ? found['value'] : undefined;
  if (['string', 'number', 'boolean'].includes(typeof constant)) return;
  fail(field, 'must be the name of a field, a list of names, or { "value": a constant }');
}

function checkNames(field: string, found: unknown, fail: Fail): void {
  if (found === undefined) return;
  if (!Array.isArray(found)) fail(field, 'must be a list of names');
  (found as unknown[]).forEach((one, i) => {
    if (typeof one !== 'string' || one === '') fail(`${field}.${i}`, 'must be the name of a field');
  });
}

function checkFields(field: string, found: unknown, fail: Fail): void {
  if (found === undefined) return;
  if (!isObject(found) || Array.isArray(found)) fail(field, 'must be an object');
  for (const [name, one] of Object.entries(found as object)) {
    checkField(`${field}.${name}`, one, fail);
  }
}

function checkTime(field: string, found: unknown, fail: Fail): void {
  const given = (isObject(found) ? found : {}) as Partial<TimeSpec>;
  checkField(`${field}.field`, given.field, fail);
  const formats = Array.isArray(given.format) ? given.format : [given.format];
  if (formats.length === 0) fail(`${field}.format`, 'must be a format, or a list of them');
  for (const format of formats) {
    try {
      instantReader(String(format), given.zone, given.since);
    } catch (error) {
      fail(`${field}.format`, (error as Error).message);
    }
  }
}

function checkReceived(found: NonNullable<Mapping['received']>, fail: Fail): void {
  checkTime('received', found, fail);
  const { maxSkewMs = 0 } = found;
  if (!Number.isSafeInteger(maxSkewMs) || maxSkewMs < 0) {
    fail('received.maxSkewMs', 'must be a whole number of 0 or more');
  }
}

function checkClass(given: unknown, fail: Fail): void {
  const { value, field, map, rules } = (given ?? {}) as Record<string, unknown>;
  if (Array.isArray(rules)) {
    rules.forEach((rule: Partial<ClassRule>, i) => {
      checkClassRule(`class.rules.${i}`, rule, fail);
    });
    return;
  }
  if (typeof value === 'string') return;
  if (field === undefined) fail('class', "needs 'value', 'field' or 'rules'");
  checkField('class.field', field, fail);
  if (map !== undefined && (!isObject(map) || Array.isArray(map))) {
    fail('class.map', 'must be an object');
  }
  for (const [told, name] of Object.entries((map ?? {}) as object)) {
    if (name === null || typeof name === 'string') continue;
    fail(`class.map.${told}`, 'must be the name of a class, or null for rows that are not wanted');
  }
}

function checkClassRule(field: string, rule: Partial<ClassRule>, fail: Fail): void {
  if (!isObject(rule?.when)) fail(`${field}.when`, 'must be an object of fields and their values');
  for (const [name, told] of Object.entries(rule.when as object)) {
    const texts = Array.isArray(told) ? told : [told];
    if (texts.every((one) => typeof one === 'string' || typeof one === 'boolean')) continue;
    fail(`${field}.when.${name}`, 'must be a text, a list of texts, or true: it is there');
  }
  if (rule.value === null || typeof rule.value === 'string') return;
  fail(`${field}.value`, 'must be the name of a class, or null for rows that are not wanted');
}

function checkSkip(given: unknown, fail: Fail): void {
  if (given === undefined) return;
  if (!Array.isArray(given)) fail('skip', 'must be a list of rules');
  (given as Partial<SkipRule>[]).forEach(({ field, startsWith, equals, empty }, i) => {
    const tests = [startsWith, equals, empty].filter((test) => test !== undefined);
    if (tests.length !== 1 || field === undefined) {
      fail(`skip.${i}`, "needs 'field' and one of 'startsWith', 'equals', 'empty'");
    }
    checkField(`skip.${i}.field`, field, fail);
  });
}

function checkNumbers(given: unknown, fail: Fail): void {
  if (given === undefined) return;
  if (!isObject(given) || Array.isArray(given)) fail('numbers', 'must be an object');
  for (const [number, told] of Object.entries(given as object)) {
    const { field, decimals = 0 } = (isObject(told) ? told : {}) as Partial<NumberSpec>;
    checkField(`numbers.${number}.field`, field, fail);
    if (Number.isInteger(decimals) && decimals >= 0 && decimals <= 9) continue;
    fail(`numbers.${number}.decimals`, 'must be a whole number of 0 to 9');
  }
}

/** The fields a table must have; of a list, one. Nested JSON says by row what it has. */
export function neededFields(mapping: Mapping): readonly (readonly string[])[] {
  const { subject, time, received, id = [], item, link, currency, purpose, until } = mapping;
  const { skip = [], evidence = {}, traits = {}, numbers = {} } = mapping;
  const rules = 'rules' in mapping.class ? mapping.class.rules : [];
  const specs: (FieldSpec | undefined)[] = [
    ...[subject, time.field, received?.field, ...id, item, link, currency, purpose, until?.field],
    ...skip.map((rule) => rule.field),
    'field' in mapping.class ? mapping.class.field : undefined,
    ...rules.flatMap(({ when }) => Object.keys(when)),
    ...(Object.values(evidence) as FieldSpec[]),
    ...Object.values(numbers).map(({ field }) => field),
    ...Object.values(traits),
  ];
  const needed = specs.map(columnsOf).filter((columns) => columns.length > 0);
  return [...new Map(needed.map((columns) => [columns.join('\n'), columns])).values()];
}
