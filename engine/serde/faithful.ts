/**
 * Checks that a value survives encoding unchanged. A value that does not (such as a Map in JSON) is
 * refused when it is written; otherwise the same code would see different values before and after a
 * restart.
 *
 * An undefined field counts as missing, a Buffer as its bytes, and objects of other realms or
 * without a prototype as plain objects.
 */
import { isDeepStrictEqual } from 'node:util';
import { ignoreRejection, isThenable } from '../base/promises.ts';
import type { Encoder, Serde } from './serde.ts';

/** What a format can express, besides strings, booleans, null, plain objects and arrays. */
export interface Kept {
  readonly format: string;
  readonly everyNumber: boolean;
  readonly bigints: boolean;
  readonly undefineds: boolean;
  readonly dates: boolean;
  readonly bytes: boolean;
  readonly maps: boolean;
  /** Strings may contain half surrogate pairs. */
  readonly halfSurrogates: boolean;
  /** Fields may be named `__proto__`. */
  readonly protoName: boolean;
}

/** Deeper values are treated as cyclic. */
const depthMost = 1_000;
/** Longer lists are not checked for fields besides their entries. */
const listedMost = 1_024;

let negativeZero = false;

/**
 * Checks that the format can express a value. Returns true if the value contains -0, which needs
 * care.
 * @throws TypeError that names the path of the offending value
 */
export function checkKept(value: unknown, kept: Kept): boolean {
  negativeZero = false;
  const problem = problemOf(value, kept, 0);
  if (problem !== undefined) refuse(problem, kept.format);
  checkHidden(value, kept.format);
  return negativeZero;
}

function refuse(problem: Problem, format: string): never {
  const at = problem.path === '' ? '' : ` at ${problem.path}`;
  throw new TypeError(`${format}: ${problem.what}${at} ${problem.why}`);
}

interface Problem {
  readonly what: string;
  readonly path: string;
  readonly why: string;
}

const notEqual =
  'does not come back as it is: write a plain value in its place, or give a serde that keeps it';

function bad(what: string, why = notEqual): Problem {
  return { what, path: '', why };
}

const promise = bad('a promise', 'cannot be written: use asyncMap for what has to be awaited');

function within(name: string, { what, path, why }: Problem): Problem {
  return { what, path: name + path, why };
}

function problemOf(value: unknown, kept: Kept, depth: number): Problem | undefined {
  switch (typeof value) {
    case 'string':
      return kept.halfSurrogates || isWellFormed(value) ? undefined : bad('half a surrogate pair');
    case 'number':
      if (value === 0) negativeZero ||= Object.is(value, -0);
      return kept.everyNumber || value - value === 0 ? undefined : bad(String(value));
    case 'boolean':
      return undefined;
    case 'bigint':
      return kept.bigints ? undefined : bad('a bigint');
    case 'undefined':
      return kept.undefineds ? undefined : bad('undefined');
    case 'object':
      if (value === null) return undefined;
      if (depth > depthMost) return bad('a value that is too deep, or holds itself,', notEqual);
      return Array.isArray(value)
        ? problemOfArray(value, kept, depth)
        : problemOfObject(value, kept, depth);
    default:
      return bad(`a ${typeof value}`);
  }
}

function problemOfArray(list: readonly unknown[], kept: Kept, depth: number): Problem | undefined {
  if (isOwnArray(list)) return bad(named(list));
  for (let i = 0; i < list.length; i++) {
    const item = list[i];
    const problem =
      item === undefined && !(i in list)
        ? bad('a hole in an array')
        : problemOf(item, kept, depth + 1);
    if (problem !== undefined) return within(`[${i}]`, problem);
  }
  return undefined;
}

function problemOfObject(value: object, kept: Kept, depth: number): Problem | undefined {
  const prototype = Object.getPrototypeOf(value);
  if (prototype !== Object.prototype && !isPlain(prototype)) {
    return problemOfInstance(value, kept, depth);
  }
  for (const name in value) {
    if (!kept.halfSurrogates && !isWellFormed(name)) return bad('half a surrogate pair in a name');
    if (name === '__proto__' && !kept.protoName) return bad("a field of the name '__proto__'");
    const of = (value as Record<string, unknown>)[name];
    if (name === 'then' && typeof of === 'function') return promise;
    const problem = of === undefined ? undefined : problemOf(of, kept, depth + 1);
    if (problem !== undefined) return within(`.${name}`, problem);
  }
  return undefined;
}

