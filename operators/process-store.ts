/**
 * What `process` keeps of a key: its state, its timers, its lists and maps. A key of which nothing
 * is left has no cell.
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
import { encodedCell, type StoreRow, type StoreSpec } from '../engine/graph/store-spec.ts';
import { faithful } from '../engine/serde/faithful.ts';
import { decodeAll, encodeTo, type Serde } from '../engine/serde/serde.ts';
import { utf8 } from '../engine/serde/utf8.ts';
import { readText, writeText } from './entry-leaves.ts';
import { EntryList } from './entry-list.ts';
import {
  type Collections,
  type KeyedListSpec,
  type KeyedMapSpec,
  listLayout,
  mapLayout,
} from './keyed-collections.ts';
import { type AnyList, listParts } from './list-parts.ts';

export interface Timer {
  readonly name: string;
  at: number;
}

export type AnyEntryList = EntryList<number> | EntryList<string>;

export interface Collection {
  /** '' as long as its name is not known: parts may be restored before their head. */
  name: string;
  readonly isMap: boolean;
  readonly list: AnyEntryList;
}

export interface ProcessCell<S> {
  state: S | undefined;
  now: number;
  /** One a name; mostly there are one or two. */
  readonly timers: Timer[];
  /** In the order of their numbers. */
  collections: Collection[];
  /** The cell is in parts. */
  inParts: boolean;
  /** The head as the changelog has it, of a cell in parts. */
  head: Buffer | undefined;
}

const none: Collection[] = [];
const haveCollections = 0x8000_0000;

export function emptyProcessCell<S>(): ProcessCell<S> {
  return {
    state: undefined,
    now: Number.NEGATIVE_INFINITY,
    timers: [],
    collections: none,
    inParts: false,
    head: undefined,
  };
}

export function nextTimer<S>({ timers }: ProcessCell<S>): Timer | undefined {
  let next = timers[0];
  for (let i = 1; i < timers.length; i++) {
    const timer = timers[i] as Timer;
    const { name, at } = next as Timer;
    if (timer.at < at || (timer.at === at && timer.name < name)) next = timer;
  }
  return next;
}

/** Nothing is to be known of the key any more. */
export function isEmptyCell<S>({ state, timers, collections }: ProcessCell<S>): boolean {
  if (state !== undefined || timers.length > 0) return false;
  for (const { list } of collections) if (list.size > 0) return false;
  return true;
}

/** The key's collection of that name, a new one when it has none yet. */
export function collectionOf<S>(cell: ProcessCell<S>, name: string, isMap: boolean): AnyEntryList {
  for (const one of cell.collections) {
    if (one.name === name && one.isMap === isMap) return one.list;
  }
  const one = newCollection(name, isMap, cell.inParts);
  cell.collections = [...cell.collections, one];
  return one.list;
}

function newCollection(name: string, isMap: boolean, inParts: boolean): Collection {
  const listOf = <K extends number | string>(layout: EntryList<K>['layout']) =>
    inParts ? EntryList.inParts(layout) : new EntryList(layout);
  return { name, isMap, list: isMap ? listOf(mapLayout) : listOf(listLayout) };
}

export interface ProcessStoreOptions<K, S> {
  readonly name: string;
  readonly key: Serde<K>;
  readonly state: Serde<S>;
  readonly clock: 'stream' | 'key' | 'wall';
  readonly collections: Collections;
  /** +Infinity: a key's state has no end. */
  readonly ttlMs: number;
}

export function processStore<K, S>(
  options: ProcessStoreOptions<K, S>,
): StoreSpec<K, ProcessCell<S>> {
  const { name, key, clock, ttlMs, collections } = options;
  const state = faithful(options.state);
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
  const parts = listParts<ProcessCell<S>>({
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
  const due = (cell: ProcessCell<S>): number => {
    const next = nextTimer(cell)?.at ?? Number.POSITIVE_INFINITY;
    return Math.min(next, endOf(cell, ttlMs));
  };
  return {
    name,
    kind: 'process',
    key,
    // On the key's clock, too: when its timers fire, time decides, not the key.
    clock: clock === 'wall' ? 'wall' : 'stream',
    format: `process.2(${state.format})`,
    due,
    write: (cell, to) => write(cell, to, true),
    decode: (bytes, start, end) => {
      const cell = emptyProcessCell<S>();
      read(cell, bytes, start, end);
      return cell;
    },
    ...(Object.keys(collections).length === 0 ? {} : { parts }),
    rows: function* rows(cell, k) {
      if (cell.state !== undefined) yield { key: k, value: cell.state, timestamp: cell.now };
      for (const one of cell.collections) yield* collectionRows(one, collections, k);
    },
  };
}

/** The last instant of a key's state: the next record finds none. */
export function endOf<S>({ now }: ProcessCell<S>, ttlMs: number): number {
  return ttlMs === Number.POSITIVE_INFINITY ? ttlMs : now + ttlMs - 1;
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

/** Of a cell in parts the lists stay, and get their names. Answers where they end. */
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

/**
 * One row an entry, with the name of its collection; none of a collection that the step has no
 * more.
 */
function* collectionRows(
  { name, isMap, list }: Collection,
  collections: Collections,
  key: unknown,
): Generator<StoreRow> {
  const spec = collections[name] as KeyedListSpec<unknown> | KeyedMapSpec<unknown> | undefined;
  if (spec === undefined || (spec.type === 'map') !== isMap) return;
  for (const { keys, columns, i } of list.all()) {
    const value = decodeAll(spec.value, columns[0]?.[i] as Uint8Array);
    const at = keys[i] as number | string;
    if (typeof at === 'number') yield { key, value: { collection: name, value }, timestamp: at };
    else yield { key, value: { collection: name, name: at, value } };
  }
}
