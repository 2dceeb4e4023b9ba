/**
 * A leaf of a list (entry-list.ts), and operations on columns of entries.
 *
 * Bytes of a leaf: f64 order · f64 wake · u32 entries · first key · last key · entries.
 */
import { emptyBytes } from '../engine/base/bytes.ts';
import { type Scratch, written } from '../engine/base/scratch.ts';

export type EntryKey = number | string;

/** Entries as columns: their keys and further columns. */
export interface Entries<K extends EntryKey> {
  readonly keys: K[];
  readonly columns: readonly unknown[][];
}

/** The layout of a list's entries. */
export interface EntryLayout<K extends EntryKey> {
  readonly text: boolean;
  /** Number of columns besides the keys. */
  readonly width: number;
  /** Entries [from, to). */
  write(to: Scratch, entries: Entries<K>, from: number, end: number): void;
  decode(bytes: Buffer, start: number, end: number): Entries<K>;
  /** When entry `i` is due; +Infinity: never. Absent if entries are never due. */
  wake?(entries: Entries<K>, i: number): number;
}

export const never = Number.POSITIVE_INFINITY;

export interface Leaf<K extends EntryKey> {
  readonly id: number;
  order: number;
  /** Undefined while the leaf is only bytes. */
  entries: { keys: K[]; columns: unknown[][] } | undefined;
  /** Undefined after a change of the entries. */
  bytes: Buffer | undefined;
  count: number;
  first: K;
  last: K;
  wake: number;
}

/** The earliest due instant of some entries; +Infinity: none is due. */
export function wakeOf<K extends EntryKey>(
  { wake }: EntryLayout<K>,
  entries: Entries<K>,
  from = 0,
  end = entries.keys.length,
): number {
  let least = never;
  if (wake === undefined) return never;
  for (let i = from; i < end; i++) least = Math.min(least, wake(entries, i));
  return least;
}

/** The bytes of a leaf of entries [from, end). */
export function bytesOf<K extends EntryKey>(
  layout: EntryLayout<K>,
  order: number,
  entries: Entries<K>,
  from: number,
  end: number,
): Buffer {
  const { keys } = entries;
  return written((to) => {
    to.float64(order);
    to.float64(wakeOf(layout, entries, from, end));
    to.uint32(end - from);
    writeKey(to, keys[from] as K);
    writeKey(to, keys[end - 1] as K);
    layout.write(to, entries, from, end);
  });
}

const keysAt = 20;

/** Reads the header of a leaf's bytes; the entries stay encoded. */
export function leafOf<K extends EntryKey>(
  layout: EntryLayout<K>,
  id: number,
  bytes: Buffer,
): Leaf<K> {
  const [first, at] = readKey<K>(layout, bytes, keysAt);
  const [last] = readKey<K>(layout, bytes, at);
  return {
    id,
    order: bytes.readDoubleLE(0),
    entries: undefined,
    bytes,
    count: bytes.readUInt32LE(16),
    first,
    last,
    wake: bytes.readDoubleLE(8),
  };
}

export function entriesOf<K extends EntryKey>(
  layout: EntryLayout<K>,
  bytes: Buffer,
): { keys: K[]; columns: unknown[][] } {
  const [, at] = readKey<K>(layout, bytes, keysAt);
  const [, start] = readKey<K>(layout, bytes, at);
  const { keys, columns } = layout.decode(bytes, start, bytes.byteLength);
  return { keys, columns: columns as unknown[][] };
}

function writeKey(to: Scratch, key: EntryKey): void {
  if (typeof key === 'number') to.float64(key);
  else writeText(to, key);
}

/** The key at `at`, and where it ends. */
function readKey<K extends EntryKey>(
  { text }: Pick<EntryLayout<K>, 'text'>,
  bytes: Buffer,
  at: number,
): [key: K, end: number] {
  if (!text) return [bytes.readDoubleLE(at) as K, at + 8];
  const end = at + 4 + bytes.readUInt32LE(at);
  return [readText(bytes, at) as K, end];
}

/** u32 length in bytes · UTF-16 units, little-endian: preserves any string. */
export function writeText(to: Scratch, text: string): void {
  const bytes = text === '' ? emptyBytes : Buffer.from(text, 'utf16le');
  to.uint32(bytes.byteLength);
  to.append(bytes);
}

export function readText(bytes: Buffer, at: number): string {
  return bytes.toString('utf16le', at + 4, at + 4 + bytes.readUInt32LE(at));
}

export function firstAfter<K extends EntryKey>(keys: readonly K[], key: K): number {
  let [low, high] = [0, keys.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((keys[middle] as K) <= key) low = middle + 1;
    else high = middle;
  }
  return low;
}

export function insertEntry<K extends EntryKey>(
  { keys, columns }: Entries<K>,
  at: number,
  key: K,
  cells: readonly unknown[],
): void {
  if (at === keys.length) {
    keys.push(key);
    for (let c = 0; c < columns.length; c++) (columns[c] as unknown[]).push(cells[c]);
    return;
  }
  keys.splice(at, 0, key);
  for (let c = 0; c < columns.length; c++) (columns[c] as unknown[]).splice(at, 0, cells[c]);
}

export function moveEntry<K extends EntryKey>(
  { keys, columns }: Entries<K>,
  from: number,
  to: number,
): void {
  keys[to] = keys[from] as K;
  for (const column of columns) column[to] = column[from];
}

export function removeEntries<K extends EntryKey>(
  { keys, columns }: Entries<K>,
  at: number,
  count: number,
): void {
  if (count === 0) return;
  keys.splice(at, count);
  for (const column of columns) column.splice(at, count);
}
