/**
 * Compiled readers for JSON objects of one layout: the same names in the same order, each with the
 * same kind of value, without white space, as the JSON.stringify of one producer writes them. The
 * generated code is unrolled over the names, because V8 does not optimise such a loop. Objects that
 * differ from the layout are left to other readers. Names from the data are embedded as byte values
 * only, so they cannot inject code.
 */

import { KeptTexts } from './kept-texts.ts';
import type { LayoutReader } from './layout-reader.ts';

/** How a value is skipped: to its closing quote, digit by digit, or by a general function. */
type ValueKind = 'text' | 'number' | 'other';

export interface Layout {
  readonly fields: readonly { readonly name: string; readonly kind: ValueKind }[];
}

/** Functions that compiled code calls for values that are not plain. */
export interface ValueHelp {
  /** The position after the value at `at`; throws if there is none. */
  skip(bytes: Buffer, at: number, end: number): number;
}

const fieldsMost = 64;
const nameBytesMost = 64;
/**
 * Numbers with up to this many digits, and the matching power of ten, are exact in a double, so
 * their quotient is rounded only once.
 */
export const exactDigits = 15;
export const powersOfTen = Array.from({ length: exactDigits + 1 }, (_, i) => 10 ** i);

/** The layout of an object's JSON text; undefined if no reader is compiled for it. */
export function layoutOf(text: string): Layout | undefined {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return undefined;
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return undefined;
  const fields = Object.entries(value).map(([name, of]) => ({ name, kind: kindOf(of) }));
  const isUsual =
    fields.length > 0 &&
    fields.length <= fieldsMost &&
    fields.every(({ name }) => Buffer.byteLength(JSON.stringify(name)) <= nameBytesMost);
  return isUsual ? { fields } : undefined;
}

function kindOf(value: unknown): ValueKind {
  if (typeof value === 'string') return 'text';
  return typeof value === 'number' ? 'number' : 'other';
}

/**
 * @param wanted names of the fields to read
 * @throws EvalError if code generation is not allowed
 */
export function compileLayout(
  { fields }: Layout,
  wanted: readonly string[],
  help: ValueHelp,
): LayoutReader {
  const present = wanted.filter((name) => fields.some((field) => field.name === name));
  const code = fields.map(({ name, kind }, i) => {
    const head = Buffer.from(`${i === 0 ? '{' : ','}${JSON.stringify(name)}:`);
    const field = present.indexOf(name);
    return `${codeOfHead(head)}\n${codeOfValue[kind](field)}`;
  });
  const found = present.map((name, field) => `${JSON.stringify(name)}: v${field}`).join(', ');
  const body = `
    let seen, view;
    return (b, start, end) => {
      if (b !== seen) {
        seen = b;
        view = new DataView(b.buffer, b.byteOffset, b.byteLength);
      }
      let at = start, from = 0, c = 0, letters = 0, hash = 0, first = 0, point = 0, digits = 0;
      ${code.join('\n')}
      if (b[at] !== 0x7d || at + 1 !== end) return undefined;
      return { ${found} };
    };`;
  const kept = present.map(() => new KeptTexts());
  const make = new Function('help', 'kept', 'powersOfTen', body) as (
    ...given: unknown[]
  ) => LayoutReader;
  return make(help, kept, powersOfTen);
}

/** Code that skips the bytes before a value, four at a time, and returns if they differ. */
function codeOfHead(head: Buffer): string {
  const others = [`at + ${head.length} > end`];
  let k = 0;
  for (; k + 4 <= head.length; k += 4) {
    others.push(`view.getInt32(at + ${k}, true) !== ${head.readInt32LE(k)}`);
  }
  for (; k < head.length; k++) others.push(`b[at + ${k}] !== ${head[k]}`);
  return `if (${others.join(' || ')}) return undefined;\nat += ${head.length};`;
}

/** Code that skips a value at `at`, and stores it in `v<field>` if `field` is not negative. */
const codeOfValue: Readonly<Record<ValueKind, (field: number) => string>> = {
  text: (field) =>
    field < 0
      ? `if (b[at++] !== 0x22) return undefined;
         while ((c = b[at]) !== 0x22) {
           if (at >= end) return undefined;
           at += c === 0x5c ? 2 : 1;
         }
         at++;`
      : `if (b[at] !== 0x22) return undefined;
         from = ++at; hash = 0; letters = 0;
         while ((c = b[at]) !== 0x22) {
           if (c < 0x20 || c === 0x5c || at >= end) return undefined;
           hash = (Math.imul(hash, 31) + c) | 0;
           letters |= c;
           at++;
         }
         const v${field} = letters < 0x80 ? kept[${field}].text(b, from, at, hash) : b.toString('utf8', from, at);
         at++;`,
  number: (field) =>
    `from = at; digits = 0; point = -1;
     if (b[at] === 0x2d) at++;
     first = at;
     for (; at < end; at++) {
       c = b[at];
       if (c >= 0x30 && c <= 0x39) ${field < 0 ? '' : `digits = digits * 10 + (c - 0x30)`};
       else if (c === 0x2e && point < 0) point = at;
       else break;
     }
     if (c !== 0x2c && c !== 0x7d) return undefined;
     ${field < 0 ? 'if (at === first) return undefined;' : codeOfNumber(field)}`,
  other: (field) =>
    `from = at;
     at = help.skip(b, at, end);
     ${field < 0 ? '' : `const v${field} = JSON.parse(b.toString('utf8', from, at));`}`,
};

/**
 * Leading zeros and bare points are not JSON, and are left to other readers. `digits` is the number
 * without its point.
 */
function codeOfNumber(field: number): string {
  return `
     if (point === first || point === at - 1 || at === first) return undefined;
     if (b[first] === 0x30 && (point < 0 ? at : point) > first + 1) return undefined;
     let v${field};
     if (at - first - (point < 0 ? 0 : 1) > ${exactDigits}) v${field} = JSON.parse(b.toString('latin1', from, at));
     else {
       v${field} = point < 0 ? digits : digits / powersOfTen[at - point - 1];
       if (first > from) v${field} = -v${field};
     }`;
}
