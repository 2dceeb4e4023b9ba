/**
 * The bytes of what `process` keeps of a key: whole, and cut into parts.
 *
 *   f64 now · u32 timers, the highest bit set where there are collections
 *   · of each timer f64 instant, u32 length of the name, name
 *   · u32 collections · of each u32 1 of a map or 0, name, u32 length of its entries, entries
 *   · u32 1 and the state, or 0
 *
 * Of a cell in parts this is the head, in which the collections have no entries. The number of a
 * collection among the lists of a cell (list-parts.ts) is twice its place in the head, and one more
 * of a map.
 */
import type { Scratch } from '../engine/base/scratch.ts';
import { type CellParts, encodedCell } from '../engine/graph/store-spec.ts';
import { encodeTo, type Serde } from '../engine/serde/serde.ts';
import { utf8 } from '../engine/serde/utf8.ts';
import { readText, writeText } from './entry-leaves.ts';
import { EntryList } from './entry-list.ts';
import { listLayout, mapLayout } from './keyed-collections.ts';
import { type AnyList, listParts } from './list-parts.ts';
import {
  type Collection,
  emptyProcessCell,
  newCollection,
  type ProcessCell,
} from './process-cell.ts';

const haveCollections = 0x8000_0000;

export interface ProcessCodec<S> {
  readonly format: string;
  /** @param withEntries false: the head of a cell in parts */
  write(cell: ProcessCell<S>, to: Scratch, withEntries: boolean): void;
  /** Into a cell that is there: of one in parts the lists stay. */
  read(cell: ProcessCell<S>, bytes: Buffer, start: number, end: number): void;
}

export function processCodec<S>(state: Serde<S>): ProcessCodec<S> {
  const write = (cell: ProcessCell<S>, to: Scratch, withEntries: boolean): void => {
    const { now, timers, state: kept } = cell;
    const some = cell.collections.length > 0;
    to.float64(now);
    to.uint32(some ? (timers.length | haveCollections) >>> 0 : timers.length);
    for (const timer of timers) {
      to.float64(timer.at);
      const lengthAt = to.length;
      to.skip(4);
      to.text(timer.name);
      to.uint32At(lengthAt, to.length - lengthAt - 4);
    }
    if (some) writeCollections(cell.collections, to, withEntries);
    to.uint32(kept === undefined ? 0 : 1);
    if (kept !== undefined) encodeTo(state, kept, to);
  };
  const read = (cell: ProcessCell<S>, bytes: Buffer, start: number, end: number): void => {
    cell.now = bytes.readDoubleLE(start);
    cell.timers.length = 0;
    const counted = bytes.readUInt32LE(start + 8);
    let at = start + 12;
    for (let left = counted & ~haveCollections; left > 0; left--) {
      const nameAt = at + 12;
      const nameEnd = nameAt + bytes.readUInt32LE(at + 8);
      const timer = { at: bytes.readDoubleLE(at), name: utf8.decode(bytes, nameAt, nameEnd) };
      cell.timers.push(timer);
      at = nameEnd;
    }
    if (counted >= haveCollections) at = readCollections(cell, bytes, at);
    const isThere = bytes.readUInt32LE(at) === 1;
    cell.state = isThere ? state.decode(bytes, at + 4, end) : undefined;
  };
  return { format: state.format, write, read };
}

/** Lists and maps in parts. */
export function processParts<S>({ write, read }: ProcessCodec<S>): CellParts<ProcessCell<S>> {
  return listParts<ProcessCell<S>>({
    lists: (cell) => listsOf(cell),
    empty: () => ({ ...emptyProcessCell<S>(), inParts: true }),
    listAt: (cell, number) => {
      const place = number >> 1;
      while (cell.collections.length <= place) {
        const isMap = cell.collections.length === place && number % 2 === 1;
        cell.collections = [...cell.collections, newCollection('', isMap, true)];
      }
      const known = cell.collections[place] as Collection;
      if (known.isMap === (number % 2 === 1)) return known.list as AnyList;
      const other = newCollection(known.name, number % 2 === 1, true);
      cell.collections = cell.collections.map((one, i) => (i === place ? other : one));
      return other.list as AnyList;
    },
    writeHead: (cell, to) => {
      write(cell, to, false);
    },
    readHead: (cell, head) => {
      read(cell, head, 0, head.byteLength);
      cell.head = Buffer.from(head);
    },
    headChanged: (cell) => {
      cell.inParts = true;
      const head = encodedCell({ write: (one: ProcessCell<S>, to) => write(one, to, false) }, cell);
      if (cell.head?.equals(head) === true) return false;
      cell.head = head;
      return true;
    },
  });
}

function listsOf<S>({ collections }: ProcessCell<S>): AnyList[] {
  const lists: AnyList[] = [];
  for (const [place, { isMap, list }] of collections.entries()) {
    lists[2 * place + (isMap ? 1 : 0)] = list as AnyList;
  }
  return lists;
}

function writeCollections(
  collections: readonly Collection[],
  to: Scratch,
  withEntries: boolean,
): void {
  to.uint32(collections.length);
  for (const { name, isMap, list } of collections) {
    to.uint32(isMap ? 1 : 0);
    writeText(to, name);
    const lengthAt = to.length;
    to.skip(4);
    if (withEntries) {
      const entries = list.joined();
      list.layout.write(to, entries as never, 0, entries.keys.length);
    }
    to.uint32At(lengthAt, to.length - lengthAt - 4);
  }
}

/** Assigns names to the existing lists of a cell in parts. Returns the position after them. */
function readCollections<S>(cell: ProcessCell<S>, bytes: Buffer, start: number): number {
  let at = start + 4;
  const found: Collection[] = [];
  for (let n = bytes.readUInt32LE(start); n > 0; n--) {
    const isMap = bytes.readUInt32LE(at) === 1;
    const name = readText(bytes, at + 4);
    at += 8 + bytes.readUInt32LE(at + 4);
    const entriesAt = at + 4;
    at = entriesAt + bytes.readUInt32LE(at);
    const known = cell.inParts ? cell.collections[found.length] : undefined;
    if (known?.isMap === isMap) {
      known.name = name;
      found.push(known);
    } else if (cell.inParts || at === entriesAt)
      found.push(newCollection(name, isMap, cell.inParts));
    else if (isMap) {
      const list = new EntryList(mapLayout, mapLayout.decode(bytes, entriesAt, at));
      found.push({ name, isMap, list });
    } else {
      const list = new EntryList(listLayout, listLayout.decode(bytes, entriesAt, at));
      found.push({ name, isMap, list });
    }
  }
  // Parts of collections that the head will name when it comes.
  cell.collections = [...found, ...(cell.inParts ? cell.collections.slice(found.length) : [])];
  return at;
}
