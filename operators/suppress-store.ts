/** The store of changes that suppress buffers. */

import type { StoreSpec } from '../engine/graph/store-spec.ts';
import { faithful } from '../engine/serde/faithful.ts';
import type { Serde } from '../engine/serde/serde.ts';
import { decodeColumns, decodeRecords, writeColumns, writeRecords } from './cell-codec.ts';
import { changed, type Entries, type EntryLayout, EntryList, kept } from './entry-list.ts';
import { type AnyList, listParts } from './list-parts.ts';

/** A buffered change. */
export interface Held {
  /** When it is emitted, in stream time; for ticks of the wall clock, its own time. */
  due: number;
  start: number;
  end: number;
  timestamp: number;
  value: unknown;
  /** Headers of the change. */
  headers: Uint8Array;
  /** The last value known downstream; undefined if there is none. */
  old: unknown;
  /** Number of merged changes. */
  records: number;
  /** Stream time of its next early result; +Infinity if there is none. */
  early: number;
  /** Its bytes in the buffer; 0 if they are not counted. */
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
  /** True if the whole store stays in memory. */
  readonly resident: boolean;
  readonly clock: 'stream' | 'tick';
}

/** The changes of a key, by the start of their windows. One column: the changes. */
export interface HeldCell {
  readonly list: EntryList<number>;
}

export interface SuppressStore {
  readonly store: StoreSpec<unknown, HeldCell>;
  newList(): EntryList<number>;
}

/** The change at `i`. */
export function heldAt({ columns }: Entries<number>, i: number): Held {
  return columns[0]?.[i] as Held;
}

/**
 * u32 length of the head · head · values.
 * The head has the numbers of each change and whether its value and its old value are absent (1).
 */
function heldLayout(value: Serde<unknown>): EntryLayout<number> {
  return {
    text: false,
    width: 1,
    wake: (entries, i) => {
      const { due, early } = heldAt(entries, i);
      return Math.min(due, early);
    },
    write: (to, { columns: [helds = []] }, from, end) => {
      const cell = helds.slice(from, end) as Held[];
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
      const helds = held.map((one, i): Held => {
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
      return { keys: helds.map(({ start: from }) => from), columns: [helds] };
    },
  };
}

export function suppressStore(options: SuppressStoreOptions): SuppressStore {
  const { name, key, resident, clock } = options;
  const value = faithful(options.value);
  const layout = heldLayout(value);
  const store: StoreSpec<unknown, HeldCell> = {
    name,
    kind: 'suppress',
    key,
    format: `held3(${value.format})`,
    resident,
    clock,
    due: ({ list }) => list.wake,
    write: ({ list }, to) => {
      const all = list.joined();
      layout.write(to, all, 0, all.keys.length);
    },
    decode: (bytes, start, end) => {
      const {
        columns: [helds = []],
      } = layout.decode(bytes, start, end);
      // The earlier format is in order of arrival.
      const sorted = (helds as Held[]).sort((a, b) => a.start - b.start);
      const keys = sorted.map(({ start: from }) => from);
      return { list: new EntryList(layout, { keys, columns: [sorted] }) };
    },
    parts: listParts<HeldCell>({
      lists: ({ list }) => [list as AnyList],
      empty: () => ({ list: EntryList.inParts(layout) }),
    }),
    rows: function* rows({ list }, k) {
      for (const place of list.all()) {
        const held = heldAt(place, place.i);
        yield {
          key: k,
          value: held.value,
          timestamp: held.timestamp,
          ...(held.start === noWindow ? {} : { window: { start: held.start, end: held.end } }),
        };
      }
    },
  };
  return { store, newList: () => new EntryList(layout) };
}

/** The buffered change of a window. */
export function findHeld(list: EntryList<number>, start: number, end: number): Held | undefined {
  let found: Held | undefined;
  list.scan(start, start, (entries, i) => {
    const held = heldAt(entries, i);
    if (held.end === end) found = held;
    return kept;
  });
  return found;
}

/** Notes that a buffered change was modified. */
export function noteHeld(list: EntryList<number>, held: Held): void {
  const { start } = held;
  list.scan(start, start, (entries, i) => (heldAt(entries, i) === held ? changed : kept));
}
