/** Mappings: how the rows of somebody's log become events. Declared in JSON; docs/MAPPINGS.md. */
import { MillraceError } from 'millrace';
import type { Event, Trait } from '../event.ts';
import { instantReader } from './instant.ts';

export interface SkipRule {
  readonly field: string;
  /** One of these says when the row is not wanted. */
  readonly startsWith?: string;
  readonly equals?: string;
  readonly empty?: boolean;
}

export interface Mapping {
  readonly name: string;
  readonly format: 'csv' | 'jsonl';
  /** Columns of a CSV file without a header. */
  readonly columns?: readonly string[];
  readonly subject: string;
  readonly time: { readonly field: string; readonly format: string; readonly zone?: string };
  /** Fields that together identify an event; without it equal rows are told apart by their ordinal. */
  readonly id?: readonly string[];
  /** A constant, or a field and the class for each of its values. */
  readonly class:
    | { readonly value: string }
    | { readonly field: string; readonly map?: Readonly<Record<string, string>> };
  /** What is counted once an hour. */
  readonly item?: string;
  readonly skip?: readonly SkipRule[];
  /** 'time': the file is not in the order of its times; it is sorted before it enters. */
  readonly order?: 'file' | 'time';
  /** Trait -> field. */
  readonly traits?: Readonly<Record<string, string>>;
  /** Number -> field, and how many decimals of it are kept as a whole number: 2 makes 12.5 to 1250. */
  readonly numbers?: Readonly<
    Record<string, { readonly field: string; readonly decimals?: number }>
  >;
}

export type MappedEvent =
  | { readonly key: string; readonly value: Event; readonly timestamp: number }
  | 'skip'
  | { readonly reject: string };

export type EventMap = (fields: Readonly<Record<string, unknown>>, id: string) => MappedEvent;

/** Events of a later year are a mistake of the source: they would make all others late. */
const lastYear = 2099;
const lastInstant = Date.UTC(lastYear + 1, 0, 1);

const known = [
  'name',
  'format',
  'columns',
  'subject',
  'time',
  'id',
  'class',
  'item',
  'skip',
  'order',
  'traits',
  'numbers',
];

/** Checks a mapping read from JSON. Throws MAPPING_INVALID that names the field. */
export function checkMapping(value: unknown, mapping: string): Mapping {
  const fail = (field: string, problem: string): never => {
    throw new MillraceError('MAPPING_INVALID', { mapping, field, problem });
  };
  if (!isObject(value)) return fail('(all)', 'must be a JSON object');
  const given = value as Partial<Mapping>;
  for (const field of Object.keys(given)) {
    if (!known.includes(field)) fail(field, `is not known; known are ${known.join(', ')}`);
  }
  const name = (field: string, found: unknown) => {
    if (typeof found !== 'string' || found === '') fail(field, 'must be the name of a field');
  };
  const names = (field: string, found: unknown) => {
    if (found === undefined) return;
    if (!Array.isArray(found)) fail(field, 'must be a list of names');
    (found as unknown[]).forEach((one, i) => {
      name(`${field}.${i}`, one);
    });
  };
  if (given.format !== 'csv' && given.format !== 'jsonl') {
    fail('format', "must be 'csv' or 'jsonl'");
  }
  name('subject', given.subject);
  name('time.field', given.time?.field);
  checkTime(given.time as Mapping['time'], fail);
  names('columns', given.columns);
  names('id', given.id);
  if (given.item !== undefined) name('item', given.item);
  if (given.order !== undefined && !['file', 'time'].includes(given.order)) {
    fail('order', "must be 'file' or 'time'");
  }
  checkClass(given.class, fail);
  checkSkip(given.skip, fail);
  if (given.traits !== undefined && !isObject(given.traits)) fail('traits', 'must be an object');
  for (const [trait, field] of Object.entries(given.traits ?? {})) name(`traits.${trait}`, field);
  if (given.numbers !== undefined && !isObject(given.numbers)) fail('numbers', 'must be an object');
  for (const [number, told] of Object.entries(given.numbers ?? {})) {
    name(`numbers.${number}.field`, (told as { field?: unknown } | null)?.field);
    const { decimals = 0 } = told;
    if (Number.isInteger(decimals) && decimals >= 0 && decimals <= 9) continue;
    fail(`numbers.${number}.decimals`, 'must be a whole number of 0 to 9');
  }
  return { ...given, name: given.name ?? mapping } as Mapping;
}

type Fail = (field: string, problem: string) => never;

