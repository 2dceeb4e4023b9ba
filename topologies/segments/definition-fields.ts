/**
 * Readers for the fields of a definition: each checks one kind of value, and describes it as JSON
 * Schema.
 */
import type { Trait } from '../event.ts';
import { textForm } from '../ingest/forms.ts';
import type { Filter, Match, ValueTest } from './definition.ts';
import { nearest } from './nearest.ts';

/** What a definition may name. */
export interface Known {
  readonly bands: readonly string[];
  readonly channels: readonly string[];
  readonly segments: ReadonlySet<string>;
  /** Time zone of nodes that name none. */
  readonly timezone: string;
  readonly ties: 'causal' | 'strict';
}

/** A mistake in a definition: where, and what was expected. */
export class Mistake extends Error {
  readonly path: string;
  readonly problem: string;
  constructor(path: string, problem: string) {
    super(`${path}: ${problem}`);
    this.path = path;
    this.problem = problem;
  }
}

export interface Field<T = unknown> {
  readonly read: (value: unknown, path: string, known: Known, mistakes: Mistake[]) => T;
  readonly schema: object;
  /** The value when the field is left out; a field without `optional` is required. */
  readonly optional?: (known: Known) => T | undefined;
}

export const comparisons = ['eq', 'ne', 'lt', 'le', 'gt', 'ge'] as const;
export const valueTests = [...comparisons, 'in', 'contains', 'startsWith', 'exists'] as const;
const dateTests = ['before', 'after', 'withinLast', 'withinNext'] as const;
export const traitTests = [...valueTests, ...dateTests] as const;
export const weekdays = [
  'monday',
  'tuesday',
  'wednesday',
  'thursday',
  'friday',
  'saturday',
  'sunday',
] as const;

const units: Readonly<Record<string, number>> = {
  ms: 1,
  s: 1_000,
  m: 60_000,
  h: 3_600_000,
  d: 86_400_000,
  w: 604_800_000,
};

export function shown(value: unknown): string {
  return value === undefined ? 'missing' : JSON.stringify(value);
}

export function fail(path: string, problem: string): never {
  throw new Mistake(path, problem);
}

export function optional<T>(field: Field<T>, value?: T | ((known: Known) => T)): Field<T> {
  const fallback = typeof value === 'function' ? (value as (known: Known) => T) : () => value;
  return { ...field, optional: fallback };
}

export function text(what: string): Field<string> {
  return {
    schema: { type: 'string', minLength: 1, description: what },
    read: (value, path) => {
      if (typeof value === 'string' && value !== '') return value;
      return fail(path, `must be ${what}, is ${shown(value)}`);
    },
  };
}

/**
 * @param names by what is known, for names that are configuration; the schema then allows any text
 */
export function oneOf<T extends string>(
  names: readonly T[] | ((known: Known) => readonly T[]),
): Field<T> {
  return {
    schema: typeof names === 'function' ? { type: 'string' } : { enum: names },
    read: (value, path, known) => {
      const all = typeof names === 'function' ? names(known) : names;
      if (all.includes(value as T)) return value as T;
      const near = typeof value === 'string' ? nearest(value, all) : undefined;
      const hint = near === undefined ? '' : `; did you mean ${near}?`;
      return fail(path, `must be one of ${all.join(', ')}, is ${shown(value)}${hint}`);
    },
  };
}

export function whole(least: number, most = Number.MAX_SAFE_INTEGER): Field<number> {
  return {
    schema: {
      type: 'integer',
      minimum: least,
      ...(most === Number.MAX_SAFE_INTEGER ? {} : { maximum: most }),
    },
    read: (value, path) => {
      const number = value as number;
      if (Number.isSafeInteger(value) && number >= least && number <= most) return number;
      const limit = most === Number.MAX_SAFE_INTEGER ? `${least} or more` : `${least} to ${most}`;
      return fail(path, `must be a whole number of ${limit}, is ${shown(value)}`);
    },
  };
}

export const yesNo: Field<boolean> = {
  schema: { type: 'boolean' },
  read: (value, path) =>
    typeof value === 'boolean' ? value : fail(path, `must be true or false, is ${shown(value)}`),
};

/** ms, or a text such as '30d'. @param ever whether 'ever' may stand for no limit */
export function duration(ever = false): Field<number> {
  const examples = `a duration such as "30d", "4h", "15m" or milliseconds${ever ? ', or "ever"' : ''}`;
  const pattern = `^[1-9][0-9]{0,8}(ms|s|m|h|d|w)$${ever ? '|^ever$' : ''}`;
  return {
    schema: {
      oneOf: [
        { type: 'integer', minimum: 1 },
        { type: 'string', pattern },
      ],
    },
    read: (value, path) => {
      if (Number.isSafeInteger(value) && (value as number) > 0) return value as number;
      if (ever && value === 'ever') return Number.POSITIVE_INFINITY;
      const match = typeof value === 'string' ? /^([1-9]\d{0,8})(ms|[smhdw])$/.exec(value) : null;
      if (match !== null) return Number(match[1]) * (units[match[2] as string] as number);
      return fail(path, `must be ${examples}, is ${shown(value)}${durationHint(value)}`);
    },
  };
}

