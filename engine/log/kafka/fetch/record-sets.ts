/**
 * Kafka's record batches, looked at from outside: where the whole ones end, what the next offset is, whether they are
 * as they were written. The records are read by the native helper (native/unpack.cc).
 */
import { crc32c } from '../../../base/crc32c.ts';
import { recordBatchFields } from '../protocol/record-batch.ts';
import { readInt64 } from '../protocol/wire.ts';

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
const codecMask = 7;
/** None, and LZ4: what the helper reads. */
const codecs: ReadonlySet<number> = new Set([0, 3]);
const codecNames = ['none', 'gzip', 'snappy', 'lz4', 'zstd'];

export interface WholeBatches {
  /** Where they end; what is behind is cut off and comes again. */
  readonly end: number;
  /** The offset after the last; undefined when there is none. */
  readonly next: number | undefined;
  /** Why they cannot be read here; undefined when they can. */
  readonly problem: string | undefined;
}

/** Looks at the batches of a response. */
export function wholeBatches(records: Buffer): WholeBatches {
  let [end, next]: [number, number | undefined] = [0, undefined];
  while (end + headBytes <= records.length) {
    const length = records.readUInt32BE(end + batchLengthAt) + beforeLength;
    // Older formats hold one message, and may be shorter than the head of a batch.
    const problem = records[end + formatAt] === format ? undefined : 'an old message format';
    if (problem !== undefined) return { end, next, problem };
    if (length < headBytes) return { end, next, problem: 'a batch without a head' };
    if (end + length > records.length) break;
    const codec = records.readInt16BE(end + attributesAt) & codecMask;
    if (!codecs.has(codec)) {
      return { end, next, problem: `records compressed by ${codecNames[codec] ?? codec}` };
    }
    if (
      crc32c(records.subarray(end + checkedFrom, end + length)) !==
      records.readUInt32BE(end + checksumAt)
    ) {
      return { end, next, problem: 'a batch whose checksum does not match' };
    }
    next = readInt64(records, end) + records.readInt32BE(end + lastOffsetDeltaAt) + 1;
    end += length;
  }
  if (end === 0 && records.length > 0)
    return { end, next, problem: 'a batch that does not fit into a response' };
  return { end, next, problem: undefined };
}
