/**
 * The changelog: what a commit changed in a store, as records. The first record holds the store's
 * numbers and the commit id; then one record a changed key, in the order the keys first changed.
 *
 *   key    [0] for the first record · [1][key bytes] for a cell
 *   value  JSON {commitId, numbers} · encoded cell, null when the key was removed
 */
import { BatchBuilder, type PackedBatch } from '../record/batch.ts';
import type { StoreState } from './store-state.ts';

const metaRecordKey: Buffer = Buffer.from([0]);

export interface ChangelogMeta {
  readonly commitId: number;
  readonly numbers: Readonly<Record<string, number>>;
}

/**
 * The records of a store's changes; undefined when nothing changed. Encodes each dirty cell once. A
 * cell that came and went since the last commit leaves nothing behind: there is nothing to take back.
 */
export function changelogBatch(store: StoreState, commitId: number): PackedBatch | undefined {
  if (store.dirty.length === 0 && !store.numbersDirty) return undefined;
  const builder = new BatchBuilder(store.dirty.length + 1, 96);
  const meta: ChangelogMeta = { commitId, numbers: Object.fromEntries(store.numbers) };
  builder.append(metaRecordKey, Buffer.from(JSON.stringify(meta)), 0);
  for (const keyId of store.dirty) {
    const entry = store.entries.get(keyId);
    if (entry === undefined || (entry.cell === undefined && !entry.stored)) continue;
    entry.encoded = entry.cell === undefined ? null : store.spec.encode(entry.cell);
    builder.appendKeyId(1, keyId, entry.encoded);
  }
  return builder.finishAt(0);
}

/** What record `i` of a changelog says: the store's numbers, or a key's cell. */
export function changelogRecord(
  batch: PackedBatch,
  i: number,
):
  | { readonly kind: 'meta'; readonly value: Buffer | null }
  | { readonly kind: 'cell'; readonly keyId: string; readonly value: Buffer | null }
  | undefined {
  const key = batch.key(i);
  if (key === null || key.byteLength === 0) return undefined;
  if (key[0] === 0) return { kind: 'meta', value: batch.value(i) };
  if (key[0] !== 1) return undefined;
  return { kind: 'cell', keyId: key.toString('latin1', 1), value: batch.value(i) };
}
