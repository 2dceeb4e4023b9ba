/**
 * Bytes of cells that hold several timed values: columns of numbers, then the values.
 *
 *   u32 count · f64[count] for each number column · u32[count] lengths · values
 *
 * When all values are numbers they are one more column of f64, and the highest bit of the count is set:
 * no serde call a value.
 */
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