/**
 * True for no prototype or the root prototype of a realm; false for any other object, whose fields
 * would be inherited.
 */
function isPlain(prototype: object | null): boolean {
  if (prototype === null) return true;
  return Object.getPrototypeOf(prototype) === null && Object.hasOwn(prototype, 'isPrototypeOf');
}

/**
 * True for an instance of a class that extends Array; the array prototype of each realm is itself
 * an array.
 */
function isOwnArray(list: readonly unknown[]): boolean {
  const prototype = Object.getPrototypeOf(list);
  return prototype !== Array.prototype && !Array.isArray(prototype);
}

/** True for an instance of a subclass of a known class. */
function isOfSubclass(value: object): boolean {
  return !isPlain(Object.getPrototypeOf(Object.getPrototypeOf(value)));
}

function problemOfInstance(value: object, kept: Kept, depth: number): Problem | undefined {
  if (isThenable(value)) {
    ignoreRejection(value);
    return promise;
  }
  if (value instanceof Date && !isOfSubclass(value)) {
    if (!kept.dates) return bad('a Date', `${notEqual} (its ISO text, or ms)`);
    return Number.isNaN(value.getTime()) ? bad('an invalid Date') : undefined;
  }
  if (kept.bytes && value instanceof Uint8Array) return undefined;
  if (kept.maps && value instanceof Map && !isOfSubclass(value)) {
    for (const [name, of] of value) {
      const problem = problemOf(name, kept, depth + 1) ?? problemOf(of, kept, depth + 1);
      if (problem !== undefined) return within(`[${String(name)}]`, problem);
    }
    return undefined;
  }
  return bad(named(value));
}

/** Values since the last check for hidden content. */
let skipped = 0;
let looked = 0;

/**
 * Checks for content of an object that no format writes: symbol fields, array fields besides the
 * entries, getters. The check costs more than encoding the value, and such content is rare: so the
 * first 16 384 values are checked, then one in 256, and every value after one was refused.
 * @throws TypeError for such content
 */
export function checkHidden(value: unknown, format: string): void {
  if (looked >= comparedAll && ++skipped < lookedEvery) return;
  skipped = 0;
  const problem = hiddenIn(value, 0);
  if (problem === undefined) {
    looked++;
    return;
  }
  looked = Number.NEGATIVE_INFINITY;
  refuse(problem, format);
}

function hiddenIn(value: unknown, depth: number): Problem | undefined {
  if (typeof value !== 'object' || value === null || depth > depthMost) return undefined;
  if (value instanceof Uint8Array) return undefined;
  const entries = Array.isArray(value) ? value.length : 0;
  if (entries > listedMost) return undefined;
  const names = Reflect.ownKeys(value);
  for (let i = entries; i < names.length; i++) {
    const name = names[i] as string | symbol;
    const field = Object.getOwnPropertyDescriptor(value, name);
    if (field === undefined || !field.enumerable) continue;
    if (field.get !== undefined || field.set !== undefined)
      return bad(`a getter '${String(name)}'`);
    if (field.value === undefined || isPlainField(value, name)) continue;
    return bad(
      `a field ${typeof name === 'symbol' ? String(name) : `'${name}'`} of ${what(value)}`,
    );
  }
  return hiddenInFields(value, depth);
}

function hiddenInFields(value: object, depth: number): Problem | undefined {
  const fields = value instanceof Map ? [...value].flat() : Object.values(value);
  for (const field of fields) {
    const problem = hiddenIn(field, depth + 1);
    if (problem !== undefined) return problem;
  }
  return undefined;
}

function isPlainField(value: object, name: string | symbol): boolean {
  return typeof name === 'string' && isPlain(Object.getPrototypeOf(value));
}

function what(value: object): string {
  return Array.isArray(value) ? 'an array' : 'an object';
}

function named(value: object): string {
  const { constructor: made } = value as { readonly constructor?: unknown };
  const name = typeof made === 'function' ? made.name : '';
  return name === '' || name === 'Object'
    ? 'an object with a prototype of its own'
    : `an instance of ${name}`;
}

