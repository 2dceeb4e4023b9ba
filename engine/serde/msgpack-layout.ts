/**
 * Compiled readers for MessagePack maps of one layout: the same names in the same order. Like those
 * for JSON (json-layout.ts) they are unrolled; the values may be of any kind. Names from the data
 * are embedded as byte values only.
 */
import { KeptTexts } from './kept-texts.ts';
import type { LayoutReader } from './layout-reader.ts';

/** An encoded name with its head, and its index among the wanted fields, or -1. */
export interface Name {
  readonly bytes: Uint8Array;
  readonly field: number;
}

/** Functions that compiled code calls for values that are not plain. */
export interface ValueHelp {
  /** The position after the value at `at`; throws if it ends too late. */
  skip(bytes: Buffer, at: number, end: number): number;
  /** The value in bytes [start, end). */
  decode(bytes: Buffer, start: number, end: number): unknown;
}

/** Limits of maps that get a reader: number of names, and their bytes. */
export const namesMost = 64;
export const nameBytesMost = 64;

/**
 * @param head encoded size of the map, for which there are several encodings
 * @param wanted names of the fields to read
 * @throws EvalError if code generation is not allowed
 */
export function compileMap(
  head: Uint8Array,
  names: readonly Name[],
  wanted: readonly string[],
  help: ValueHelp,
): LayoutReader {
  const code = names.map(({ bytes, field }) => {
    return `${expected(bytes)} ${field < 0 ? skipped : read(field)}`;
  });
  const there = wanted.flatMap((name, field) => {
    return names.some((one) => one.field === field) ? [`${JSON.stringify(name)}: v${field}`] : [];
  });
  const body = `
    return (b, start, end) => {
      let at = start, h = 0, to = 0, letters = 0, hash = 0;
      ${expected(head)}
      ${code.join('\n')}
      if (at !== end) return undefined;
      return { ${there.join(', ')} };
    };`;
  const make = new Function('help', 'kept', body) as (...given: unknown[]) => LayoutReader;
  const kept = wanted.map(() => new KeptTexts());
  return make(help, kept);
}

/** Code that skips bytes that must equal these. */
function expected(bytes: Uint8Array): string {
  const other = [...bytes].map((byte, k) => `b[at + ${k}] !== ${byte}`).join(' || ');
  return `if (${other}) return undefined;
    at += ${bytes.byteLength};`;
}

/** Code that skips the value at `at`: small numbers, short strings and doubles inline. */
const skipped = `
  h = b[at];
  if (h < 0x80 || h >= 0xe0) at++;
  else if (h >= 0xa0 && h <= 0xbf) at += h - 0x9f;
  else if (h === 0xcb) at += 9;
  else at = help.skip(b, at, end);`;

/**
 * The same, and stores it in `v<field>`. Undefined is left to other readers, because the field must
 * then be absent.
 */
function read(field: number): string {
  return `
  let v${field};
  h = b[at];
  if (h >= 0xa0 && h <= 0xbf) {
    to = at + h - 0x9f;
    if (to > end) return undefined;
    letters = 0;
    hash = 0;
    for (let i = ++at; i < to; i++) {
      letters |= b[i];
      hash = (Math.imul(hash, 31) + b[i]) | 0;
    }
    v${field} = letters < 0x80 ? kept[${field}].text(b, at, to, hash) : b.toString('utf8', at, to);
    at = to;
  } else if (h < 0x80) {
    v${field} = h;
    at++;
  } else if (h === 0xcb && at + 9 <= end) {
    v${field} = b.readDoubleBE(at + 1);
    at += 9;
  } else {
    to = help.skip(b, at, end);
    v${field} = help.decode(b, at, to);
    if (v${field} === undefined) return undefined;
    at = to;
  }`;
}
