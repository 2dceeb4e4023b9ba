/**
 * Records of a changelog whose values are longer than a log may take: they are logged in chunks,
 * each a record of its own. All chunks of a value are logged together.
 *
 *   value of a chunk   f64 id of the commit · u32 how many chunks there are · bytes
 *
 * A value counts when all its chunks of one commit have been read. A restore that stops between
 * them must begin with the first of them again.
 */
import { asBuffer } from '../base/bytes.ts';
import type { BatchBuilder } from '../record/batch.ts';
import { type ChangelogRecord, chunkPrefixBytes, chunkTag, recordOf } from './changelog.ts';

/**
 * Longer values are logged in chunks of so many bytes: a quarter of what a Kafka broker takes by
 * default.
 */
export const chunkBytes = 262_144;
const headBytes = 12;

/** Chunks of a value of so many bytes; 0: it is one record. */
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
 * Ends the record that was begun with this prefix and key text: as it is, or in chunks.
 * @param hasValue false of a tombstone
 * @param before chunks that the log may have of the record; those that are left over are taken back
 * @returns chunks that the log has of it now
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
  /** From the first on. */
  readonly chunks: Buffer[];
  /** Offset of the first. */
  readonly since: number;
}

/**
 * Puts chunks together while a changelog is read. They come in their order; compaction may have
 * left some of older values.
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
   * The record whose last chunk this is, and how many it has; undefined when others are missing.
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
