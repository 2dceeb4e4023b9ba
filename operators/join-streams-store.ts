/**
 * The store of a join of two streams: for each key, the records of both sides, and when the wait of
 * each ends.
 */
import type { StoreSpec } from '../engine/graph/store-spec.ts';
import { faithful } from '../engine/serde/faithful.ts';
import type { Serde } from '../engine/serde/serde.ts';
import { recordLayout } from './cell-codec.ts';
import { type Entries, type EntryLayout, EntryList } from './entry-list.ts';
import type { JoinWindow } from './join-window.ts';
import { type AnyList, listParts } from './list-parts.ts';

export type JoinKind = 'inner' | 'left' | 'outer';

/** A missing side is undefined. */
export type Joiner = (left: unknown, right: unknown, key: unknown) => unknown;

export interface StreamJoinSettings {
  /**
   * Behaves exactly like Kafka Streams 4.1: an unmatched record is emitted later than window and
   * grace require, or, if it comes out of order, at once without grace (KAFKA-19536), even if a
   * match follows. For comparisons; a left or outer join then keeps its whole store in memory.
   * Default: unmatched records are emitted when window and grace are over.
   */
  readonly asKafkaStreams?: boolean;
}

export interface StreamJoinOptions extends StreamJoinSettings {
  readonly name: string;
  readonly kind: JoinKind;
  readonly window: JoinWindow;
  readonly joiner: Joiner;
  readonly key: Serde<unknown>;
  readonly leftValue: Serde<unknown>;
  readonly rightValue: Serde<unknown>;
}

/**
 * The records of one side, by time, then arrival. Columns: 1 while the record waits for its first
 * match; its value; its headers, while it waits (later they are not needed); its stand, or its own
 * time if later, ms UTC.
 */
type Side = EntryList<number>;
export const [openAt, valueAt, headersAt, standAt] = [0, 1, 2, 3] as const;
type SideColumns = [open: number[], values: unknown[], headers: Uint8Array[], stands: number[]];

// By index: destructuring an array iterates, which costs more than the work here.
export function columnOf(columns: readonly unknown[][], at: number): unknown[] {
  return columns[at] as unknown[];
}

export interface JoinCell {
  readonly sides: readonly [left: Side, right: Side];
  /** When the cell is next checked for records that can no longer match. */
  checkAt: number;
}

export type SideIndex = 0 | 1;
export const left: SideIndex = 0;
export const right: SideIndex = 1;

/** How long a record of a side waits for a match, ms of stream time after its own time. */
export function waitMs({ beforeMs, afterMs, graceMs }: JoinWindow, side: SideIndex): number {
  return (side === left ? afterMs : beforeMs) + graceMs;
}

/**
 * How long a record can match, ms: a match may be as late as the grace. Kafka Streams keeps one
 * millisecond less, and so loses the last possible match at the edge of the window.
 */
export function retentionMs({ window, asKafkaStreams }: StreamJoinOptions): number {
  const { beforeMs, afterMs, graceMs } = window;
  return beforeMs + afterMs + graceMs + (asKafkaStreams === true ? 0 : 1);
}

export interface JoinStore {
  readonly store: StoreSpec<unknown, JoinCell>;
  newCell(): JoinCell;
}

export function joinStore(options: StreamJoinOptions): JoinStore {
  const { name, kind, key, window, leftValue, rightValue } = options;
  const layouts = sideLayouts(options);
  const emptyCell = (newSide: (layout: EntryLayout<number>) => Side): JoinCell => ({
    sides: [newSide(layouts[left]), newSide(layouts[right])],
    checkAt: Number.POSITIVE_INFINITY,
  });
  const store: StoreSpec<unknown, JoinCell> = {
    name,
    kind: 'join',
    ...(options.asKafkaStreams === true && kind !== 'inner' ? { resident: true } : {}),
    key,
    format: `join2(${leftValue.format},${rightValue.format})`,
    due: ({ sides, checkAt }) => {
      let due = checkAt;
      // Nothing waits in an inner join.
      for (const index of kind === 'inner' ? [] : [left, right]) {
        const { wake } = sides[index];
        if (wake < due) due = Math.min(due, wake + waitMs(window, index) + 1);
      }
      return due;
    },
    write: ({ sides, checkAt }, to) => {
      to.float64(checkAt);
      const lengthAt = to.length;
      to.skip(4);
      for (const index of [left, right]) {
        const side = sides[index].joined();
        layouts[index].write(to, side, 0, side.keys.length);
        if (index === left) to.uint32At(lengthAt, to.length - lengthAt - 4);
      }
    },
    decode: (bytes, start, end) => {
      const middle = start + 12 + bytes.readUInt32LE(start + 8);
      const side = (index: SideIndex, from: number, to: number): Side =>
        new EntryList(layouts[index], layouts[index].decode(bytes, from, to));
      const sides = [side(left, start + 12, middle), side(right, middle, end)] as const;
      return { sides, checkAt: bytes.readDoubleLE(start) };
    },
    parts: listParts<JoinCell>({
      lists: ({ sides }) => sides as readonly AnyList[],
      empty: () => emptyCell((layout) => EntryList.inParts(layout)),
      writeHead: ({ checkAt }, to) => to.float64(checkAt),
      readHead: (cell, head) => {
        cell.checkAt = head.readDoubleLE(0);
      },
    }),
    rows: function* rows({ sides }, k) {
      for (const index of [left, right]) {
        for (const { keys, columns, i } of sides[index].all()) {
          yield {
            key: k,
            value: { side: index === left ? 'left' : 'right', value: columns[valueAt]?.[i] },
            timestamp: keys[i] as number,
          };
        }
      }
    },
  };
  return { store, newCell: () => emptyCell((layout) => new EntryList(layout)) };
}

/**
 * The number of a record is 0 or 1 (whether it waits) plus twice the lead of its stand over its
 * time. So a record whose stand is its time has the earlier format.
 */
function sideLayout(value: Serde<unknown>): EntryLayout<number> {
  const records = recordLayout(1, faithful(value));
  return {
    text: false,
    width: 4,
    write: (to, { keys, columns }, from, end) => {
      const [open = [], values = [], headers = [], stands = []] = columns as SideColumns;
      const states = new Array<number>(end);
      for (let i = from; i < end; i++) {
        states[i] = (open[i] as number) + 2 * ((stands[i] as number) - (keys[i] as number));
      }
      records.write(to, { keys, columns: [states, values, headers] }, from, end);
    },
    decode: (bytes, start, end) => {
      const { keys, columns } = records.decode(bytes, start, end);
      const [states = [], values = [], headers = []] = columns as [number[], unknown[], unknown[]];
      const open = states.map((state) => state % 2);
      const stands = keys.map((time, i) => time + Math.floor((states[i] as number) / 2));
      return { keys, columns: [open, values, headers, stands] };
    },
  };
}

/** In an inner join nothing waits; otherwise each record is due at the end of its wait. */
function sideLayouts({ kind, leftValue, rightValue }: StreamJoinOptions) {
  const layouts = [sideLayout(leftValue), sideLayout(rightValue)] as const;
  if (kind === 'inner') return layouts;
  const wake = ({ keys, columns }: Entries<number>, i: number) =>
    columns[openAt]?.[i] === 1 ? (keys[i] as number) : Number.POSITIVE_INFINITY;
  return [
    { ...layouts[left], wake },
    { ...layouts[right], wake },
  ] as const;
}
