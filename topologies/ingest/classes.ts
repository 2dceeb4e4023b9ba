/** The class of a row: a constant, a map of values, or rules. */

import { type TextTest, textTest, wordsOf } from './pattern.ts';
import {
  type FieldSpec,
  fieldReader,
  nameOf,
  type Row,
  textIn,
  textOf,
  textReader,
  Unreadable,
} from './row-fields.ts';

/** A class; several, of which each becomes an event; or null for a row to skip. */
export type ClassName = string | readonly string[] | null;

/** The value; a list of values; true for any value; or tests of its text. */
export type Condition = string | boolean | readonly string[] | TextTest;

export interface ClassRule {
  /** Condition by field; all must hold. */
  readonly when: Readonly<Record<string, Condition>>;
  readonly value: ClassName;
  /** A note for readers of the file, such as a link to documentation. */
  readonly note?: string;
}

export type ClassSpec =
  | { readonly value: string }
  | { readonly field: FieldSpec; readonly map?: Readonly<Record<string, ClassName>> }
  /** The first rule that matches. */
  | { readonly rules: readonly ClassRule[] };

export type FoundClasses = { readonly names: readonly string[] } | { readonly skip: string };

/** @throws Unreadable when the row has no class */
export function classReader(spec: ClassSpec): (row: Row) => FoundClasses {
  if ('value' in spec) return () => ({ names: [spec.value] });
  if ('rules' in spec) return ruleReader(spec.rules);
  const read = fieldReader(spec.field);
  const name = nameOf(spec.field);
  const map = spec.map === undefined ? undefined : mapOf(name, spec.map);
  return (row) => {
    const value = read(row);
    const told = textIn(spec.field, value);
    if (map === undefined) {
      // A number here is from another column or another log; as a name it would count for nothing.
      if (typeof value === 'string' && told !== '') return { names: [told] };
      throw new Unreadable(`${name} ${JSON.stringify(value) ?? '(nothing)'} is not text`);
    }
    const found = map.get(told) ?? map.get('*');
    if (found !== undefined) return found;
    if (value === undefined) throw new Unreadable(`there is no class in ${name}`);
    throw new Unreadable(`${name} ${JSON.stringify(told)} is not a class that the mapping knows`);
  };
}

function mapOf(name: string, map: Readonly<Record<string, ClassName>>) {
  return new Map(
    Object.entries(map).map(([told, value]) => [
      told,
      classesOf(value, told === '*' ? `${name} has another value` : `${name} equals ${told}`),
    ]),
  );
}

function classesOf(value: ClassName, reason: string): FoundClasses {
  return value === null ? { skip: reason } : { names: [value].flat() };
}

function ruleReader(rules: readonly ClassRule[]): (row: Row) => FoundClasses {
  const compiled = rules.map(({ when, value }) => {
    const tests = Object.entries(when).map(([field, wanted]) => conditionReader(field, wanted));
    const reason = tests.map(({ words }) => words).join(', ');
    const fits = (row: Row) => tests.every((test) => test.fits(row));
    return { fits, found: classesOf(value, reason) };
  });
  const fields = [...new Set(rules.flatMap(({ when }) => Object.keys(when)))];
  const readers = fields.map((field) => ({ field, read: fieldReader(field) }));
  return (row) => {
    const rule = compiled.find(({ fits }) => fits(row));
    if (rule !== undefined) return rule.found;
    const told = readers
      .map(({ field, read }) => `${field} ${JSON.stringify(textOf(read(row)))}`)
      .join(', ');
    throw new Unreadable(`no rule of the class fits: ${told}`);
  };
}

function conditionReader(field: string, wanted: Condition) {
  const read = fieldReader(field);
  if (typeof wanted === 'boolean') {
    const words = wanted ? `${field} is there` : `${field} is not there`;
    return { fits: (row: Row) => (read(row) !== undefined) === wanted, words };
  }
  const isList = typeof wanted === 'string' || Array.isArray(wanted);
  const test = isList ? { equals: wanted as string | readonly string[] } : (wanted as TextTest);
  const passes = textTest(test);
  const readText = textReader(field);
  // Text is never equal to an object; whether an object contains a text cannot be answered.
  const textOfRow = isList ? (row: Row) => textOf(read(row)) : readText;
  return { fits: (row: Row) => passes(textOfRow(row)), words: `${field} ${wordsOf(test)}` };
}
