/**
 * What the records of a repartition topic say of time, before their own headers (headers.ts has the form):
 *
 *   '~rt'  f64 stand of the record's source partition when it was read; absent where that is the record's timestamp.
 *          Where records are put in order of time: u32 partition and f64 offset of the source record after it
 *   '~wm'  on a record with neither key nor value: (u32 upstream task, f64 promise) pairs; NaN = the end of its input
 *
 * The topics belong to Millrace alone, so no header of a user comes first.
 */

const [tilde, r, t, w, m] = [0x7e, 0x72, 0x74, 0x77, 0x6d];
const nameBytes = 3;
const valueAt = 2 + nameBytes + 4;
const [standBytes, originBytes] = [8, 20];
const pairBytes = 12;

/** Where a record was read first. */
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

/** Bytes of the stand's mark at the beginning of a record's headers; 0 where there is none. */
export function standMarkLength(bytes: Buffer, at: number, end: number): number {
  return isMark(bytes, at, end, r, t) ? valueAt + bytes.readUInt32LE(at + 5) : 0;
}

/** The stand, ms UTC; there must be a mark. */
export function markedStand(bytes: Buffer, at: number): number {
  return bytes.readDoubleLE(at + valueAt);
}

/** Undefined where the mark has none. */
export function markedPlace(bytes: Buffer, at: number, length: number): SourcePlace | undefined {
  if (length < valueAt + originBytes) return undefined;
  const from = at + valueAt + standBytes;
  return { partition: bytes.readUInt32LE(from), offset: bytes.readDoubleLE(from + 4) };
}

/** Headers with a stand before them, and the place of the source record where it is given. */
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

/** What one upstream task tells; `promise` NaN = the end of its input. */
export interface ToldPromise {
  readonly task: number;
  readonly promise: number;
}

/** Headers of the record that tells. */
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

/** Undefined for headers of a record that tells nothing. */
export function decodePromises(bytes: Buffer): ToldPromise[] | undefined {
  if (!isMark(bytes, 0, bytes.byteLength, w, m)) return undefined;
  const told: ToldPromise[] = [];
  for (let at = valueAt; at + pairBytes <= bytes.byteLength; at += pairBytes) {
    told.push({ task: bytes.readUInt32LE(at), promise: bytes.readDoubleLE(at + 4) });
  }
  return told;
}