function durationHint(value: unknown): string {
  const match = typeof value === 'string' ? /(\d+)[\s-]*([a-z])/i.exec(value) : null;
  if (match === null) return '';
  const unit = (match[2] as string).toLowerCase();
  const months = unit === 'm' && /mo/i.test(String(value));
  if (months) return `; did you mean ${Number(match[1]) * 30}d?`;
  return units[unit] === undefined ? '' : `; did you mean ${match[1]}${unit}?`;
}

export const timeZone: Field<string> = {
  schema: { type: 'string', description: 'IANA zone, e.g. Europe/London' },
  read: (value, path) => {
    try {
      if (typeof value === 'string') {
        new Intl.DateTimeFormat('en', { timeZone: value });
        return value;
      }
    } catch {
      const near = nearest(String(value), Intl.supportedValuesOf('timeZone'));
      const hint = near === undefined ? '' : `; did you mean ${near}?`;
      return fail(path, `there is no time zone ${shown(value)}${hint}`);
    }
    return fail(path, `must be a time zone such as Europe/London, is ${shown(value)}`);
  },
};

export function list<T>(of: Field<T>, least = 1): Field<readonly T[]> {
  return {
    schema: { type: 'array', items: of.schema, minItems: least },
    read: (value, path, known, mistakes) => {
      if (!Array.isArray(value) || value.length < least) {
        return fail(
          path,
          `must be a list${least > 0 ? ` of ${least} or more` : ''}, is ${shown(value)}`,
        );
      }
      return value.map((one, i) => of.read(one, `${path}.${i}`, known, mistakes));
    },
  };
}

/** A name, or a list of names; sorted, without duplicates. */
export const eventNames: Field<readonly string[]> = {
  schema: {
    oneOf: [
      { type: 'string', minLength: 1 },
      { type: 'array', items: { type: 'string', minLength: 1 }, minItems: 1 },
    ],
    description: 'class of event, or a list of classes',
  },
  read: (value, path) => {
    const names = Array.isArray(value) ? value : [value];
    const wrong = names.findIndex((name) => typeof name !== 'string' || name === '');
    if (names.length > 0 && wrong < 0) return [...new Set(names as string[])].sort();
    const where = Array.isArray(value) && wrong >= 0 ? `${path}.${wrong}` : path;
    const is = Array.isArray(value) && wrong >= 0 ? value[wrong] : value;
    return fail(
      where,
      `must be a class of event, e.g. "purchase", or a list of them, is ${shown(is)}`,
    );
  },
};

const scalar = { type: ['string', 'number', 'boolean'] };

function isScalar(value: unknown): value is Trait {
  return ['string', 'number', 'boolean'].includes(typeof value);
}

/** The operand of an operator; the operator decides how it is checked. */
export function readOperand(
  op: ValueTest,
  value: unknown,
  path: string,
): Trait | readonly Trait[] | undefined {
  if (op === 'exists') {
    if (value === undefined) return undefined;
    return fail(path, 'op exists takes no value; put it into a not for the opposite');
  }
  if (op === 'in') {
    if (Array.isArray(value) && value.length > 0 && value.every(isScalar)) {
      return [...new Set(value as Trait[])].sort((a, b) => (String(a) < String(b) ? -1 : 1));
    }
    return fail(path, `op in needs a list of values, is ${shown(value)}`);
  }
  if (op === 'contains' || op === 'startsWith') {
    if (typeof value === 'string') return value;
    return fail(path, `op ${op} needs a text, is ${shown(value)}`);
  }
  if (isScalar(value)) return value;
  return fail(path, `op ${op} needs a text, a number, true or false, is ${shown(value)}`);
}

/** Fields of an event that keep the text of their source; what else is a text is a trait. */
const keptAsTold: ReadonlySet<string> = new Set([
  ...['id', 'class', 'item', 'link', 'currency', 'purpose'],
]);

/**
 * As `readOperand`, in the form in which traits come in: another would never match. Of a part of a
 * text the blanks at its ends count.
 */
export function readTraitValue(
  op: ValueTest,
  value: unknown,
  path: string,
): Trait | readonly Trait[] | undefined {
  const form = op === 'contains' || op === 'startsWith' ? nfc : textForm;
  const formed = (one: unknown) => (typeof one === 'string' ? form(one) : one);
  return readOperand(op, Array.isArray(value) ? value.map(formed) : formed(value), path);
}

