/**
 * MessagePack through msgpackr, the default serde. With declared structures, an object is written
 * with one structure byte instead of its field names. The structures are fixed when the serde is
 * created and the same in every thread and run, so no dictionary has to be stored. An object with
 * other fields is written in full.
 */
import type { Packr } from 'msgpackr';
import { onDemand } from '../base/on-demand.ts';
import { checked, checkKept, type Kept } from './faithful.ts';
import { MsgpackFields } from './msgpack-fields.ts';
import type { Serde } from './serde.ts';

// Loaded on demand: tables with other value formats have this serde too, but never use it.
const msgpackr = onDemand<typeof import('msgpackr')>('msgpackr');

/** The field names, in order, of each object shape to be written compactly. */
export type Structures = readonly (readonly string[])[];

const chunkBytes = 256 * 1024;

/** @typeParam T the type of decoded values */
export interface MsgpackOptions<T> {
  /**
   * Reads only these fields of objects, several times as fast; a value that is not an object is an
   * error. Objects of declared structures are read whole first. Encoding writes all fields.
   */
  readonly only?: readonly (keyof T & string)[];
}

/**
 * Values as MessagePack. A value that would not survive encoding (a Map without structures, a Set,
 * a class instance, half a surrogate pair, a function ...) is an error when it is written. Example:
 * `topic('orders', { value: msgpack<Order>() })`.
 *
 * @param structures object shapes known in advance; at most 32. Changing their order or fields
 * makes older bytes unreadable: append new shapes at the end.
 */
export function msgpack<T = unknown>(
  structures: Structures = [],
  { only }: MsgpackOptions<T> = {},
): Serde<T> {
  const shapes = structures.map((fields) => [...fields]);
  let made: Packr | undefined;
  const packr = () => {
    made ??= newPackr(shapes);
    return made;
  };
  const whole = (bytes: Buffer, start: number, end: number) =>
    packr().unpack(bytes, { start, end });
  const kept = keptBy(shapes.length > 0);
  return checked({
    format: `msgpack${JSON.stringify(structures)}`,
    encode: (value) => {
      // Fast path: most states are numbers and similar.
      const hasNegativeZero =
        typeof value === 'number' ? Object.is(value, -0) : checkKept(value, kept);
      return hasNegativeZero ? packedExactly(packr(), value) : packr().pack(value);
    },
    decode: (only === undefined ? whole : readerOf(only, whole)) as Serde<T>['decode'],
  });
}

/** @param structured true with declared structures: then maps stay maps */
function keptBy(structured: boolean): Kept {
  return {
    format: 'msgpack',
    everyNumber: true,
    bigints: true,
    undefineds: true,
    dates: true,
    bytes: true,
    maps: structured,
    halfSurrogates: false,
    protoName: false,
  };
}

/** msgpackr writes -0 as 0. A number that no one uses stands for it until the value is packed. */
const standIn = 2.7364718290437e-308;
const [standInBytes, zeroBytes] = [standIn, -0].map((number) => {
  const bytes = Buffer.alloc(9, 0xcb);
  bytes.writeDoubleBE(number, 1);
  return bytes;
}) as [Buffer, Buffer];

function packedExactly(packr: Packr, value: unknown): Buffer {
  const packed = packr.pack(withStandIns(value));
  for (let at = packed.indexOf(standInBytes); at >= 0; at = packed.indexOf(standInBytes, at)) {
    zeroBytes.copy(packed, at);
  }
  return packed;
}

function withStandIns(value: unknown): unknown {
  if (Object.is(value, -0)) return standIn;
  if (Array.isArray(value)) return value.map(withStandIns);
  if (value instanceof Map) {
    return new Map([...value].map(([name, of]) => [withStandIns(name), withStandIns(of)]));
  }
  if (typeof value !== 'object' || value === null || value instanceof Date) return value;
  if (value instanceof Uint8Array) return value;
  return Object.fromEntries(Object.entries(value).map(([name, of]) => [name, withStandIns(of)]));
}

function newPackr(shapes: string[][]): Packr {
  const { Packr } = msgpackr();
  const packr =
    shapes.length === 0
      ? new Packr({ useRecords: false, encodeUndefinedAsNil: false })
      : new Packr({ structures: shapes, maxSharedStructures: shapes.length });
  // It continues with chunks of the same size. Its default chunks of 8 KiB hold few values, and
  // each costs a call of malloc.
  packr.useBuffer(Buffer.allocUnsafeSlow(chunkBytes));
  return packr;
}

function readerOf(
  only: readonly string[],
  whole: (bytes: Buffer, start: number, end: number) => unknown,
) {
  // As a name of a field it would set the object's prototype.
  if (only.includes('__proto__')) throw new TypeError('msgpack: only cannot name __proto__');
  const fields = new MsgpackFields(only, whole);
  return (bytes: Buffer, start: number, end: number) => fields.decode(bytes, start, end);
}
