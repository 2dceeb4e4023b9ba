/**
 * Checks Kafka's record batches without reading their records: where the whole ones end, the next
 * offset, and their integrity. The native helper reads the records (native/unpack.cc).
 */
import { crc32c } from '../../../base/crc32c.ts';
import { recordBatchFields } from '../wire/record-batch-fields.ts';
import { readInt64 } from '../wire/wire-format.ts';
import { codecMask, isDecompressed } from './codecs.ts';

const {
  batchLengthAt,
  formatAt,
  checksumAt,
  checkedFrom,
  attributesAt,
  lastOffsetDeltaAt,
  headBytes,
  beforeLength,
} = recordBatchFields;

const format = 2;
const uncompressed = 0;
const lz4 = 3;

export type Problem =
  /** Only the client can read it. */
  | { readonly kind: 'for-client'; readonly reason: string }
  /** Unreadable; `mayPass`: it may have been damaged in transit. */
  | { readonly kind: 'unreadable'; readonly reason: string; readonly mayPass: boolean };

export interface WholeBatches {
  /** Their end; the bytes after it are a cut-off batch, which is fetched again. */
  readonly end: number;
  /** The offset after the last record; undefined if there is none. */
  readonly next: number | undefined;
  /** True if some must be decompressed before they are unpacked (codecs.ts). */
  readonly isCompressed: boolean;
  /** Why the following batch cannot be read here; undefined if it can. */
  readonly problem: Problem | undefined;
}

/** Checks the batches of a response. @param readsLz4 true if the unpacker reads LZ4 */
export function wholeBatches(records: Buffer, readsLz4 = true): WholeBatches {
  let [end, next]: [number, number | undefined] = [0, undefined];
  let isCompressed = false;
  const until = (problem?: Problem) => ({ end, next, isCompressed, problem });
  while (end + headBytes <= records.length) {
    const length = records.readUInt32BE(end + batchLengthAt) + beforeLength;
    // Older formats have one message, and may be shorter than the header of a batch.
    if (records[end + formatAt] !== format) return until(forClient('an old message format'));
    if (length < headBytes) return until(unreadable('a batch is shorter than its head'));
    if (end + length > records.length) break;
    const codec = records.readInt16BE(end + attributesAt) & codecMask;
    if (codec === lz4 && !readsLz4) return until(forClient('records compressed by lz4'));
    if (codec !== uncompressed && codec !== lz4 && !isDecompressed(codec)) {
      return until(unreadable(`records are compressed by codec ${codec}, which is not known`));
    }
    if (
      crc32c(records.subarray(end + checkedFrom, end + length)) !==
      records.readUInt32BE(end + checksumAt)
    ) {
      return until(unreadable('the checksum of a batch does not match', true));
    }
    isCompressed ||= isDecompressed(codec);
    next = readInt64(records, end) + records.readInt32BE(end + lastOffsetDeltaAt) + 1;
    end += length;
  }
  if (end > 0 || records.length === 0) return until();
  return until(forClient('a batch that does not fit into a response'));
}

function forClient(reason: string): Problem {
  return { kind: 'for-client', reason };
}

function unreadable(reason: string, mayPass = false): Problem {
  return { kind: 'unreadable', reason, mayPass };
}