function nfc(text: string): string {
  return text.normalize('NFC');
}

const filterSchema = {
  oneOf: [
    scalar,
    {
      type: 'object',
      properties: { op: { enum: valueTests }, value: {} },
      required: ['op'],
      additionalProperties: false,
    },
  ],
};

/**
 * `{ "item": "a", "amount": { "op": "ge", "value": 100 } }`: every field must match; sorted by
 * field.
 */
export const filters: Field<readonly Filter[]> = {
  schema: { type: 'object', additionalProperties: filterSchema },
  optional: () => [],
  read: (value, path, known, mistakes) => {
    if (typeof value !== 'object' || value === null || Array.isArray(value)) {
      return fail(path, `must be an object of field and value, is ${shown(value)}`);
    }
    return Object.entries(value)
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(([name, test]): Filter => {
        const at = `${path}.${name}`;
        const readValue = keptAsTold.has(name) ? readOperand : readTraitValue;
        if (isScalar(test))
          return { path: name, op: 'eq', value: readValue('eq', test, at) as Trait };
        if (typeof test !== 'object' || test === null || Array.isArray(test)) {
          return fail(at, `must be a value, or { "op", "value" }, is ${shown(test)}`);
        }
        noOthers(test, ['op', 'value'], at);
        const { op, value: given } = test as { op?: unknown; value?: unknown };
        const checked = oneOf(valueTests).read(op, `${at}.op`, known, mistakes);
        const operand = readValue(checked, given, `${at}.value`);
        return { path: name, op: checked, ...(operand === undefined ? {} : { value: operand }) };
      });
  },
};

/** A class, a list of classes, or `{ "event", "where" }`. */
export const matching: Field<Match> = {
  schema: {
    oneOf: [
      ...(eventNames.schema['oneOf' as never] as object[]),
      {
        type: 'object',
        properties: { event: eventNames.schema, where: filters.schema },
        required: ['event'],
        additionalProperties: false,
      },
    ],
  },
  read: (value, path, known, mistakes) => {
    if (typeof value !== 'object' || value === null || Array.isArray(value)) {
      return { event: eventNames.read(value, path, known, mistakes), where: [] };
    }
    noOthers(value, ['event', 'where'], path);
    const { event, where } = value as { event?: unknown; where?: unknown };
    return {
      event: eventNames.read(event, `${path}.event`, known, mistakes),
      where: where === undefined ? [] : filters.read(where, `${path}.where`, known, mistakes),
    };
  },
};

/** Refuses names that are not among `names`. */
export function noOthers(value: object, names: readonly string[], path: string): void {
  for (const name of Object.keys(value)) {
    if (names.includes(name)) continue;
    const near = nearest(name, names);
    const hint = near === undefined ? '' : `; did you mean ${near}?`;
    fail(`${path}.${name}`, `is not known; known are ${names.join(', ')}${hint}`);
  }
}

export type Fields = Readonly<Record<string, Field>>;

/** Reads an object by its fields, and adds every mistake in it to `mistakes`. */
export function readFields(
  fields: Fields,
  value: unknown,
  path: string,
  known: Known,
  mistakes: Mistake[],
): Record<string, unknown> {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    return fail(
      path,
      `must be an object with ${Object.keys(fields).join(', ')}, is ${shown(value)}`,
    );
  }
  const result: Record<string, unknown> = {};
  const names = Object.keys(fields);
  for (const name of Object.keys(value)) {
    collect(mistakes, () => noOthers({ [name]: 0 }, names, path));
  }
  for (const [name, field] of Object.entries(fields)) {
    const given = (value as Record<string, unknown>)[name];
    if (given === undefined && field.optional !== undefined) {
      const fallback = field.optional(known);
      if (fallback !== undefined) result[name] = fallback;
    } else {
      collect(mistakes, () => {
        result[name] = field.read(given, `${path}.${name}`, known, mistakes);
      });
    }
  }
  return result;
}

/** Runs a reader and collects its mistake, so that reading goes on with the next one. */
export function collect(mistakes: Mistake[], read: () => void): void {
  try {
    read();
  } catch (error) {
    if (!(error instanceof Mistake)) throw error;
    mistakes.push(error);
  }
}

export function objectSchema(fields: Fields): object {
  return {
    type: 'object',
    properties: Object.fromEntries(Object.entries(fields).map(([name, one]) => [name, one.schema])),
    required: Object.entries(fields)
      .filter(([, one]) => one.optional === undefined)
      .map(([name]) => name),
    additionalProperties: false,
  };
}
