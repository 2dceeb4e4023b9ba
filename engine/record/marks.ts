/**
 * Marks: the time headers of records in a repartition topic, before the author's headers
 * (headers.ts defines the format):
 *
 *   '~rt'  f64 stand of the record; absent if it is the record's timestamp.
 *          If records are ordered by time, followed by u32 partition and f64 offset of the source record
 *   '~wm'  on a record with neither key nor value: (u32 upstream task, f64 promise) pairs; NaN = the end of its input
 *   '~rh', '~wh'  the same in hexadecimal digits, for a client that writes values as strings
 *
 * Only Millrace writes these topics, so no user header comes first.
 */
import { latin1 } from '../base/bytes.ts';

const [tilde, r, t, w, m, h] = [0x7e, 0x72, 0x74, 0x77, 0x6d, 0x68];
const nameBytes = 3;
const valueAt = 2 + nameBytes + 4;
const [standBytes, originBytes] = [8, 20];
const pairBytes = 12;

/** Where a record was first read. */
export interface SourcePlace {
  readonly partition: number;
  readonly offset: number;
}

function isMark(bytes: Buffer, at: number, end: number, first: number, second: number): boolean {
  return (
    end - at >= valueAt &&
    bytes[at + 2] === tilde &&
    bytes[at + 3] === first &&
    bytes[at + 4] === second &&
    bytes[at] === nameBytes &&
    bytes[at + 1] === 0
  );
}

/** Length of the stand mark at the beginning of a record's headers; 0 if there is none. */
export function standMarkLength(bytes: Buffer, at: number, end: number): number {
  if (!isMark(bytes, at, end, r, t) && !isMark(bytes, at, end, r, h)) return 0;
  return valueAt + bytes.readUInt32LE(at + 5);
}

function isText(bytes: Buffer, at: number): boolean {
  return bytes[at + 4] === h;
}

/** The value of a textual mark. */
function untexted(bytes: Buffer, at: number): Buffer {
  const from = at + valueAt;
  return Buffer.from(latin1(bytes, from, from + bytes.readUInt32LE(at + 5)), 'hex');
}

/**
 * Converts a header for a client that writes values as strings: a mark becomes its textual form.
 */
export function asText(name: string, value: Buffer): readonly [name: string, value: Buffer] {
  const text = name === '~rt' ? '~rh' : name === '~wm' ? '~wh' : undefined;
  return text === undefined ? [name, value] : [text, Buffer.from(value.toString('hex'), 'latin1')];
}

/** The stand, ms UTC; there must be a mark. */
export function markedStand(bytes: Buffer, at: number): number {
  if (isText(bytes, at)) return untexted(bytes, at).readDoubleLE(0);
  return bytes.readDoubleLE(at + valueAt);
}

/** The place in the mark; undefined if it has none. */
export function markedPlace(bytes: Buffer, at: number, length: number): SourcePlace | undefined {
  if (isText(bytes, at)) return placeIn(untexted(bytes, at), 0);
  return placeIn(bytes, at + valueAt, at + length);
}

/** @param end end of the value */
function placeIn(bytes: Buffer, at: number, end = bytes.byteLength): SourcePlace | undefined {
  if (end - at < originBytes) return undefined;
  const from = at + standBytes;
  return { partition: bytes.readUInt32LE(from), offset: bytes.readDoubleLE(from + 4) };
}

/** Prefixes headers with a stand, and the place of the source record if given. */
export function withStand(headers: Uint8Array, stand: number, place?: SourcePlace): Uint8Array {
  const length = place === undefined ? standBytes : originBytes;
  const marked = Buffer.allocUnsafe(valueAt + length + headers.byteLength);
  marked.writeUInt16LE(nameBytes, 0);
  marked[2] = tilde;
  marked[3] = r;
  marked[4] = t;
  marked.writeUInt32LE(length, 5);
  marked.writeDoubleLE(stand, valueAt);
  if (place !== undefined) {
    marked.writeUInt32LE(place.partition, valueAt + standBytes);
    marked.writeDoubleLE(place.offset, valueAt + standBytes + 4);
  }
  marked.set(headers, valueAt + length);
  return marked;
}

/** The promise of one upstream task, ms UTC; NaN = the end of its input. */
export interface ToldPromise {
  readonly task: number;
  readonly promise: number;
}

/** Headers of a promise record. */
export function encodePromises(told: readonly ToldPromise[]): Buffer {
  const bytes = Buffer.alloc(valueAt + pairBytes * told.length);
  bytes.writeUInt16LE(nameBytes, 0);
  bytes[2] = tilde;
  bytes[3] = w;
  bytes[4] = m;
  bytes.writeUInt32LE(pairBytes * told.length, 5);
  told.forEach(({ task, promise }, i) => {
    bytes.writeUInt32LE(task, valueAt + pairBytes * i);
    bytes.writeDoubleLE(promise, valueAt + pairBytes * i + 4);
  });
  return bytes;
}

/** Decodes a promise record; undefined for headers of any other record. */
export function decodePromises(bytes: Buffer): ToldPromise[] | undefined {
  if (isMark(bytes, 0, bytes.byteLength, w, m)) return toldIn(bytes, valueAt);
  return isMark(bytes, 0, bytes.byteLength, w, h) ? toldIn(untexted(bytes, 0), 0) : undefined;
}

function toldIn(bytes: Buffer, from: number): ToldPromise[] {
  const told: ToldPromise[] = [];
  for (let at = from; at + pairBytes <= bytes.byteLength; at += pairBytes) {
    told.push({ task: bytes.readUInt32LE(at), promise: bytes.readDoubleLE(at + 4) });
  }
  return told;
}
