/**
 * The records of a changelog. Each commit that changed a store begins with one that holds the
 * store's numbers and the commit id; then come those of the changed keys, in the order the keys
 * first changed (changelog-writer.ts).
 *
 *   key    [0]                           the first record
 *          [1][key bytes]                a cell, whole; of a store whose cells are always in parts, its head
 *          [2][part, 8 bytes][key bytes] a part of a cell
 *          [3][chunk u32][record's key]  a chunk of a record whose value is too long (chunks.ts)
 *          [4][key bytes]                the head of a cell in parts
 *   value  JSON {commitId, numbers} · the content; null when it is deleted
 *
 * For each key, either the cell or the head has a value, never both: a cell that is split into
 * parts, or whole again, deletes the other record in the same commit.
 */

import { must } from '../base/assert.ts';
import { orderedTimeBytes, readOrderedTime, writeOrderedTime } from '../base/bytes.ts';
import { encodedCell, type StoreSpec } from '../graph/store-spec.ts';
import type { PackedBatch } from '../record/batch.ts';

export const [metaTag, cellTag, partTag, chunkTag, headTag] = [0, 1, 2, 3, 4] as const;
const partPrefixBytes = 1 + orderedTimeBytes;
/** Length of the prefix before the key of the record that a chunk belongs to. */
export const chunkPrefixBytes = 5;

export type ChangelogRecord =
  | { readonly kind: 'meta'; readonly value: Buffer | null }
  | { readonly kind: 'cell' | 'head'; readonly keyText: string; readonly value: Buffer | null }
  | {
      readonly kind: 'part';
      readonly keyText: string;
      readonly part: number;
      readonly value: Buffer | null;
    }
  | {
      readonly kind: 'chunk';
      /** Key of the record that the chunk belongs to, as an id. */
      readonly of: string;
      readonly chunk: number;
      readonly value: Buffer | null;
    };

export interface ChangelogMeta {
  readonly commitId: number;
  readonly numbers: Readonly<Record<string, number>>;
}

/** Offset of the key's bytes in the key of a cell's record. */
export const cellKeyStart = 1;

const partPrefix = Buffer.alloc(partPrefixBytes, partTag);
/** The part in `partPrefix`, cached because the next key mostly has the same one. */
let prefixed = Number.NaN;

/** The prefix of the key of a part's record; valid until the next call. */
export function partPrefixOf(part: number): Buffer {
  if (part !== prefixed) writeOrderedTime(partPrefix, 1, part);
  prefixed = part;
  return partPrefix;
}

/** True if record `i` of a changelog is a whole cell or its tombstone. */
export function isCell(batch: PackedBatch, i: number): boolean {
  const length = batch.keyLengths[i] as number;
  return length >= cellKeyStart && batch.bytes[batch.starts[i] as number] === cellTag;
}

/** Decodes record `i` of a changelog; undefined for an unknown kind. */
export function changelogRecord(batch: PackedBatch, i: number): ChangelogRecord | undefined {
  const key = batch.key(i);
  return key === null ? undefined : recordOf(key, batch.value(i));
}

/** Decodes a record with this key and value. */
export function recordOf(key: Buffer, value: Buffer | null): ChangelogRecord | undefined {
  const { byteLength } = key;
  const textFrom = (start: number) => key.toString('latin1', start);
  if (byteLength === 0) return undefined;
  switch (key[0]) {
    case metaTag:
      return { kind: 'meta', value };
    case cellTag:
      return { kind: 'cell', keyText: textFrom(cellKeyStart), value };
    case headTag:
      return { kind: 'head', keyText: textFrom(cellKeyStart), value };
    case partTag:
      if (byteLength < partPrefixBytes) return undefined;
      return {
        kind: 'part',
        keyText: textFrom(partPrefixBytes),
        part: readOrderedTime(key, 1),
        value,
      };
    case chunkTag:
      if (byteLength <= chunkPrefixBytes) return undefined;
      return { kind: 'chunk', of: textFrom(chunkPrefixBytes), chunk: key.readUInt32BE(1), value };
    default:
      return undefined;
  }
}

/**
 * Decodes record `i` of a store's source topic as a change. Undefined for a record that the task
 * refused: one without a key, with a time before 1970, or that cannot be decoded.
 */
export function sourceRecord(
  spec: StoreSpec<unknown, unknown>,
  batch: PackedBatch,
  i: number,
): { readonly keyText: string; readonly value: Uint8Array | null } | undefined {
  const source = must(spec.source, () => `store ${spec.name} has a changelog of its own`);
  const [key, value] = [batch.key(i), batch.value(i)];
  const timestamp = batch.timestamps[i] as number;
  if (key === null || !(timestamp >= 0)) return undefined;
  try {
    spec.key.decode(key, 0, key.byteLength);
    const cell = value === null ? undefined : source.cell(value, timestamp);
    const bytes = cell === undefined ? null : encodedCell(spec, cell);
    return { keyText: key.toString('latin1'), value: bytes };
  } catch {
    return undefined;
  }
}
