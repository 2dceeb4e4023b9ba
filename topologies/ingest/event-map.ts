/** A mapping turns rows into events, or refuses them with a reason. */
import type { Event, Evidence, Identifier, Trait } from '../event.ts';
import { mergedClass } from '../subject/subject-classes.ts';
import { dayMs } from '../time-units.ts';
import { classReader } from './classes.ts';
import { decimalReader } from './decimal.ts';
import { emailForm, numberForm, textForm } from './forms.ts';
import type { FieldSpec, Mapping, SkipRule, TimeSpec } from './mapping.ts';
import { textTest, wordsOf } from './pattern.ts';
import {
  type FieldReader,
  fieldReader,
  isTrue,
  nameOf,
  type Row,
  textIn,
  textReader,
  toldReader,
  Unreadable,
} from './row-fields.ts';
import { timeReader } from './row-times.ts';

export interface MappedRecord {
  readonly key: string;
  readonly value: Event;
  readonly timestamp: number;
}

export type MappedEvent =
  | MappedRecord
  /** The row becomes several events. */
  | { readonly records: readonly MappedRecord[] }
  /** The row is skipped, with the reason. */
  | { readonly skip: string }
  | { readonly reject: string };

/** @param rowId the event's id where the row has none; a function is asked only then */
export type EventMap = (row: Row, rowId: string | (() => string)) => MappedEvent;

/** Reads a part of the event from a row. @throws Unreadable */
type PartReader = (row: Row, eventClass: string) => Partial<Event>;

/** @param mapping as `checkMapping` returns it */
export function eventMap(mapping: Mapping): EventMap {
  const skips = (mapping.skip ?? []).map(skipReader);
  const subject = subjectReader(mapping);
  const time = timeOf(mapping);
  const classOf = classReader(mapping.class);
  const idOf = idReader(mapping.id ?? []);
  const parts = partReaders(mapping);
  const form = subjectForm(mapping.subjectForm);
  const identities = identityReader(mapping);
  const toEvent: EventMap = (row, rowId) => {
    for (const { fits, reason } of skips) if (fits(row)) return { skip: reason };
    const classes = classOf(row);
    if ('skip' in classes) return classes;
    const key = subject(row);
    const timestamp = time(row);
    const id = idOf(row) ?? (typeof rowId === 'string' ? rowId : rowId());
    const records = classes.names.map((eventClass, i): MappedRecord => {
      const value: Event = { id: i === 0 ? id : `${id}/${eventClass}`, class: eventClass };
      for (const part of parts) Object.assign(value, part(row, eventClass));
      const others = identities(row, eventClass, key);
      if (others !== undefined) Object.assign(value, { identities: others });
      if (eventClass === mergedClass) Object.assign(value, { item: form(value.item ?? '') });
      if (eventClass === mergedClass && value.item === '') {
        throw new Unreadable('item must name the other subject, with which it is merged');
      }
      return { key, value, timestamp };
    });
    return records.length === 1 ? (records[0] as MappedRecord) : { records };
  };
  return (row, rowId) => {
    try {
      return toEvent(row, rowId);
    } catch (error) {
      if (error instanceof Unreadable) return { reject: error.message };
      throw error;
    }
  };
}

function skipReader({ field, ...test }: SkipRule) {
  const read = textReader(field);
  const passes = textTest(test);
  return { fits: (row: Row) => passes(read(row)), reason: `${nameOf(field)} ${wordsOf(test)}` };
}

function subjectReader({ subject, subjectForm: name }: Mapping): (row: Row) => string {
  const read = textReader(subject);
  const form = subjectForm(name);
  return (row) => {
    const key = form(read(row));
    if (key === '') throw new Unreadable(`there is no subject in ${nameOf(subject)}`);
    return key;
  };
}

/**
 * Values that clients send when there is no identifier: they would join all senders into one
 * person.
 */
const nobody =
  /^(null|undefined|none|nil|nan|n\/a|na|unknown|anonymous|guest|true|false|0|-1|0{8}-.*)$/i;

/** Reads the identifiers of a row's person; undefined when the subject is the only one. */
function identityReader({ identities = [], subjectForm: form }: Mapping) {
  const readers = identities.map(({ kind, field, classes }) => ({
    kind,
    read: textReader(field),
    form: subjectForm(kind === 'email' ? 'email' : form === 'email' ? undefined : form),
    classes: classes === undefined ? undefined : new Set(classes),
  }));
  return (row: Row, eventClass: string, subject: string): Identifier[] | undefined => {
    if (readers.length === 0) return undefined;
    const found = new Map<string, Identifier>();
    for (const { kind, read, form: formed, classes } of readers) {
      if (classes !== undefined && !classes.has(eventClass)) continue;
      const id = formed(read(row));
      if (id === '' || nobody.test(id) || found.has(id)) continue;
      found.set(id, { kind, id });
    }
    if (nobody.test(subject)) return undefined;
    const isAlone = found.size === 0 || (found.size === 1 && found.has(subject));
    return isAlone ? undefined : [...found.values()];
  };
}

