/** Rows become events by a mapping, or are refused with the reason. */
import type { Event, Evidence, Trait } from '../event.ts';
import { type FieldReader, fieldReader, isTrue, nameOf, type Row, textOf } from './fields.ts';
import { type InstantReader, instantReader } from './instant.ts';
import type { ClassName, ClassSpec, Mapping, SkipRule, TimeSpec } from './mapping.ts';

export type MappedEvent =
  | { readonly key: string; readonly value: Event; readonly timestamp: number }
  | 'skip'
  | { readonly reject: string };

export type EventMap = (row: Row, id: string) => MappedEvent;

/** Events of a later year are a mistake of the source: they would make all others late. */
const lastYear = 2099;
const lastInstant = Date.UTC(lastYear + 1, 0, 1);
const dayMs = 86_400_000;

class Reject extends Error {}

/** A part of the event from a row; throws Reject. */
type PartReader = (row: Row) => Partial<Event>;

export function eventMap(mapping: Mapping): EventMap {
  const skips = (mapping.skip ?? []).map(skipReader);
  const subject = subjectReader(mapping);
  const time = timeReader('time', mapping.time);
  const { received } = mapping;
  const receivedAt = received === undefined ? undefined : timeReader('received', received);
  const classOf = classReader(mapping.class);
  const id = (mapping.id ?? []).map(fieldReader);
  const parts = partReaders(mapping);
  const toEvent = (row: Row, rowId: string): MappedEvent => {
    if (skips.some((skip) => skip(row))) return 'skip';
    const eventClass = classOf(row);
    if (eventClass === null) return 'skip';
    const key = subject(row);
    const timestamp = time(row) as number;
    const known = receivedAt?.(row);
    const skew = received?.maxSkewMs ?? dayMs;
    if (known !== undefined && timestamp > known + skew) {
      throw new Reject(`time lies ${timestamp - known} ms after it was received: the future`);
    }
    const own = id.map((read) => textOf(read(row))).join('/');
    const value: Event = {
      id: own === '' || own === '/'.repeat(id.length - 1) ? rowId : own,
      class: eventClass,
    };
    for (const part of parts) Object.assign(value, part(row));
    return { key, value, timestamp };
  };
  return (row, rowId) => {
    try {
      return toEvent(row, rowId);
    } catch (error) {
      if (error instanceof Reject) return { reject: error.message };
      throw error;
    }
  };
}

function skipReader({ field, startsWith, equals }: SkipRule): (row: Row) => boolean {
  const read = fieldReader(field);
  return (row) => {
    const value = textOf(read(row));
    if (startsWith !== undefined) return value.startsWith(startsWith);
    return value === (equals ?? '');
  };
}

function subjectReader({ subject, subjectForm }: Mapping): (row: Row) => string {
  const read = fieldReader(subject);
  return (row) => {
    const key = subjectOf(textOf(read(row)).normalize('NFC'), subjectForm);
    if (key === '') throw new Reject(`there is no subject in ${nameOf(subject)}`);
    return key;
  };
}

function subjectOf(text: string, form: Mapping['subjectForm']): string {
  if (form === 'email') return (/<([^<>]*)>$/.exec(text)?.[1] ?? text).trim().toLowerCase();
  return form === 'number' ? text.replace(/^(\d+)\.0*$/, '$1') : text;
}

/** undefined where the field is empty and `part` is another than 'time', which every row must have. */
function timeReader(part: string, spec: TimeSpec): (row: Row) => number | undefined {
  const { field, format, zone, since } = spec;
  const formats = typeof format === 'string' ? [format] : format;
  const readers = formats.map((one) => instantReader(one, zone, since));
  const read = fieldReader(field);
  return (row) => {
    const told = textOf(read(row));
    if (told === '' && part !== 'time') return undefined;
    const found = oneInstant(told, readers);
    if (typeof found === 'string') throw new Reject(`${part} ${JSON.stringify(told)} ${found}`);
    if (found < 0 || found >= lastInstant) {
      throw new Reject(`${part} ${JSON.stringify(told)} lies outside 1970 to ${lastYear}`);
    }
    return found;
  };
}

/** The instant that the readers which can read the text agree on, or why there is none. */
function oneInstant(text: string, readers: readonly InstantReader[]): number | string {
  const found = readers.map((read) => read(text));
  const instants = new Set(found.filter((one) => typeof one === 'number'));
  if (instants.size > 1) return 'is ambiguous: it fits several of the formats';
  const [instant] = instants;
  return instant ?? found.filter((one) => typeof one === 'string').join('; ');
}

