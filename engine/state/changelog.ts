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
import type { CellParts, StoreSpec } from '../graph/store-spec.ts';
import { BatchBuilder, type PackedBatch } from '../record/batch.ts';
import { type CacheEntry, emptyParts, inParts, type StoreState } from './store-state.ts';

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
 * The records of a store's changes; undefined when nothing changed, and when its topic has them already.
 * Encodes each dirty cell once. A cell that came and went since the last commit leaves nothing behind:
 * there is nothing to take back.
 */
export function changelogBatch(store: StoreState, commitId: number): PackedBatch | undefined {
  if (store.dirty.length === 0 && !store.numbersDirty) return undefined;
  if (store.spec.source !== undefined) {
    encodeChanges(store, () => {});
    return undefined;
  }
  const builder = new BatchBuilder(store.dirty.length + 1, 96);
  const meta: ChangelogMeta = { commitId, numbers: Object.fromEntries(store.numbers) };
  builder.append(metaRecordKey, Buffer.from(JSON.stringify(meta)), 0);
  const { parts } = store.spec;
  if (parts !== undefined) {
    const prefix = Buffer.alloc(partPrefixBytes, partTag);
    const append: AppendPart = (keyId, part, value) => {
      writeOrderedTime(prefix, 1, part);
      builder.appendKeyId(prefix, keyId, value);
    };
    for (const entry of store.dirty) appendParts(builder, append, parts, entry);
  } else {
    encodeChanges(store, (keyId, encoded) => builder.appendKeyId(cellPrefix, keyId, encoded));
  }
  return builder.finishAt(0);
}

type AppendPart = (keyId: string, part: number, value: Uint8Array | null) => void;

/** The parts of a cell that changed, and its head; all that is known of it when the cell is gone. */
function appendParts(
  builder: BatchBuilder,
  append: AppendPart,
  parts: CellParts<unknown>,
  entry: CacheEntry,
): void {
  const { keyId, cell, gone } = entry;
  entry.gone = emptyParts;
  // It came and went between two commits.
  if (cell === undefined && !entry.logged) return;
  if (cell === undefined) {
    // The head goes last: a restore that has read so far knows no cell of which it reads parts after.
    for (const part of gone) append(keyId, part, null);
    builder.appendKeyId(cellPrefix, keyId, null);
    entry.encoded = null;
    return;
  }
  const changes = parts.takeChanges(cell);
  if (changes.head) builder.appendKeyId(cellPrefix, keyId, parts.head(cell));
  for (const part of changes.parts) append(keyId, part, parts.part(cell, part));
  for (const part of gone) if (!changes.parts.includes(part)) append(keyId, part, null);
  entry.encoded = inParts;
}

/** The cells that changed, as they are to be kept: encoded once, for the changelog and the store. */
function encodeChanges(
  store: StoreState,
  take: (keyId: string, cell: Uint8Array | null) => void,
): void {
  for (const entry of store.dirty) {
    // It came and went between two commits.
    if (entry.cell === undefined && !entry.logged) continue;
    entry.encoded = entry.cell === undefined ? null : store.spec.encode(entry.cell);
    take(entry.keyId, entry.encoded);
  }
}

/** What record `i` of a changelog says: the store's numbers, or a key's cell. */
export function changelogRecord(batch: PackedBatch, i: number): ChangelogRecord | undefined {
  const key = batch.key(i);
  if (key === null || key.byteLength === 0) return undefined;
  const value = batch.value(i);
  if (key[0] === metaTag) return { kind: 'meta', value };
  if (key[0] === cellTag) return { kind: 'cell', keyId: key.toString('latin1', 1), value };
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
    const cell = value && spec.encode(source.cell(value, timestamp));
    return { keyId: key.toString('latin1'), value: cell };
  } catch {
    return undefined;
  }
}
