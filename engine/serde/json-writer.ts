/**
 * Writes the same text as JSON.stringify, byte for byte. Flat objects of a repeated layout (the
 * same names in the same order) are written directly into the output buffer by a compiled writer,
 * the counterpart of json-layout.ts. Other content (a nested value, an undefined field) is left to
 * JSON.stringify. A value that would not survive encoding is refused (faithful.ts); -0, which
 * JSON.stringify writes as 0, is written as -0.
 */
import { moveForward } from '../base/move-forward.ts';
import type { Scratch } from '../base/scratch.ts';
import { checkHidden, checkKept, type Kept } from './faithful.ts';

/**
 * Returns false, without writing, for an object of another layout or with a value that is not flat.
 */
type LayoutWriter = (value: object, to: Scratch) => boolean;

/** Limits: compiled writers, and unmatched objects that are examined for a new one. */
const [writersMost, looksMost] = [8, 256];
const fieldsMost = 64;
/** Maximal bytes of a number or a word, and of an escaped character. */
const [scalarMost, letterMost] = [26, 6];
const [quote, backslash, minus, zero] = [0x22, 0x5c, 0x2d, 0x30];

export class JsonWriter {
  /** Writers; frequently used ones move to the front. */
  readonly #writers: LayoutWriter[] = [];
  #looks = looksMost;

  /** @throws TypeError for a value that JSON cannot express */
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
      // If code generation is not allowed, JSON.stringify writes everything.
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

/** JSON.stringify that refuses values that do not survive encoding. */
export function jsonText(value: unknown): string {
  return checkKept(value, kept) ? exactText(value) : JSON.stringify(value);
}

/** The same, for a checked value; -0 is written as -0. */
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

/** Names are embedded as string literals, so they cannot inject code. */
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

/** Writes a quoted string; returns the position after it. */
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

/** Writes ASCII characters without escaping. */
function putLetters(bytes: Buffer, at: number, letters: string): number {
  for (let i = 0; i < letters.length; i++) bytes[at + i] = letters.charCodeAt(i);
  return at + letters.length;
}
