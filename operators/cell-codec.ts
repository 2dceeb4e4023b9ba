/**
 * Bytes of cells that hold several timed values: columns of numbers, then the values.
 *
 *   u32 count · f64[count] for each number column · u32[count] lengths · values
 *
 * When all values are numbers they are one more column of f64, and the highest bit of the count is set:
 * no serde call a value.
 */
import { emptyBytes } from '../engine/base/bytes.ts';
import { raw } from '../engine/serde/raw.ts';
import type { Serde } from '../engine/serde/serde.ts';

export function encodeColumns<V>(
  columns: readonly (readonly number[])[],
  values: readonly V[],
  serde: Serde<V>,
): Buffer {
  const n = values.length;
  if (n > 0 && values.every((value) => typeof value === 'number'))
    return encodeNumbers(columns, values);
  // A serde may reuse its buffer: copy each value before the next is encoded.
  const encoded = values.map((value) => Buffer.from(serde.encode(value)));
  const size = encoded.reduce((sum, bytes) => sum + bytes.byteLength, 0);
  const target = Buffer.allocUnsafe(4 + columns.length * 8 * n + 4 * n + size);
  let at = target.writeUInt32LE(n, 0);
  for (const column of columns) for (const number of column) at = target.writeDoubleLE(number, at);
  for (const bytes of encoded) at = target.writeUInt32LE(bytes.byteLength, at);
  for (const bytes of encoded) at += bytes.copy(target, at);
  return target;
}

const allNumbers = 0x8000_0000;

function encodeNumbers(columns: readonly (readonly number[])[], values: readonly number[]): Buffer {
  const n = values.length;
  const target = Buffer.allocUnsafe(4 + (columns.length + 1) * 8 * n);
  let at = target.writeUInt32LE((n | allNumbers) >>> 0, 0);
  for (const column of columns) for (const number of column) at = target.writeDoubleLE(number, at);
  for (const value of values) at = target.writeDoubleLE(value, at);
  return target;
}

export interface Columns<V> {
  readonly columns: number[][];
  readonly values: V[];
}

export function decodeColumns<V>(
  bytes: Buffer,
  start: number,
  end: number,
  columnCount: number,
  serde: Serde<V>,
): Columns<V> {
  const head = bytes.readUInt32LE(start);
  const n = head & ~allNumbers;
  let at = start + 4;
  const columns: number[][] = [];
  for (let c = 0; c < columnCount; c++) {
    const column = new Array<number>(n);
    for (let i = 0; i < n; i++, at += 8) column[i] = bytes.readDoubleLE(at);
    columns.push(column);
  }
  if (head !== n) {
    const numbers = new Array<number>(n);
    for (let i = 0; i < n; i++, at += 8) numbers[i] = bytes.readDoubleLE(at);
    if (at !== end) throw new RangeError('cell has the wrong length');
    return { columns, values: numbers as V[] };
  }
  let valueAt = at + 4 * n;
  const values = new Array<V>(n);
  for (let i = 0; i < n; i++, at += 4) {
    const length = bytes.readUInt32LE(at);
    values[i] = serde.decode(bytes, valueAt, valueAt + length);
    valueAt += length;
  }
  if (valueAt !== end) throw new RangeError('cell has the wrong length');
  return { columns, values };
}

/**
 * As `encodeColumns`, with the headers of the record that each value came with:
 * u32 length of the columns · columns and values · headers, as columns, when any value has some.
 */
export function encodeRecords<V>(
  columns: readonly (readonly number[])[],
  values: readonly V[],
  headers: readonly Uint8Array[],
  serde: Serde<V>,
): Buffer {
  const body = encodeColumns(columns, values, serde);
  const length = Buffer.allocUnsafe(4);
  length.writeUInt32LE(body.byteLength);
  const some = headers.some((bytes) => bytes.byteLength > 0);
  return Buffer.concat([length, body, ...(some ? [encodeColumns([], headers, raw)] : [])]);
}

export interface Records<V> extends Columns<V> {
  /** One a value; empty where there are none. */
  readonly headers: Uint8Array[];
}

export function decodeRecords<V>(
  bytes: Buffer,
  start: number,
  end: number,
  columnCount: number,
  serde: Serde<V>,
): Records<V> {
  const middle = start + 4 + bytes.readUInt32LE(start);
  const body = decodeColumns(bytes, start + 4, middle, columnCount, serde);
  const headers =
    middle === end
      ? body.values.map(() => emptyBytes)
      : decodeColumns<Uint8Array>(bytes, middle, end, 0, raw).values;
  return { ...body, headers };
}
