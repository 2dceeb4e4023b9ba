/** Mappings: how the rows of somebody's log become events. Declared in JSON; docs/MAPPINGS.md. */
import { MillraceError } from 'millrace';
import type { Event, Trait } from '../event.ts';
import { type InstantReader, instantReader } from './instant.ts';

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
];

/** Checks a mapping read from JSON. Throws MAPPING_INVALID that names the field. */
export function checkMapping(value: unknown, mapping: string): Mapping {
  const fail = (field: string, problem: string): never => {
    throw new MillraceError('MAPPING_INVALID', { mapping, field, problem });
  };
  if (typeof value !== 'object' || value === null) return fail('(all)', 'must be a JSON object');
  const given = value as Partial<Mapping>;
  for (const field of Object.keys(given)) {
    if (!known.includes(field)) fail(field, `is not known; known are ${known.join(', ')}`);
  }
  if (given.format !== 'csv' && given.format !== 'jsonl')
    fail('format', "must be 'csv' or 'jsonl'");
  if (typeof given.subject !== 'string') fail('subject', 'must name the field of the subject');
  if (typeof given.time?.field !== 'string') fail('time.field', 'must name the field of the time');
  const { format = '', zone = 'UTC' } = given.time ?? {};
  if (instantReader(format, zone) === undefined) {
    fail('time.format', "must be 'iso', 'epoch-ms', 'epoch-s' or a pattern, with a known zone");
  }
  if (given.order !== undefined && !['file', 'time'].includes(given.order)) {
    fail('order', "must be 'file' or 'time'");
  }
  const eventClass = given.class as { value?: unknown; field?: unknown } | undefined;
  if (typeof eventClass?.value !== 'string' && typeof eventClass?.field !== 'string') {
    fail('class', "must have 'value' or 'field'");
  }
  return { ...given, name: given.name ?? mapping } as Mapping;
}

/** The fields a file must have. */
export function neededFields(mapping: Mapping): readonly string[] {
  const { subject, time, id = [], item, skip = [], traits = {} } = mapping;
  const all = [subject, time.field, ...id, ...skip.map((rule) => rule.field)];
  if ('field' in mapping.class) all.push(mapping.class.field);
  if (item !== undefined) all.push(item);
  return [...new Set([...all, ...Object.values(traits)])];
}

export function eventMap(mapping: Mapping): EventMap {
  const { time } = mapping;
  const read = instantReader(time.format, time.zone ?? 'UTC') as InstantReader;
  return (fields, rowId) => {
    if ((mapping.skip ?? []).some((rule) => skips(rule, text(fields[rule.field])))) return 'skip';
    const key = text(fields[mapping.subject]);
    if (key === '') return { reject: `there is no subject in ${mapping.subject}` };
    const told = text(fields[time.field]);
    const timestamp = read(told);
    if (timestamp === undefined) {
      return { reject: `time ${JSON.stringify(told)} does not fit ${time.format}` };
    }
    if (timestamp < 0 || timestamp >= lastInstant) {
      return { reject: `time ${JSON.stringify(told)} lies outside 1970 to ${lastYear}` };
    }
    const eventClass = classOf(mapping, fields);
    if (eventClass === undefined) return { reject: unknownClass(mapping, fields) };
    return { key, value: event(mapping, fields, rowId, eventClass), timestamp };
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

function classOf(mapping: Mapping, fields: Readonly<Record<string, unknown>>): string | undefined {
  if ('value' in mapping.class) return mapping.class.value;
  const { field, map } = mapping.class;
  const told = text(fields[field]);
  return map === undefined ? told || undefined : map[told];
}

function unknownClass(mapping: Mapping, fields: Readonly<Record<string, unknown>>): string {
  const field = 'field' in mapping.class ? mapping.class.field : '';
  return `${field} ${JSON.stringify(text(fields[field]))} is no class that the mapping knows`;
}

function skips({ startsWith, equals, empty }: SkipRule, value: string): boolean {
  if (startsWith !== undefined) return value.startsWith(startsWith);
  return equals === undefined ? empty === true && value === '' : value === equals;
}

function text(value: unknown): string {
  return typeof value === 'string' ? value.trim() : typeof value === 'number' ? String(value) : '';
}
