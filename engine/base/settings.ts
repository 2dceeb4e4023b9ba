/**
 * The checks of all settings: durations, sizes, counts, shares, choices, names and functions that a
 * user passes to an operator, a topic, a window, the runtime, the command line or the test driver.
 *
 *   checkSettings('dedupe orders', { withinMs }, { withinMs: ms(0) });
 *
 * An invalid setting is CONFIG_INVALID, with the field, the rule, the value, and the line of the
 * call outside Millrace. Null never means "not given"; undefined does, for `optional` rules.
 */
import { settingSite } from './call-site.ts';
import { MillraceError } from './errors.ts';

/** A rule: returns what a setting must be, or undefined if `value` satisfies it. */
export type Rule = (value: unknown) => string | undefined;

/** One rule per setting; every setting of the type must have one. */
export type Rules<T> = { readonly [Name in keyof Required<T>]: Rule };

/** The last instant of a Date, ms UTC, and so the longest meaningful duration. */
export const longestMs = 8.64e15;
/** The longest timer of Node, ms; a longer one fires at once. */
export const longestTimerMs = 2 ** 31 - 1;

/** @throws CONFIG_INVALID with the field and the line of the call, always */
export function refuseSetting(field: string, problem: string): never {
  const line = settingSite();
  const known = line !== 'unknown';
  throw new MillraceError('CONFIG_INVALID', {
    field,
    problem: known ? `${problem} (${line})` : problem,
    ...(known ? { callSite: line } : {}),
  });
}

/** @throws CONFIG_INVALID if the value breaks the rule */
export function checkSetting<V>(field: string, value: V, rule: Rule): V {
  const must = rule(value);
  if (must !== undefined) refuseSetting(field, `must be ${must}, is ${shown(value)}`);
  return value;
}

/**
 * Checks every setting of an object. A name without a rule is refused as a misspelling.
 * @param of owner of the settings, for messages; '' if the fields need none
 * @throws CONFIG_INVALID
 */
export function checkSettings<T extends object>(of: string, given: T, rules: Rules<T>): T {
  const fieldOf = (name: string) => (of === '' ? name : `${of}.${name}`);
  if (typeof given !== 'object' || given === null || Array.isArray(given)) {
    refuseSetting(of === '' ? 'options' : of, `must be an object of settings, is ${shown(given)}`);
  }
  const named = rules as Readonly<Record<string, Rule>>;
  for (const name of Object.keys(given)) {
    if (Object.hasOwn(named, name)) continue;
    const known = Object.keys(named).join(', ');
    refuseSetting(fieldOf(name), `there is no such setting; there are ${known}`);
  }
  for (const [name, rule] of Object.entries(named)) {
    checkSetting(fieldOf(name), (given as Readonly<Record<string, unknown>>)[name], rule);
  }
  return given;
}

/** A duration: integer ms from `least`, by default up to 8.64e15. */
export function ms(least: 0 | 1, most: number = longestMs): Rule {
  return whole(least, most, 'a whole number of milliseconds');
}

/** The same, or Infinity for no limit. */
export function msOrInfinity(least: 0 | 1): Rule {
  const finite = ms(least);
  return (value) => {
    const must = value === Number.POSITIVE_INFINITY ? undefined : finite(value);
    return must === undefined ? undefined : `${must}, or Infinity`;
  };
}

/** A count: an integer from `least`. */
export function count(least: 0 | 1, most: number = Number.MAX_SAFE_INTEGER): Rule {
  return whole(least, most, 'a whole number');
}

/** An integer within inclusive limits. */
export function wholeNumber(least: number, most: number): Rule {
  return whole(least, most, 'a whole number');
}

function whole(least: number, most: number, what: string): Rule {
  const is = (value: unknown) => Number.isSafeInteger(value) && isWithin(value, least, most);
  return (value) => (is(value) ? undefined : `${what} from ${least} to ${most}`);
}

function isWithin(value: unknown, least: number, most: number): boolean {
  return (value as number) >= least && (value as number) <= most;
}

/** A finite number above 0. */
export const positiveNumber: Rule = (value) =>
  typeof value === 'number' && value > 0 && Number.isFinite(value)
    ? undefined
    : 'a finite number above 0';

/** A number above `above` and below `below`. */
export function between(above: number, below: number): Rule {
  const is = (value: unknown) => typeof value === 'number' && value > above && value < below;
  return (value) => (is(value) ? undefined : `a number above ${above} and below ${below}`);
}

/** A share: a number from 0 to 1. */
export const share: Rule = (value) =>
  typeof value === 'number' && isWithin(value, 0, 1) ? undefined : 'a number from 0 to 1';

/** One of several strings. */
export function choice(...choices: readonly string[]): Rule {
  const text = choices.map((one) => `'${one}'`).join(', ');
  const must = choices.length === 1 ? text : `one of ${text}`;
  return (value) => (choices.includes(value as string) ? undefined : must);
}

/** true or false. */
export const flag: Rule = (value) => (typeof value === 'boolean' ? undefined : 'true or false');

/** A mode that is selected by `true`. */
export const isTrue: Rule = (value) => (value === true ? undefined : 'true');

/** A function. */
export const aFunction: Rule = (value) => (typeof value === 'function' ? undefined : 'a function');

/** A non-empty string. */
export const text: Rule = (value) =>
  typeof value === 'string' && value !== '' ? undefined : 'a text that is not empty';

/** A list. */
export const list: Rule = (value) => (Array.isArray(value) ? undefined : 'a list');

/** A serde. */
export const aSerde: Rule = (value) => {
  const { encode, decode } = (value ?? {}) as { encode?: unknown; decode?: unknown };
  const is = typeof encode === 'function' && typeof decode === 'function';
  return is ? undefined : 'a serde, such as json() or int64';
};

/** An object whose own settings are checked elsewhere. */
export const anObject: Rule = (value) =>
  typeof value === 'object' && value !== null ? undefined : 'an object';

/** An object with arbitrary names. */
export const aRecord: Rule = (value) =>
  typeof value === 'object' && value !== null && !Array.isArray(value)
    ? undefined
    : 'an object of names and values';

/** A list of non-empty strings. */
export const texts: Rule = (value) =>
  Array.isArray(value) && value.every((one) => text(one) === undefined)
    ? undefined
    : 'a list of texts that are not empty';

/** Undefined, or as the rule says. */
export function optional(rule: Rule): Rule {
  return (value) => (value === undefined ? undefined : rule(value));
}

/** A port to listen on; 0 takes a free one. */
export const portNumber: Rule = wholeNumber(0, 65_535);

/** Worker threads; 0: all work on the main thread. */
export const threadCount: Rule = wholeNumber(0, 1_024);

/** Number of partitions of a topic. */
export const partitionCount: Rule = count(1, 100_000);

/** A value, formatted for a message. */
export function shown(value: unknown): string {
  if (typeof value === 'string') return JSON.stringify(value);
  if (typeof value === 'bigint') return `${value}n (a BigInt)`;
  if (typeof value === 'function') return 'a function';
  if (Array.isArray(value)) return 'a list';
  return typeof value === 'object' && value !== null ? 'an object' : String(value);
}
