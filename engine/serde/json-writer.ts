/**
 * Writes values as the text that JSON.stringify makes of them, byte for byte, but flat objects of a
 * layout that comes again (the same names in the same order) straight into the buffer in which they
 * leave. Such a writer is compiled, as is its counterpart (json-layout.ts); what it does not know
 * (a nested value, a field that is undefined) it leaves to JSON.stringify. What would not come back
 * equal is refused (faithful.ts); a -0, which JSON.stringify makes a 0 of, is written as -0.
 */
import { moveForward } from '../base/move-forward.ts';
import type { Scratch } from '../base/scratch.ts';
import { checkHidden, checkKept, type Kept } from './faithful.ts';

/** False, and nothing written, of an object of another layout, or with a value that is not flat. */
type LayoutWriter = (value: object, to: Scratch) => boolean;

/**
 * So many layouts get a writer, and so many objects that none of them fits are looked at for it.
 */
const [writersMost, looksMost] = [8, 256];
const fieldsMost = 64;
/** Bytes of a number or a word, at most, and of a letter of a text that is escaped. */
const [scalarMost, letterMost] = [26, 6];
const [quote, backslash, minus, zero] = [0x22, 0x5c, 0x2d, 0x30];

export class JsonWriter {
  /** Those that fit oftener come to the front. */
  readonly #writers: LayoutWriter[] = [];
  #looks = looksMost;

  /** Throws TypeError of what JSON cannot say. */
  write(value: unknown, to: Scratch): void {
    if (isPlainObject(value) && this.#writeFlat(value, to)) {
      checkHidden(value, 'json');
      return;
    }
    to.text(jsonText(value));
  }

  #writeFlat(value: object, to: Scratch): boolean {
    const writers = this.#writers;
    for (let i = 0; i < writers.length; i++) {
      const writer = writers[i] as LayoutWriter;
      if (!writer(value, to)) continue;
      moveForward(writers, i);
      return true;
    }
    if (this.#looks > 0) this.#learn(value);
    return false;
  }

  #learn(value: object): void {
    this.#looks--;
    const fields = Object.entries(value);
    const isUsual =
      fields.length > 0 &&
      fields.length <= fieldsMost &&
      fields.every(([name, of]) => isFlat(of) && name !== 'toJSON' && name !== '__proto__');
    if (!isUsual) return;
    try {
      this.#writers.push(compileWriter(fields.map(([name]) => name)));
      if (this.#writers.length === writersMost) this.#looks = 0;
    } catch (error) {
      // Where code must not be made at run time, JSON.stringify writes it all.
      if (!(error instanceof EvalError)) throw error;
      this.#looks = 0;
    }
  }
}

const kept: Kept = {
  format: 'json',
  everyNumber: false,
  bigints: false,
  undefineds: false,
  dates: false,
  bytes: false,
  maps: false,
  halfSurrogates: true,
  protoName: true,
};

/** JSON.stringify, for which it is an error when the value does not come back equal. */
export function jsonText(value: unknown): string {
  return checkKept(value, kept) ? exactText(value) : JSON.stringify(value);
}

/** The same, of a value that was checked, and -0 is written as such. */
function exactText(value: unknown): string {
  if (Object.is(value, -0)) return '-0';
  if (typeof value !== 'object' || value === null) return JSON.stringify(value);
  if (Array.isArray(value)) return `[${value.map(exactText).join(',')}]`;
  const fields = Object.entries(value).filter(([, of]) => of !== undefined);
  return `{${fields.map(([name, of]) => `${JSON.stringify(name)}:${exactText(of)}`).join(',')}}`;
}

function isPlainObject(value: unknown): value is object {
  return (
    typeof value === 'object' && value !== null && Object.getPrototypeOf(value) === Object.prototype
  );
}

function isFlat(value: unknown): boolean {
  return value === null || ['string', 'number', 'boolean'].includes(typeof value);
}

/** Names enter the code as string literals, which say nothing else whatever is in them. */
function compileWriter(names: readonly string[]): LayoutWriter {
  const heads = names.map((name, i) =>
    Buffer.from(`${i === 0 ? '{' : ','}${JSON.stringify(name)}:`),
  );
  const headBytes = heads.reduce((sum, { byteLength }) => sum + byteLength, 1);
  const reads = names.map((name, i) => {
    return `const v${i} = v[${JSON.stringify(name)}];
      if (typeof v${i} === 'string') room += ${letterMost} * v${i}.length;
      else if (typeof v${i} === 'number') { if (v${i} - v${i} !== 0) return false; }
      else if (typeof v${i} !== 'boolean' && v${i} !== null) return false;`;
  });
  const writes = heads.map((head, i) => {
    const bytes = [...head].map((byte, k) => `b[at + ${k}] = ${byte};`).join(' ');
    return `${bytes} at += ${head.byteLength};
      if (typeof v${i} === 'string') at = putText(b, at, v${i});
      else if (typeof v${i} === 'number') at = putNumber(b, at, v${i});
      else at = putLetters(b, at, '' + v${i});`;
  });
  const body = `
    return (v, to) => {
      let i = 0;
      for (const name in v) if (names[i++] !== name) return false;
      if (i !== ${names.length}) return false;
      let room = ${headBytes + names.length * scalarMost};
      ${reads.join('\n')}
      const b = to.room(room);
      let at = to.length;
      ${writes.join('\n')}
      b[at++] = 0x7d;
      to.length = at;
      return true;
    };`;
  const make = new Function('names', 'putText', 'putNumber', 'putLetters', body) as (
    ...given: unknown[]
  ) => LayoutWriter;
  return make(names, putText, putNumber, putLetters);
}

/** A text in its quotes; the position after it. */
function putText(bytes: Buffer, at: number, text: string): number {
  const { length } = text;
  bytes[at] = quote;
  for (let i = 0; i < length; i++) {
    const unit = text.charCodeAt(i);
    if (unit < 0x20 || unit === quote || unit === backslash || unit > 0x7e) {
      return at + bytes.write(JSON.stringify(text), at);
    }
    bytes[at + 1 + i] = unit;
  }
  bytes[at + 1 + length] = quote;
  return at + 2 + length;
}

function putNumber(bytes: Buffer, at: number, number: number): number {
  if (!Number.isSafeInteger(number)) return putLetters(bytes, at, String(number));
  if (number === 0) return putLetters(bytes, at, Object.is(number, -0) ? '-0' : '0');
  let rest = number;
  let first = at;
  if (rest < 0) {
    bytes[first++] = minus;
    rest = -rest;
  }
  let end = first + 1;
  for (let more = rest; more >= 10; more = Math.floor(more / 10)) end++;
  for (let i = end - 1; i >= first; i--) {
    const tens = Math.floor(rest / 10);
    bytes[i] = zero + (rest - tens * 10);
    rest = tens;
  }
  return end;
}

/** ASCII as it is. */
function putLetters(bytes: Buffer, at: number, letters: string): number {
  for (let i = 0; i < letters.length; i++) bytes[at + i] = letters.charCodeAt(i);
  return at + letters.length;
}
