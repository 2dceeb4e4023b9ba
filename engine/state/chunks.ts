/**
 * Chunks: changelog values that are too long for one record of a log are logged in chunks, each a
 * separate record. All chunks of a value are logged together.
 *
 *   value of a chunk   f64 id of the commit · u32 number of chunks · bytes
 *
 * A value is complete when all its chunks of one commit have been read. A restore that stops
 * between them must start again with the first.
 */
import { asBuffer } from '../base/bytes.ts';
import type { BatchBuilder } from '../record/batch.ts';
import { type ChangelogRecord, chunkPrefixBytes, chunkTag, recordOf } from './changelog.ts';

/**
 * Longer values are logged in chunks of this size: a quarter of a Kafka broker's default record
 * limit.
 */
export const chunkBytes = 262_144;
const headBytes = 12;

/** Number of chunks of a value with this length; 0: it is one record. */
export function chunksOf(bytes: number): number {
  return bytes > chunkBytes ? Math.ceil(bytes / chunkBytes) : 0;
}

const prefix = Buffer.alloc(256);

/** @param of first bytes of the record's key; the rest is the key text */
function chunkPrefix(chunk: number, of: Uint8Array): Buffer {
  prefix[0] = chunkTag;
  prefix.writeUInt32BE(chunk, 1);
  asBuffer(of).copy(prefix, chunkPrefixBytes);
  return prefix.subarray(0, chunkPrefixBytes + of.byteLength);
}

/**
 * Ends the record that was begun with this prefix and key text: as one record, or in chunks.
 * @param hasValue false for a tombstone
 * @param before number of chunks that the log may have of the record; surplus ones are deleted
 * @returns number of chunks that the log has now
 */
export function endRecord(
  builder: BatchBuilder,
  recordPrefix: Uint8Array,
  keyText: string,
  commitId: number,
  hasValue: boolean,
  before: number,
): number {
  const count = hasValue ? chunksOf(builder.valueLength) : 0;
  if (count === 0) builder.end(hasValue, 0);
  else {
    const value = builder.takeValue();
    for (let i = 0; i < count; i++) {
      const body = builder.beginKeyText(chunkPrefix(i, recordPrefix), keyText);
      body.float64(commitId);
      body.uint32(count);
      body.appendRange(value, i * chunkBytes, Math.min(value.byteLength, (i + 1) * chunkBytes));
      builder.end(true, 0);
    }
  }
  for (let i = count; i < before; i++) {
    builder.beginKeyText(chunkPrefix(i, recordPrefix), keyText);
    builder.end(false, 0);
  }
  return count;
}

interface Pending {
  readonly commitId: number;
  readonly count: number;
  /** The chunks so far, from the first on. */
  readonly chunks: Buffer[];
  /** Offset of the first chunk. */
  readonly since: number;
}

/**
 * Assembles chunks while a changelog is read. They come in order; compaction may have left chunks
 * of older values.
 */
export class Chunks {
  readonly #pending = new Map<string, Pending>();

  /** Offset of the first chunk that waits for others; +Infinity when none does. */
  get since(): number {
    let since = Number.POSITIVE_INFINITY;
    for (const pending of this.#pending.values()) since = Math.min(since, pending.since);
    return since;
  }

  /**
   * Returns the record that this chunk completes, and its number of chunks; undefined while chunks
   * are missing.
   */
  take(
    { of, chunk, value }: Extract<ChangelogRecord, { kind: 'chunk' }>,
    offset: number,
  ): { readonly record: ChangelogRecord | undefined; readonly chunks: number } | undefined {
    const known = this.#pending.get(of);
    this.#pending.delete(of);
    if (value === null || value.byteLength < headBytes) return undefined;
    const [commitId, count] = [value.readDoubleLE(0), value.readUInt32LE(8)];
    const begun = chunk === 0 ? { commitId, count, chunks: [], since: offset } : known;
    if (begun?.commitId !== commitId || begun.count !== count) return undefined;
    if (begun.chunks.length !== chunk) return undefined;
    begun.chunks.push(Buffer.from(value.subarray(headBytes)));
    if (begun.chunks.length < count) {
      this.#pending.set(of, begun);
      return undefined;
    }
    return {
      record: recordOf(Buffer.from(of, 'latin1'), Buffer.concat(begun.chunks)),
      chunks: count,
    };
  }
}