function isWellFormed(text: string): boolean {
  return (text as unknown as { isWellFormed(): boolean }).isWellFormed();
}

/** Serdes that check their values themselves. */
const checking = new WeakSet<object>();

/** Declares that the serde itself refuses values that do not survive encoding. */
export function checked<S extends object>(serde: S): S {
  checking.add(serde);
  return serde;
}

export function isChecked(serde: object): boolean {
  return checking.has(serde);
}

/** False while values are written that were checked when their commit was sealed. */
let isChecking = true;

/** Writes state without another check: it has not changed since the last one. */
export function withoutCheck<T>(write: () => T): T {
  isChecking = false;
  try {
    return write();
  } finally {
    isChecking = true;
  }
}

/** Number of first values of a serde that are all compared; afterwards a sample is. */
export const comparedAll = 16_384;
const comparedEvery = 16;
const lookedEvery = 256;

/**
 * Wraps a serde for state: a value that does not survive encoding is refused when it is written.
 * Custom serdes must decode what they have encoded: for the first 16 384 values, then for one in
 * 16, because this costs as much as a small job; and for every value after one was refused.
 */
export function faithful<T>(serde: Serde<T>): Serde<T> {
  if (checking.has(serde)) return serde;
  let count = 0;
  return checked({
    format: serde.format,
    encode: (value: T) => {
      const bytes = bytesOf(serde, value);
      if (!isChecking) return bytes;
      count++;
      if (count > comparedAll && count % comparedEvery !== 0) return bytes;
      if (comesBack(value, serde.decode(bufferOf(bytes), 0, bytes.length))) return bytes;
      count = Number.NEGATIVE_INFINITY;
      throw new TypeError(`${serde.format}: the value ${notEqual}`);
    },
    decode: (bytes, start, end) => serde.decode(bytes, start, end),
  });
}

function bufferOf(bytes: Uint8Array): Buffer {
  if (Buffer.isBuffer(bytes)) return bytes;
  const { buffer, byteOffset, byteLength } = bytes;
  return Buffer.from(buffer, byteOffset, byteLength);
}

/** The result of an encoder. @throws TypeError if it is not bytes */
export function bytesOf<T>(encoder: Encoder<T>, value: T): Uint8Array {
  const bytes: unknown = encoder.encode(value);
  if (bytes instanceof Uint8Array) return bytes;
  ignoreRejection(bytes);
  throw new TypeError(
    `encode answered ${isThenable(bytes) ? 'a promise' : typeof bytes}, no bytes`,
  );
}

function comesBack(value: unknown, back: unknown): boolean {
  if (!isEqual(value, back)) return false;
  return hiddenIn(value, 0) === undefined || isDeepStrictEqual(value, back);
}

/**
 * Deep equality in which undefined fields count as missing. Most values are plain and are compared
 * here, without Node's function.
 */
function isEqual(value: unknown, back: unknown): boolean {
  if (Object.is(value, back)) return true;
  if (typeof value !== 'object' || typeof back !== 'object') return false;
  if (value === null || back === null) return false;
  if (Array.isArray(value)) return Array.isArray(back) && areEqual(value, back);
  const prototype = Object.getPrototypeOf(value);
  if (prototype !== Object.prototype && !isPlain(prototype)) {
    if (value instanceof Uint8Array && back instanceof Uint8Array) {
      return Buffer.compare(value, back) === 0;
    }
    return isDeepStrictEqual(value, back);
  }
  return isPlain(Object.getPrototypeOf(back)) && areFieldsEqual(value as Fields, back as Fields);
}

type Fields = Readonly<Record<string, unknown>>;

function areFieldsEqual(value: Fields, back: Fields): boolean {
  let fields = 0;
  for (const name in value) {
    const of = value[name];
    if (!isEqual(of, back[name])) return false;
    if (of !== undefined) fields++;
  }
  // All of the value's fields came back; with equal counts there are no others.
  for (const name in back) if (back[name] !== undefined) fields--;
  return fields === 0;
}

function areEqual(value: readonly unknown[], back: readonly unknown[]): boolean {
  if (isOwnArray(value)) return isDeepStrictEqual(value, back);
  if (value.length !== back.length) return false;
  for (let i = 0; i < value.length; i++) {
    if (!isEqual(value[i], back[i]) || i in value !== i in back) return false;
  }
  return true;
}
