/**
 * Parses JSON input without silent loss: numbers that a double cannot represent keep their digits
 * as strings; duplicate names in an object and values nested too deep are refused.
 */
import { messageOf } from '../base/errors.ts';
import { nameTwice } from '../base/json-text.ts';

/** Maximal nesting depth of objects and lists. */
export const depthMax = 100;

/** A string, or a number, of JSON text; outside of strings the numbers are whole tokens. */
const tokens = /"(?:[^"\\]|\\.)*"|-?[\d.eE+-]+/g;
const number = /^-?(0|[1-9]\d*)(\.\d+)?([eE][+-]?\d+)?$/;
/** A number with this many digits may differ from its double. */
const manyDigits = /\d[\d.]{15}|(?:^|[:,[\s])-?\d[\d.]*[eE]/;

const spacedColon = /"\s+:/;

export type ParsedJson = { readonly value: unknown } | { readonly problem: string };

/** Returns the value of a JSON text, or why it is refused: a phrase that follows the place. */
export function parseJson(text: string): ParsedJson {
  let value: unknown;
  try {
    value = JSON.parse(manyDigits.test(text) ? faithful(text) : text);
  } catch (error) {
    return { problem: `is not JSON: ${reason(error)}` };
  }
  if (typeof value !== 'object' || value === null) return { value };
  const names = namesIn(value, 0);
  if (names < 0) return { problem: `is nested deeper than ${depthMax}` };
  // Each name precedes a colon: if their counts differ, a name may be duplicate.
  if (colons(text) !== names || spacedColon.test(text)) {
    const twice = nameTwice(text);
    if (twice !== undefined) return { problem: `has the field ${JSON.stringify(twice)} twice` };
  }
  return { value };
}

/** Turns numbers that a double cannot represent into strings of the same digits. */
function faithful(text: string): string {
  return text.replace(tokens, (token) => {
    if (token.startsWith('"') || !number.test(token) || isHeld(token)) return token;
    return `"${token}"`;
  });
}

/**
 * True if the number equals its double. Up to 17 digits identify the double of a fraction: writers
 * print up to that many, and the shortest form may differ.
 */
function isHeld(token: string): boolean {
  if (token.length < 16 && !/[eE]/.test(token)) return true;
  const read = Number(token);
  if (!Number.isFinite(read)) return false;
  const told = normal(token);
  if (told === normal(String(read))) return true;
  const isWhole = !/[.eE]/.test(token);
  return !isWhole && told.replace(/^-|e.*$/g, '').length <= doubleDigits;
}

const doubleDigits = 17;

/** Sign, digits without zeros at their ends, and the power of ten. */
function normal(text: string): string {
  const [, sign = '', whole = '', fraction = '', power = '0'] =
    /^(-?)(\d*)(?:\.(\d*))?(?:[eE]([+-]?\d+))?$/.exec(text) ?? [];
  const digits = (whole + fraction).replace(/^0+/, '');
  const short = digits.replace(/0+$/, '');
  if (short === '') return '0';
  const exponent = Number(power) - fraction.length + digits.length - short.length;
  return `${sign}${short}e${exponent}`;
}

/** The texts of a list's members, for valid JSON text; undefined if the text is not a list. */
export function membersOf(text: string): string[] | undefined {
  if (!/^\s*\[/.test(text)) return undefined;
  const members: string[] = [];
  let [depth, from] = [0, 0];
  for (const { 0: part, index } of text.matchAll(/"(?:[^"\\]|\\.)*"|[{}[\],]/g)) {
    if (part === '{' || part === '[') {
      depth++;
      if (depth === 1) from = index + 1;
    } else if (part === ',' ? depth === 1 : (part === '}' || part === ']') && --depth === 0) {
      const member = text.slice(from, index);
      if (member.trim() !== '') members.push(member);
      from = index + 1;
    }
  }
  return members;
}

/** Number of fields of all objects in a value; -1 if it is nested too deep. */
function namesIn(value: object, depth: number): number {
  if (depth >= depthMax) return -1;
  let count = 0;
  const members = Array.isArray(value) ? value : Object.values(value);
  if (!Array.isArray(value)) count = members.length;
  for (const member of members) {
    if (typeof member !== 'object' || member === null) continue;
    const inner = namesIn(member, depth + 1);
    if (inner < 0) return -1;
    count += inner;
  }
  return count;
}

/** Number of colons directly after a quote, including those in strings. */
function colons(text: string): number {
  let count = 0;
  for (let at = text.indexOf('":'); at >= 0; at = text.indexOf('":', at + 2)) count++;
  return count;
}

function reason(error: unknown): string {
  // V8's message quotes the text, which the row shows anyway.
  return messageOf(error).replace(/, ".*|\s*\.\.\..*$/s, '');
}
