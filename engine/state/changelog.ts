/**
 * The changelog: what a commit changed in a store, as records. The first record holds the store's
 * numbers and the commit id; then one record a changed key, in the order the keys first changed. Of a store whose
 * cells are kept in parts: one a changed part, and one when the head changed.
 *
 *   key    [0] for the first record · [1][key bytes] for a cell · [2][part, 8 bytes][key bytes] for a part of one
 *   value  JSON {commitId, numbers} · encoded cell, or its head · encoded part; null when it was removed
 */

import { must } from '../base/assert.ts';
import { orderedTimeBytes, readOrderedTime, writeOrderedTime } from '../base/bytes.ts';
import { Scratch } from '../base/scratch.ts';
import { type CellParts, encodedCell, type StoreSpec } from '../graph/store-spec.ts';
import { BatchBuilder, type PackedBatch } from '../record/batch.ts';
import { type CacheEntry, emptyParts, type StoreState, takeMarks } from './store-state.ts';

const [metaTag, cellTag, partTag] = [0, 1, 2] as const;
const metaRecordKey: Buffer = Buffer.from([metaTag]);
const cellPrefix: Buffer = Buffer.from([cellTag]);
const partPrefixBytes = 1 + orderedTimeBytes;

export type ChangelogRecord =
  | { readonly kind: 'meta'; readonly value: Buffer | null }
  | { readonly kind: 'cell'; readonly keyId: string; readonly value: Buffer | null }
  | {
      readonly kind: 'part';
      readonly keyId: string;
      readonly part: number;
      readonly value: Buffer | null;
    };

export interface ChangelogMeta {
  readonly commitId: number;
  readonly numbers: Readonly<Record<string, number>>;
}

/**
 * Seals a store, and answers the records of its changes; undefined when nothing changed, and when its topic has them already.
 * A cell that came and went since the last commit leaves nothing behind: there is nothing to take back.
 */
export function sealedChanges(store: StoreState, commitId: number): PackedBatch | undefined {
  if (store.dirty.length === 0 && !store.numbersDirty) return undefined;
  const { spec } = store;
  if (spec.source !== undefined) {
    store.seal((entry) => {
      if (!isNews(entry)) return;
      unread.length = 0;
      writeCell(spec, entry, unread);
    });
    return undefined;
  }
  const builder = new BatchBuilder(store.dirty.length + 1, 96);
  const meta: ChangelogMeta = { commitId, numbers: store.numbers };
  builder.append(metaRecordKey, Buffer.from(JSON.stringify(meta)), 0);
  store.seal((entry) => {
    if (isNews(entry)) appendChange(builder, spec, entry);
  });
  return builder.finishAt(0);
}

function appendChange(
  builder: BatchBuilder,
  spec: StoreSpec<unknown, unknown>,
  entry: CacheEntry,
): void {
  if (spec.parts !== undefined) {
    appendParts(builder, spec.parts, entry);
    return;
  }
  writeCell(spec, entry, builder.beginKeyId(cellPrefix, entry.keyId));
  builder.end(entry.cell !== undefined, 0);
}

/** False of a cell that came and went since the last commit, parts and all. */
function isNews(entry: CacheEntry): boolean {
  if (entry.cell !== undefined || entry.logged) return true;
  entry.gone = emptyParts;
  entry.marks = undefined;
  entry.loggedBytes = -1;
  return false;
}

/** For stores whose topic has their cells already: only their sizes are wanted. */
const unread = new Scratch();
/** The parts of the cell at hand that changed. */
const changed: number[] = [];
const partPrefix = Buffer.alloc(partPrefixBytes, partTag);
/** The part that it names: the next key's is mostly the same. */
let prefixed = Number.NaN;

/** Nothing when the cell is gone. */
function writeCell(spec: StoreSpec<unknown, unknown>, entry: CacheEntry, to: Scratch): void {
  const before = to.length;
  if (entry.cell !== undefined) spec.write(entry.cell, to);
  entry.loggedBytes = to.length - before;
}

/** The parts of a cell that changed, and its head; all that is known of it when the cell is gone. */
function appendParts(builder: BatchBuilder, parts: CellParts<unknown>, entry: CacheEntry): void {
  const { keyId, cell, gone } = entry;
  changed.length = 0;
  if (cell !== undefined && takeMarks(parts, entry, changed)) {
    parts.writeHead(cell, builder.beginKeyId(cellPrefix, keyId));
    builder.end(true, 0);
  }
  for (const part of changed) {
    const some = parts.writePart(cell, part, builder.beginKeyId(prefixOf(part), keyId));
    builder.end(some, 0);
  }
  for (const part of gone) {
    if (changed.includes(part)) continue;
    builder.beginKeyId(prefixOf(part), keyId);
    builder.end(false, 0);
  }
  // The head goes last: a restore that has read so far knows no cell of which it reads parts after.
  if (cell === undefined) {
    builder.beginKeyId(cellPrefix, keyId);
    builder.end(false, 0);
  }
  entry.gone = emptyParts;
  entry.marks = undefined;
  entry.loggedBytes = cell === undefined ? 0 : Math.round(parts.bytesOf(cell));
}

/** Good until the next call. */
function prefixOf(part: number): Buffer {
  if (part !== prefixed) writeOrderedTime(partPrefix, 1, part);
  prefixed = part;
  return partPrefix;
}

/** Where the bytes of the key begin in the key of such a record. */
export const cellKeyStart: number = cellPrefix.byteLength;

/** Whether record `i` of a changelog holds a cell whole, or says its end. */
export function isCell(batch: PackedBatch, i: number): boolean {
  const length = batch.keyLengths[i] as number;
  return length >= cellKeyStart && batch.bytes[batch.starts[i] as number] === cellTag;
}

/** What record `i` of a changelog says: the store's numbers, or a key's cell. */
export function changelogRecord(batch: PackedBatch, i: number): ChangelogRecord | undefined {
  const key = batch.key(i);
  if (key === null || key.byteLength === 0) return undefined;
  const value = batch.value(i);
  if (key[0] === metaTag) return { kind: 'meta', value };
  if (isCell(batch, i)) return { kind: 'cell', keyId: key.toString('latin1', cellKeyStart), value };
  if (key[0] !== partTag || key.byteLength < partPrefixBytes) return undefined;
  const [part, keyId] = [readOrderedTime(key, 1), key.toString('latin1', partPrefixBytes)];
  return { kind: 'part', keyId, part, value };
}

/**
 * The change that record `i` of a store's source topic is; undefined for a record that changed nothing,
 * because the task refused it: one without a key, with a time before 1970, or that nobody can decode.
 */
export function sourceRecord(
  spec: StoreSpec<unknown, unknown>,
  batch: PackedBatch,
  i: number,
): { readonly keyId: string; readonly value: Uint8Array | null } | undefined {
  const source = must(spec.source, () => `store ${spec.name} has a changelog of its own`);
  const [key, value] = [batch.key(i), batch.value(i)];
  const timestamp = batch.timestamps[i] as number;
  if (key === null || !(timestamp >= 0)) return undefined;
  try {
    spec.key.decode(key, 0, key.byteLength);
    const cell = value === null ? undefined : source.cell(value, timestamp);
    const bytes = cell === undefined ? null : encodedCell(spec, cell);
    return { keyId: key.toString('latin1'), value: bytes };
  } catch {
    return undefined;
  }
}
