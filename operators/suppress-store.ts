/** The changes that suppress holds back: how they are kept. */

import type { StoreSpec } from '../engine/graph/store-spec.ts';
import { faithful } from '../engine/serde/faithful.ts';
import type { Serde } from '../engine/serde/serde.ts';
import { decodeColumns, decodeRecords, writeColumns, writeRecords } from './cell-codec.ts';

/** A change that waits. */
export interface Held {
  /** When it goes on: stream time; on the wall clock's ticks, its own time. */
  due: number;
  start: number;
  end: number;
  timestamp: number;
  value: unknown;
  /** Headers of the change. */
  headers: Uint8Array;
  /** What is known downstream; undefined when nothing is. */
  old: unknown;
  /** How many changes went into it. */
  records: number;
  /** Stream time of its next early result; +Infinity when none is to come. */
  early: number;
  /** Its share of the buffer's bytes; 0 when they are not counted. */
  bytes: number;
}

/** `start` of the rows of a table without windows. */
export const noWindow = -1;

const nothing: Serde<unknown> = {
  format: 'nothing',
  encode: () => new Uint8Array(0),
  decode: () => undefined,
};

const numbers = ['due', 'start', 'end', 'timestamp', 'records', 'early', 'bytes'] as const;

export interface SuppressStoreOptions {
  readonly name: string;
  readonly key: Serde<unknown>;
  readonly value: Serde<unknown>;
  /** All of it stays in memory. */
  readonly resident: boolean;
  readonly clock: 'stream' | 'tick';
}

/**
 * One cell a key: u32 length of the head · head · values.
 * The head has the numbers of each change and whether its value and its old value are absent (1).
 */
export function suppressStore(options: SuppressStoreOptions): StoreSpec<unknown, Held[]> {
  const { name, key, resident, clock } = options;
  const value = faithful(options.value);
  return {
    name,
    kind: 'suppress',
    key,
    format: `held3(${value.format})`,
    resident,
    clock,
    due: (cell) =>
      cell.reduce((least, { due, early }) => Math.min(least, due, early), Number.POSITIVE_INFINITY),
    write: (cell, to) => {
      const values = [...cell.map((held) => held.value ?? null), ...cell.map((h) => h.old ?? null)];
      const absent = values.map((v) => (v === null ? 1 : 0));
      const columns = numbers.map((column) => cell.map((held) => held[column]));
      columns.push(absent.slice(0, cell.length), absent.slice(cell.length));
      const headers = cell.map((held) => held.headers);
      const lengthAt = to.length;
      to.skip(4);
      writeRecords(to, columns, cell, headers, nothing);
      to.uint32At(lengthAt, to.length - lengthAt - 4);
      const present = values.filter((v) => v !== null);
      writeColumns(to, [], present, value);
    },
    decode: (bytes, start, end) => {
      const split = start + 4 + bytes.readUInt32LE(start);
      const width = numbers.length + 2;
      const { columns, headers } = decodeRecords(bytes, start + 4, split, width, nothing);
      const { values } = decodeColumns(bytes, split, end, 0, value);
      const [noValue = [], noOld = []] = columns.splice(numbers.length);
      let next = 0;
      const read = (absent: readonly number[]) =>
        absent.map((flag) => (flag === 1 ? null : values[next++]));
      const [held, olds] = [read(noValue), read(noOld)];
      return held.map((one, i): Held => {
        const [due, from, to, timestamp, records, early, size] = columns.map((c) => c[i] as number);
        return {
          due: due as number,
          start: from as number,
          end: to as number,
          timestamp: timestamp as number,
          records: records as number,
          early: early as number,
          bytes: size as number,
          value: one,
          headers: headers[i] as Uint8Array,
          old: olds[i] ?? undefined,
        };
      });
    },
    rows: (cell, k) =>
      cell.map((held) => ({
        key: k,
        value: held.value,
        timestamp: held.timestamp,
        ...(held.start === noWindow ? {} : { window: { start: held.start, end: held.end } }),
      })),
  };
}