/** Normalizes the name of a subject, so that all its events have the same. */
function subjectForm(form: Mapping['subjectForm']): (text: string) => string {
  if (form === 'email') return emailForm;
  return form === 'number' ? numberForm : textForm;
}

function timeOf({ time, received }: Mapping): (row: Row) => number {
  const read = timeReader('time', time);
  if (received === undefined) {
    return (row) => read(row) as number;
  }
  const { maxSkewMs = dayMs, ...spec } = received;
  const readKnown = timeReader('received', spec as TimeSpec);
  return (row) => {
    const at = read(row) as number;
    const known = readKnown(row);
    if (known === undefined || at <= known + maxSkewMs) return at;
    throw new Unreadable(`time is ${at - known} ms after the event was received: in the future`);
  };
}

/**
 * Undefined when there are no parts, or when one is missing: the event then cannot be recognized as
 * a duplicate.
 */
function idReader(parts: readonly FieldSpec[]): (row: Row) => string | undefined {
  const readers = parts.map((spec) => ({ spec, read: fieldReader(spec) }));
  return (row) => {
    const texts: string[] = [];
    for (const { spec, read } of readers) {
      const found = read(row);
      if (found === undefined) return undefined;
      texts.push(textIn(spec, found));
    }
    return texts.every((text) => text === '') ? undefined : texts.join('/');
  };
}

function partReaders(mapping: Mapping): PartReader[] {
  const parts: PartReader[] = [];
  for (const name of ['item', 'link', 'currency', 'purpose'] as const) {
    const spec = mapping[name];
    if (spec === undefined) continue;
    const read = textReader(spec);
    parts.push((row) => {
      const text = read(row);
      return text === '' ? {} : { [name]: text };
    });
  }
  if (mapping.until !== undefined) {
    const read = timeReader('until', mapping.until);
    parts.push((row) => {
      const until = read(row);
      return until === undefined ? {} : { until };
    });
  }
  if (mapping.evidence !== undefined) parts.push(evidenceReader(mapping.evidence));
  if (mapping.traits !== undefined) {
    parts.push(traitReader(mapping.traits, mapping.format === 'csv'));
  }
  if (mapping.numbers !== undefined) parts.push(numberReader(mapping.numbers));
  return parts;
}

function evidenceReader(spec: NonNullable<Mapping['evidence']>): PartReader {
  const readers = Object.entries(spec).map(([name, field]) => [name, textReader(field)] as const);
  return (row) => {
    const evidence: Record<string, unknown> = {};
    for (const [name, read] of readers) {
      const text = read(row);
      if (text === '') continue;
      if (name === 'ip' || name === 'agent' || name === 'method') evidence[name] = text;
      else if (name !== 'links') {
        if (isTrue(text)) evidence[name] = true;
      } else if (/^\d{1,6}$/.test(text)) evidence[name] = Number(text);
      else throw new Unreadable(`evidence.links ${JSON.stringify(text)} is not a whole number`);
    }
    return Object.keys(evidence).length === 0 ? {} : { evidence: evidence as Evidence };
  };
}

/**
 * In JSON, null and an empty text say that a trait has no value any more; an empty cell of a table
 * says nothing.
 */
function traitReader(spec: NonNullable<Mapping['traits']>, isTable: boolean): PartReader {
  const readers = Object.entries(spec).map(([name, field]): [string, FieldSpec, FieldReader] => [
    name,
    field,
    toldReader(field),
  ]);
  return (row) => {
    const traits: [string, Trait | null][] = [];
    for (const [name, field, read] of readers) {
      const value = read(row);
      if (value === undefined) continue;
      if (typeof value === 'number' || typeof value === 'boolean') traits.push([name, value]);
      else {
        const text = textForm(textIn(field, value));
        if (text !== '') traits.push([name, text]);
        else if (!isTable) traits.push([name, null]);
      }
    }
    return traits.length === 0 ? {} : { traits: Object.fromEntries(traits) };
  };
}

function numberReader(spec: NonNullable<Mapping['numbers']>): PartReader {
  const readers = Object.entries(spec).map(([name, { field, classes, ...form }]) => ({
    name,
    field,
    classes: classes === undefined ? undefined : new Set(classes),
    decimals: form.decimals ?? 0,
    read: fieldReader(field),
    // Numbers of JSON have a point, whatever mark the texts of the source have.
    ofNumber: decimalReader({ decimals: form.decimals ?? 0 }),
    ofText: decimalReader(form),
  }));
  return (row, eventClass) => {
    const numbers: [string, number][] = [];
    for (const { name, field, classes, decimals, read, ofNumber, ofText } of readers) {
      if (classes !== undefined && !classes.has(eventClass)) continue;
      const value = read(row);
      const told = textIn(field, value);
      if (told === '') continue;
      const found = typeof value === 'number' ? ofNumber(told) : ofText(told);
      if (found === undefined) {
        const what = `${nameOf(field)} ${JSON.stringify(told)}`;
        throw new Unreadable(`${what} is not a number with ${decimals} decimals`);
      }
      numbers.push([name, found]);
    }
    return numbers.length === 0 ? {} : { numbers: Object.fromEntries(numbers) };
  };
}
