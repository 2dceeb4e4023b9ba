/**
 * The one check of settings: durations, sizes, counts, shares, choices, names and functions that a
 * user gives to an operator, a topic, a window, the runtime, the command line or the test driver.
 *
 *   checkSettings('dedupe orders', { withinMs }, { withinMs: ms(0) });
 *
 * What is wrong is CONFIG_INVALID. It names the field, what it must be, what it is, and the line of
 * the call outside Millrace. Null never stands for "not given"; undefined does, for `optional`
 * rules.
 */
import { settingSite } from './call-site.ts';
import { MillraceError } from './errors.ts';

/** What a setting must be; undefined when `value` is that. */
export type Rule = (value: unknown) => string | undefined;

/** One rule a setting; every setting of the type must have one. */
export type Rules<T> = { readonly [Name in keyof Required<T>]: Rule };

/** The last instant of a Date, ms UTC, and so the longest duration that means anything. */
export const longestMs = 8.64e15;
/** The longest time that a timer of Node waits, ms; a longer one ends at once. */
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

/** @throws CONFIG_INVALID when the value breaks the rule */
export function checkSetting<V>(field: string, value: V, rule: Rule): V {
  const must = rule(value);
  if (must !== undefined) refuseSetting(field, `must be ${must}, is ${shown(value)}`);
  return value;
}

/**
 * Checks every setting of an object. A name without a rule is refused: it is a misspelling.
 * @param of what they are settings of, for messages; '' when the fields stand for themselves
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

/** A duration: whole ms from `least`, by default up to 8.64e15. */
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

/** A number of things: whole, from `least`. */
export function count(least: 0 | 1, most: number = Number.MAX_SAFE_INTEGER): Rule {
  return whole(least, most, 'a whole number');
}

/** A whole number within limits, both included. */
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

/** One of a few texts. */
export function choice(...choices: readonly string[]): Rule {
  const text = choices.map((one) => `'${one}'`).join(', ');
  const must = choices.length === 1 ? text : `one of ${text}`;
  return (value) => (choices.includes(value as string) ? undefined : must);
}

/** true or false. */
export const flag: Rule = (value) => (typeof value === 'boolean' ? undefined : 'true or false');

/** A mode that is asked for by naming it. */
export const isTrue: Rule = (value) => (value === true ? undefined : 'true');

/** A function of the user's. */
export const aFunction: Rule = (value) => (typeof value === 'function' ? undefined : 'a function');

/** A text that says something. */
export const text: Rule = (value) =>
  typeof value === 'string' && value !== '' ? undefined : 'a text that is not empty';

/** A list. */
export const list: Rule = (value) => (Array.isArray(value) ? undefined : 'a list');

/** A serde: how values are written. */
export const aSerde: Rule = (value) => {
  const { encode, decode } = (value ?? {}) as { encode?: unknown; decode?: unknown };
  const is = typeof encode === 'function' && typeof decode === 'function';
  return is ? undefined : 'a serde, such as json() or int64';
};

/** An object whose own settings are checked elsewhere. */
export const anObject: Rule = (value) =>
  typeof value === 'object' && value !== null ? undefined : 'an object';

/** An object with names that its author chose. */
export const aRecord: Rule = (value) =>
  typeof value === 'object' && value !== null && !Array.isArray(value)
    ? undefined
    : 'an object of names and values';

/** A list of texts that say something. */
export const texts: Rule = (value) =>
  Array.isArray(value) && value.every((one) => text(one) === undefined)
    ? undefined
    : 'a list of texts that are not empty';

/** Not given, or as the rule says. */
export function optional(rule: Rule): Rule {
  return (value) => (value === undefined ? undefined : rule(value));
}

/** A port to listen on; 0 takes a free one. */
export const portNumber: Rule = wholeNumber(0, 65_535);

/** Worker threads; 0: all work on the main thread. */
export const threadCount: Rule = wholeNumber(0, 1_024);

/** How many partitions a topic may have. */
export const partitionCount: Rule = count(1, 100_000);

/** A value as a message shows it. */
export function shown(value: unknown): string {
  if (typeof value === 'string') return JSON.stringify(value);
  if (typeof value === 'bigint') return `${value}n (a BigInt)`;
  if (typeof value === 'function') return 'a function';
  if (Array.isArray(value)) return 'a list';
  return typeof value === 'object' && value !== null ? 'an object' : String(value);
}
