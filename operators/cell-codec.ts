/**
 * Bytes of cells that hold several timed values: columns of numbers, then the values.
 *
 *   u32 count · f64[width * count] for each number column · u32[count] lengths · values
 *
 * If all values are numbers, they are another f64 column, and the highest bit of the count is set:
 * no serde call per value. A null value, which serdes need not support, has the length FFFFFFFF and
 * no bytes.
 */
import { emptyBytes } from '../engine/base/bytes.ts';
import type { Scratch } from '../engine/base/scratch.ts';
import { raw } from '../engine/serde/raw.ts';
import { encodeTo, type Serde } from '../engine/serde/serde.ts';
import { type EntryKey, type EntryLayout, readText, writeText } from './entry-leaves.ts';

const allNumbers = 0x8000_0000;
const nullLength = 0xffff_ffff;

/** Of items [from, to). @param width numbers of an item in each column, one after the other */
export function writeColumns<V>(
  scratch: Scratch,
  columns: readonly (readonly number[])[],
  values: readonly V[],
  serde: Serde<V>,
  from = 0,
  to = values.length,
  width = 1,
): void {
  const n = to - from;
  const numbers = areNumbers(values, from, to);
  scratch.uint32(numbers ? (n | allNumbers) >>> 0 : n);
  for (const column of columns) scratch.float64s(column, width * from, width * to);
  if (numbers) {
    scratch.float64s(values, from, to);
    return;
  }
  let lengthAt = scratch.length;
  scratch.skip(4 * n);
  for (let i = from; i < to; i++, lengthAt += 4) {
    if (values[i] === null) {
      scratch.uint32At(lengthAt, nullLength);
      continue;
    }
    const before = scratch.length;
    encodeTo(serde, values[i] as V, scratch);
    scratch.uint32At(lengthAt, scratch.length - before);
  }
}

/** True if all values are numbers; false without values. */
function areNumbers(
  values: readonly unknown[],
  from: number,
  to: number,
): values is readonly number[] {
  let i = from;
  while (i < to && typeof values[i] === 'number') i++;
  return i === to && to > from;
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
  width = 1,
): Columns<V> {
  const head = bytes.readUInt32LE(start);
  const n = head & ~allNumbers;
  let at = start + 4;
  const columns: number[][] = [];
  for (let c = 0; c < columnCount; c++) {
    const column = new Array<number>(width * n);
    for (let i = 0; i < width * n; i++, at += 8) column[i] = bytes.readDoubleLE(at);
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
    if (length === nullLength) {
      values[i] = null as V;
      continue;
    }
    values[i] = serde.decode(bytes, valueAt, valueAt + length);
    valueAt += length;
  }
  if (valueAt !== end) throw new RangeError('cell has the wrong length');
  return { columns, values };
}

/**
 * As `writeColumns`, with the headers of each value's record: u32 length of the columns · columns
 * and values · headers, as columns, when any value has some.
 */
export function writeRecords<V>(
  scratch: Scratch,
  columns: readonly (readonly number[])[],
  values: readonly V[],
  headers: readonly Uint8Array[],
  serde: Serde<V>,
  from = 0,
  to = values.length,
): void {
  const lengthAt = scratch.length;
  scratch.skip(4);
  writeColumns(scratch, columns, values, serde, from, to);
  scratch.uint32At(lengthAt, scratch.length - lengthAt - 4);
  let i = from;
  while (i < to && (headers[i] as Uint8Array).byteLength === 0) i++;
  if (i < to) writeColumns(scratch, [], headers, raw, from, to);
}

export interface Records<V> extends Columns<V> {
  /** Headers by value; empty if there are none. */
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

/**
 * The layout of lists of values, each with its key and some numbers. Columns: the numbers, then the
 * value.
 * @param text the keys are texts, else numbers
 * @param numbers columns of numbers beside the key
 */
export function columnLayout<K extends EntryKey, V>(
  text: K extends string ? true : false,
  numbers: number,
  value: Serde<V>,
): EntryLayout<K> {
  return {
    text,
    width: numbers + 1,
    write(to, { keys, columns }, from, end) {
      if (text) {
        to.uint32(end - from);
        for (let i = from; i < end; i++) writeText(to, keys[i] as string);
      }
      const before = columns.slice(0, numbers) as number[][];
      const values = (columns[numbers] ?? []) as V[];
      writeColumns(to, text ? before : [keys as number[], ...before], values, value, from, end);
    },
    decode(bytes, start, end) {
      if (!text) {
        const { columns, values } = decodeColumns(bytes, start, end, numbers + 1, value);
        const [keys = [], ...others] = columns;
        return { keys: keys as K[], columns: [...others, values] };
      }
      const keys: string[] = [];
      let at = start + 4;
      for (let n = bytes.readUInt32LE(start); n > 0; n--) {
        keys.push(readText(bytes, at));
        at += 4 + bytes.readUInt32LE(at);
      }
      const { columns, values } = decodeColumns(bytes, at, end, numbers, value);
      return { keys: keys as K[], columns: [...columns, values] };
    },
  };
}

/**
 * The layout of lists of records: by time, with some numbers, a value and the record's headers.
 * Columns: the numbers, values, headers.
 */
export function recordLayout<V>(numbers: number, value: Serde<V>): EntryLayout<number> {
  return {
    text: false,
    width: numbers + 2,
    write(to, { keys, columns }, from, end) {
      const before = columns.slice(0, numbers) as number[][];
      const [values = [], headers = []] = columns.slice(numbers) as [V[], Uint8Array[]];
      writeRecords(to, [keys, ...before], values, headers, value, from, end);
    },
    decode(bytes, start, end) {
      const { columns, values, headers } = decodeRecords(bytes, start, end, numbers + 1, value);
      const [keys = [], ...others] = columns;
      return { keys, columns: [...others, values, headers] };
    },
  };
}
