/**
 * Where a value is in a row: a column or a path into nested JSON, one of several, several joined,
 * or a constant.
 */
import { createHash } from 'node:crypto';
import { parseJson } from 'millrace';
import { type TextTest, textTest } from './pattern.ts';

export type Row = Readonly<Record<string, unknown>>;

/**
 * 'email', 'event-data.recipient', 'items.0.sku': the name itself if the row has it, else the path.
 * A list: the first that is present. See docs/MAPPINGS.md, "Fields of a row".
 */
export type FieldSpec =
  | string
  | readonly FieldSpec[]
  /** The same value for every row. */
  | { readonly value: string | number | boolean }
  /** A path into JSON that a field has as text. */
  | { readonly field: FieldSpec; readonly path: string }
  /** Of a field whose text passes the tests; of others nothing. */
  | ({ readonly field: FieldSpec; readonly path?: undefined } & TextTest)
  /** Several values joined; no value when one of them is missing. */
  | { readonly join: readonly FieldSpec[]; readonly with?: string }
  /** A hash of the whole row; equal rows have the same. */
  | { readonly content: true };

/** Returns undefined for a missing field, null, or an empty text. */
export type FieldReader = (row: Row) => unknown;

/** A value that cannot be read as the mapping says; it is the reason why the row is refused. */
export class Unreadable extends Error {}

export function fieldReader(spec: FieldSpec): FieldReader {
  const read = toldReader(spec);
  return (row) => {
    const found = read(row);
    return found === null || (found === '' && !isConstant(spec)) ? undefined : found;
  };
}

/**
 * Like `fieldReader`, but returns null and an empty text as they are; undefined only for a missing
 * field.
 */
export function toldReader(spec: FieldSpec): FieldReader {
  if (typeof spec === 'string') return pathReader(spec);
  if (isList(spec)) return firstReader(spec);
  if ('value' in spec) return () => spec.value;
  if ('join' in spec) return joinReader(spec.join, spec.with ?? ' ');
  if ('content' in spec) return contentOf;
  return spec.path === undefined ? passingReader(spec) : innerReader(spec.field, spec.path);
}

function passingReader({ field, ...test }: { readonly field: FieldSpec } & TextTest): FieldReader {
  const read = toldReader(field);
  const passes = textTest(test);
  return (row) => {
    const found = read(row);
    return passes(textIn(field, found)) ? found : undefined;
  };
}

function isList(spec: FieldSpec): spec is readonly FieldSpec[] {
  return Array.isArray(spec);
}

/** Whether it ends in a constant, which may be an empty text on purpose. */
function isConstant(spec: FieldSpec): boolean {
  if (typeof spec === 'string') return false;
  if (isList(spec)) return spec.some(isConstant);
  return 'value' in spec;
}

/** Reads the first that is present; otherwise null or an empty text, if one of them is that. */
function firstReader(specs: readonly FieldSpec[]): FieldReader {
  const readers = specs.map((spec) => ({ read: toldReader(spec), constant: isConstant(spec) }));
  return (row) => {
    let empty: unknown;
    for (const { read, constant } of readers) {
      const found = read(row);
      if (found !== undefined && found !== null && (found !== '' || constant)) return found;
      empty ??= found;
      if (found === null) empty = null;
    }
    return empty;
  };
}

function pathReader(path: string): FieldReader {
  const parts = path.split('.');
  return (row) => {
    if (Object.hasOwn(row, path)) return row[path];
    return parts.length > 1 ? valueAt(row, parts) : undefined;
  };
}

function valueAt(value: unknown, parts: readonly string[]): unknown {
  let found = value;
  for (const part of parts) {
    if (!isObject(found) || !Object.hasOwn(found, part)) return undefined;
    found = found[part];
  }
  return found;
}

function joinReader(specs: readonly FieldSpec[], mark: string): FieldReader {
  const readers = specs.map((spec) => textReader(spec));
  return (row) => {
    const texts = readers.map((read) => read(row));
    return texts.includes('') ? undefined : texts.join(mark);
  };
}

function innerReader(spec: FieldSpec, path: string): FieldReader {
  const read = fieldReader(spec);
  const readInner = pathReader(path);
  // Often several fields are read from the same cell, one after another.
  let [text, value]: [string | undefined, unknown] = [undefined, undefined];
  return (row) => {
    const found = read(row);
    if (typeof found !== 'string') return isObject(found) ? readInner(found) : undefined;
    if (found !== text) {
      const parsed = parseJson(found);
      if ('problem' in parsed) throw new Unreadable(`${nameOf(spec)} ${parsed.problem}`);
      [text, value] = [found, parsed.value];
    }
    return isObject(value) ? readInner(value) : undefined;
  };
}

/** By row without its dropped fields: the whole row. */
const wholes = new WeakMap<Row, Row>();

/**
 * Makes `{ "content": true }` hash the whole row, so that rows that differ in a dropped field stay
 * two.
 */
export function keepContent(row: Row, whole: Row): void {
  wholes.set(row, whole);
}

function contentOf(row: Row): string {
  const whole = wholes.get(row) ?? row;
  return createHash('sha256').update(JSON.stringify(whole)).digest('hex').slice(0, 16);
}

/** Text without blanks at its ends; '' for values that are not text, numbers or booleans. */
export function textOf(value: unknown): string {
  if (typeof value === 'string') return value.trim();
  return typeof value === 'number' || typeof value === 'boolean' ? String(value) : '';
}

/** Reads text; '' for no value. @throws Unreadable for an object or a list */
export function textReader(spec: FieldSpec): (row: Row) => string {
  const read = fieldReader(spec);
  return (row) => textIn(spec, read(row));
}

export function textIn(spec: FieldSpec, value: unknown): string {
  if (typeof value !== 'object' || value === null) return textOf(value);
  const what = Array.isArray(value) ? 'a list' : 'an object';
  throw new Unreadable(`${nameOf(spec)} is ${what}, where one value is expected`);
}

/**
 * Whether a value means yes: all except an empty value, false, 0, no and none. Some sources name
 * what they saw.
 */
export function isTrue(text: string): boolean {
  return !['', 'false', '0', 'no', 'none'].includes(text.toLowerCase());
}

/** The name of a field in a message. */
export function nameOf(spec: FieldSpec): string {
  if (typeof spec === 'string') return spec;
  if (isList(spec)) return spec.map(nameOf).join(' or ');
  if ('value' in spec) return JSON.stringify(spec.value);
  if ('join' in spec) return spec.join.map(nameOf).join(' and ');
  if ('content' in spec) return 'the content';
  const { path } = spec;
  return path === undefined ? nameOf(spec.field) : `${nameOf(spec.field)}: ${path}`;
}

/** The columns that a table must have for this field; of each list, one is enough. */
export function columnsOf(spec: FieldSpec | undefined): readonly (readonly string[])[] {
  if (spec === undefined) return [];
  if (typeof spec === 'string') return [[spec]];
  if (isList(spec)) {
    const any = spec.map(columnsOf);
    return any.some((columns) => columns.length === 0) ? [] : [any.flat(2)];
  }
  if ('join' in spec) return spec.join.flatMap(columnsOf);
  return 'field' in spec ? columnsOf(spec.field) : [];
}

/** Every field that it looks at. */
export function fieldsOf(spec: FieldSpec | undefined): readonly string[] {
  if (spec === undefined) return [];
  if (typeof spec === 'string') return [spec];
  if (isList(spec)) return spec.flatMap(fieldsOf);
  if ('join' in spec) return spec.join.flatMap(fieldsOf);
  return 'field' in spec ? fieldsOf(spec.field) : [];
}

export function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null;
}