function classReader(spec: ClassSpec): (row: Row) => ClassName {
  if ('value' in spec) return () => spec.value;
  if ('rules' in spec) return ruleReader(spec.rules);
  const read = fieldReader(spec.field);
  const name = nameOf(spec.field);
  const { map } = spec;
  return (row) => {
    const value = read(row);
    const told = textOf(value);
    if (map === undefined) {
      // A number here is another column, or another log; read as a name it would count as nothing.
      if (typeof value === 'string' && told !== '') return told;
      throw new Reject(`${name} ${JSON.stringify(value) ?? '(nothing)'} is not text`);
    }
    const found = Object.hasOwn(map, told) ? map[told] : map['*'];
    if (found !== undefined) return found;
    if (value === undefined) throw new Reject(`there is no class in ${name}`);
    throw new Reject(`${name} ${JSON.stringify(told)} is no class that the mapping knows`);
  };
}

function ruleReader(rules: Extract<ClassSpec, { rules: unknown }>['rules']) {
  const compiled = rules.map(({ when, value }) => {
    const tests = Object.entries(when).map(([field, wanted]) => {
      const read = fieldReader(field);
      if (typeof wanted === 'boolean') return (row: Row) => (read(row) !== undefined) === wanted;
      const texts = typeof wanted === 'string' ? [wanted] : wanted;
      return (row: Row) => texts.includes(textOf(read(row)));
    });
    return { fits: (row: Row) => tests.every((test) => test(row)), value };
  });
  const fields = [...new Set(rules.flatMap(({ when }) => Object.keys(when)))];
  return (row: Row): ClassName => {
    const rule = compiled.find(({ fits }) => fits(row));
    if (rule !== undefined) return rule.value;
    const told = fields.map(
      (field) => `${field} ${JSON.stringify(textOf(fieldReader(field)(row)))}`,
    );
    throw new Reject(`no rule of the class fits: ${told.join(', ')}`);
  };
}

function partReaders(mapping: Mapping): PartReader[] {
  const parts: PartReader[] = [];
  for (const name of ['item', 'link', 'currency', 'purpose'] as const) {
    const spec = mapping[name];
    if (spec === undefined) continue;
    const read = fieldReader(spec);
    parts.push((row) => {
      const text = textOf(read(row));
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
  if (mapping.traits !== undefined) parts.push(traitReader(mapping.traits));
  if (mapping.numbers !== undefined) parts.push(numberReader(mapping.numbers));
  return parts;
}

function evidenceReader(spec: NonNullable<Mapping['evidence']>): PartReader {
  const readers = Object.entries(spec).map(([name, field]) => {
    const read = fieldReader(field);
    return [name, read] as const;
  });
  return (row) => {
    const evidence: Record<string, unknown> = {};
    for (const [name, read] of readers) {
      const value = read(row);
      const text = textOf(value);
      if (text === '') continue;
      if (name === 'ip' || name === 'agent' || name === 'method') evidence[name] = text;
      else if (name !== 'links') {
        if (isTrue(value)) evidence[name] = true;
      } else if (/^\d{1,6}$/.test(text)) evidence[name] = Number(text);
      else throw new Reject(`evidence.links ${JSON.stringify(text)} is no whole number`);
    }
    return Object.keys(evidence).length === 0 ? {} : { evidence: evidence as Evidence };
  };
}

function traitReader(spec: NonNullable<Mapping['traits']>): PartReader {
  const readers = Object.entries(spec).map(([name, field]) => [name, fieldReader(field)] as const);
  return (row) => {
    const traits: Record<string, Trait> = {};
    for (const [name, read] of readers) {
      const value = read(row);
      if (typeof value === 'number' || typeof value === 'boolean') traits[name] = value;
      else if (textOf(value) !== '') traits[name] = textOf(value);
    }
    return Object.keys(traits).length === 0 ? {} : { traits };
  };
}

/** Decimal text to whole numbers, digit by digit: no rounding, so nothing is lost. */
function numberReader(spec: NonNullable<Mapping['numbers']>): PartReader {
  const readers = Object.entries(spec).map(
    ([name, { field, decimals = 0 }]): [string, string, number, FieldReader] => [
      name,
      nameOf(field),
      decimals,
      fieldReader(field),
    ],
  );
  return (row) => {
    const numbers: Record<string, number> = {};
    for (const [name, field, decimals, read] of readers) {
      const told = textOf(read(row));
      if (told === '') continue;
      const match = /^([+-]?\d+)(?:\.(\d*?)0*)?$/.exec(told);
      const fraction = match?.[2] ?? '';
      const whole = Number(`${match?.[1]}${fraction.padEnd(decimals, '0')}`);
      if (match === null || fraction.length > decimals || !Number.isSafeInteger(whole)) {
        throw new Reject(`${field} ${JSON.stringify(told)} is no number of ${decimals} decimals`);
      }
      numbers[name] = whole;
    }
    return Object.keys(numbers).length === 0 ? {} : { numbers };
  };
}