function isObject(value: unknown): value is object {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function checkTime({ format, zone = 'UTC' }: Mapping['time'], fail: Fail): void {
  try {
    instantReader(String(format), zone);
  } catch (error) {
    fail('time.format', (error as Error).message);
  }
}

function checkClass(given: unknown, fail: Fail): void {
  const { value, field, map } = (given ?? {}) as { value?: unknown; field?: unknown; map?: object };
  if (typeof value !== 'string' && typeof field !== 'string')
    fail('class', "needs 'value' or 'field'");
  if (map !== undefined && !isObject(map)) fail('class.map', 'must be an object');
  for (const [told, name] of Object.entries(map ?? {})) {
    if (typeof name !== 'string') fail(`class.map.${told}`, 'must be the name of a class');
  }
}

function checkSkip(given: unknown, fail: Fail): void {
  if (given === undefined) return;
  if (!Array.isArray(given)) fail('skip', 'must be a list of rules');
  (given as Partial<SkipRule>[]).forEach(({ field, startsWith, equals, empty }, i) => {
    const tests = [startsWith, equals, empty].filter((test) => test !== undefined);
    if (typeof field === 'string' && tests.length === 1) return;
    fail(`skip.${i}`, "needs 'field' and one of 'startsWith', 'equals', 'empty'");
  });
}

/** The fields a file must have. */
export function neededFields(mapping: Mapping): readonly string[] {
  const { subject, time, id = [], item, skip = [], traits = {}, numbers = {} } = mapping;
  const all = [subject, time.field, ...id, ...skip.map((rule) => rule.field)];
  if ('field' in mapping.class) all.push(mapping.class.field);
  if (item !== undefined) all.push(item);
  all.push(...Object.values(numbers).map(({ field }) => field));
  return [...new Set([...all, ...Object.values(traits)])];
}

export function eventMap(mapping: Mapping): EventMap {
  const { time } = mapping;
  const read = instantReader(time.format, time.zone ?? 'UTC');
  return (fields, rowId) => {
    if ((mapping.skip ?? []).some((rule) => skips(rule, text(fields[rule.field])))) return 'skip';
    const key = text(fields[mapping.subject]);
    if (key === '') return { reject: `there is no subject in ${mapping.subject}` };
    const told = text(fields[time.field]);
    const timestamp = read(told);
    if (typeof timestamp === 'string') {
      return { reject: `time ${JSON.stringify(told)} ${timestamp}` };
    }
    if (timestamp < 0 || timestamp >= lastInstant) {
      return { reject: `time ${JSON.stringify(told)} lies outside 1970 to ${lastYear}` };
    }
    const eventClass = classOf(mapping, fields);
    if (eventClass === undefined) return { reject: unknownClass(mapping, fields) };
    const numbers = numbersOf(mapping, fields);
    if (typeof numbers === 'string') return { reject: numbers };
    const value = { ...event(mapping, fields, rowId, eventClass), ...numbers };
    return { key, value, timestamp };
  };
}

function event(
  mapping: Mapping,
  fields: Readonly<Record<string, unknown>>,
  rowId: string,
  eventClass: string,
): Event {
  const { id: idFields, item, traits } = mapping;
  const id = idFields === undefined ? rowId : idFields.map((name) => text(fields[name])).join('/');
  const found: Record<string, Trait> = {};
  for (const [trait, field] of Object.entries(traits ?? {})) {
    const value = fields[field];
    if (typeof value === 'number' || typeof value === 'boolean') found[trait] = value;
    else if (text(value) !== '') found[trait] = text(value);
  }
  const counted = item === undefined ? '' : text(fields[item]);
  return {
    id: id === '' ? rowId : id,
    class: eventClass,
    ...(counted === '' ? {} : { item: counted }),
    ...(Object.keys(found).length === 0 ? {} : { traits: found }),
  };
}

/** Decimal text to whole numbers, digit by digit: no rounding, so nothing is lost; or why not. */
function numbersOf(
  { numbers }: Mapping,
  fields: Readonly<Record<string, unknown>>,
): Pick<Event, 'numbers'> | string {
  if (numbers === undefined) return {};
  const found: Record<string, number> = {};
  for (const [name, { field, decimals = 0 }] of Object.entries(numbers)) {
    const told = text(fields[field]);
    if (told === '') continue;
    const match = /^(-?\d+)(?:\.(\d+?)0*)?$/.exec(told);
    const fraction = match?.[2] ?? '';
    const whole = Number(`${match?.[1]}${fraction.padEnd(decimals, '0')}`);
    if (match === null || fraction.length > decimals || !Number.isSafeInteger(whole)) {
      return `${field} ${JSON.stringify(told)} is no number of ${decimals} decimals`;
    }
    found[name] = whole;
  }
  return Object.keys(found).length === 0 ? {} : { numbers: found };
}

function classOf(mapping: Mapping, fields: Readonly<Record<string, unknown>>): string | undefined {
  if ('value' in mapping.class) return mapping.class.value;
  const { field, map } = mapping.class;
  // A number here is another column, or another log; read as a name it would count as nothing.
  if (typeof fields[field] !== 'string') return undefined;
  const told = text(fields[field]);
  return map === undefined ? told || undefined : map[told];
}

function unknownClass(mapping: Mapping, fields: Readonly<Record<string, unknown>>): string {
  const field = 'field' in mapping.class ? mapping.class.field : '';
  if (typeof fields[field] !== 'string')
    return `${field} ${JSON.stringify(fields[field])} is not text`;
  return `${field} ${JSON.stringify(text(fields[field]))} is no class that the mapping knows`;
}

function skips({ startsWith, equals, empty }: SkipRule, value: string): boolean {
  if (startsWith !== undefined) return value.startsWith(startsWith);
  return equals === undefined ? empty === true && value === '' : value === equals;
}

function text(value: unknown): string {
  return typeof value === 'string' ? value.trim() : typeof value === 'number' ? String(value) : '';
}
