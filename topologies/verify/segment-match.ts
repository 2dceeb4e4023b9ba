/** Which events a condition looks at, in SQL. */
import { isCategory } from '../segments/categories.ts';
import { listOf, memberPlace, quoted } from './database.ts';

export const operators: Readonly<Record<string, string>> = {
  eq: '=',
  ne: '<>',
  lt: '<',
  le: '<=',
  gt: '>',
  ge: '>=',
};

export interface ClassMatch {
  readonly event: readonly string[];
  readonly where: readonly {
    readonly path: string;
    readonly op: string;
    readonly value?: unknown;
  }[];
}

export function matchSql({ event, where }: ClassMatch, table: string): string {
  const tests = where.map(({ path, op, value }) =>
    testSql(fieldSql(path, table), typeSql(path, table), op, value),
  );
  return [`${table}.class in ${listOf(event)}`, ...tests].map((test) => `(${test})`).join(' and ');
}

/** The value of a field of an event. */
export function fieldSql(path: string, table: string): string {
  if (isCategory(path)) return `${table}.category`;
  if (['id', 'class', 'item', 'link', 'currency'].includes(path)) return `${table}.${path}`;
  const places = placesOf(path).map((place) => `json_extract(${table}.fields, ${place})`);
  return places.length === 1 ? (places[0] as string) : `coalesce(${places.join(', ')})`;
}

export function typeSql(path: string, table: string): string {
  if (isCategory(path)) return `case when ${table}.category is not null then 'text' end`;
  if (['id', 'class', 'item', 'link', 'currency'].includes(path)) {
    return `case when ${table}.${path} is not null then 'text' end`;
  }
  const places = placesOf(path).map((place) => `json_type(${table}.fields, ${place})`);
  return places.length === 1 ? (places[0] as string) : `coalesce(${places.join(', ')})`;
}

function placesOf(path: string): string[] {
  if (path === 'purpose') return [quoted('$.purpose')];
  const match = /^(numbers|traits)\.(.*)$/.exec(path);
  if (match !== null) return [memberPlace(match[1] as string, match[2] as string)];
  return [memberPlace('numbers', path), memberPlace('traits', path)];
}

/** A comparison of one value; false when it is missing or has another type. */
export function testSql(field: string, type: string, op: string, value: unknown): string {
  // A JSON null says that the value is gone.
  if (op === 'exists') return `coalesce(${type} <> 'null', 0)`;
  if (op === 'in') {
    const each = (value as unknown[]).map((one) => testSql(field, type, 'eq', one));
    return `(${each.join(' or ')})`;
  }
  const isText = `coalesce(${type} = 'text', 0)`;
  if (op === 'contains') return `${isText} and instr(${field}, ${quoted(String(value))}) > 0`;
  if (op === 'startsWith') {
    const text = String(value);
    return `${isText} and substr(${field}, 1, ${[...text].length}) = ${quoted(text)}`;
  }
  const compare = operators[op];
  if (typeof value === 'string') return `${isText} and ${field} ${compare} ${quoted(value)}`;
  const types = typeof value === 'boolean' ? `('true', 'false')` : `('integer', 'real')`;
  return `coalesce(${type} in ${types}, 0) and ${field} ${compare} ${Number(value)}`;
}
