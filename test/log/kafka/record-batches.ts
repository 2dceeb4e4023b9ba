/**
 * Kafka's record batches (format 2) as a broker would store them, for tests that need them byte by
 * byte.
 */
import { crc32c } from '../../../engine/base/crc32c.ts';

export interface Row {
  readonly key: string | null;
  readonly value: string | null;
  readonly timestamp: number;
  readonly headers?: readonly (readonly [string, string])[];
}

export interface BatchOptions {
  readonly baseOffset: number;
  /** Offsets after the first; without it they follow without gaps. */
  readonly offsets?: readonly number[];
  /** Beyond the last record where compaction took some away. */
  readonly lastOffset?: number;
  readonly producer?: number;
  readonly transactional?: boolean;
  /** A marker of a transaction's end; it has one record, which is no user's. */
  readonly control?: 'abort' | 'commit';
  /** The broker's time stands for all of the records'. */
  readonly appendTime?: number;
  /** Of the attributes; the bytes are not compressed. */
  readonly codec?: number;
  readonly format?: number;
}

function varint(value: number): Buffer {
  const bytes: number[] = [];
  let left = BigInt.asUintN(64, (BigInt(value) << 1n) ^ (BigInt(value) >> 63n));
  for (; left >= 0x80n; left >>= 7n) bytes.push(Number(left & 0x7fn) | 0x80);
  bytes.push(Number(left));
  return Buffer.from(bytes);
}

function text(value: string | null): Buffer {
  if (value === null) return varint(-1);
  const bytes = Buffer.from(value);
  return Buffer.concat([varint(bytes.length), bytes]);
}

export function recordBatch(rows: readonly Row[], options: BatchOptions): Buffer {
  const { baseOffset, producer = -1, transactional = false, control, appendTime } = options;
  const offsetOf = (i: number) => options.offsets?.[i] ?? baseOffset + i;
  const lastOffset = options.lastOffset ?? offsetOf(Math.max(0, rows.length - 1));
  const baseTimestamp = rows[0]?.timestamp ?? 0;
  const records = rows.map((row, i) => {
    const { key, value, timestamp, headers = [] } = row;
    const body = Buffer.concat([
      Buffer.from([0]),
      varint(timestamp - baseTimestamp),
      varint(offsetOf(i) - baseOffset),
      control === undefined
        ? text(key)
        : Buffer.concat([varint(4), Buffer.from([0, 0, 0, control === 'commit' ? 1 : 0])]),
      text(value),
      varint(headers.length),
      ...headers.flatMap(([name, content]) => [text(name), text(content)]),
    ]);
    return Buffer.concat([varint(body.length), body]);
  });
  const attributes =
    (options.codec ?? 0) |
    (appendTime === undefined ? 0 : 8) |
    (transactional ? 16 : 0) |
    (control === undefined ? 0 : 32);
  const checked = Buffer.alloc(40);
  checked.writeInt16BE(attributes, 0);
  checked.writeInt32BE(lastOffset - baseOffset, 2);
  checked.writeBigInt64BE(BigInt(baseTimestamp), 6);
  checked.writeBigInt64BE(BigInt(appendTime ?? baseTimestamp), 14);
  checked.writeBigInt64BE(BigInt(producer), 22);
  checked.writeInt32BE(rows.length, 36);
  const body = Buffer.concat([checked, ...records]);
  const head = Buffer.alloc(21);
  head.writeBigInt64BE(BigInt(baseOffset), 0);
  head.writeInt32BE(9 + body.length, 8);
  head.writeInt8(options.format ?? 2, 16);
  head.writeUInt32BE(crc32c(body), 17);
  return Buffer.concat([head, body]);
}

/** A batch whose records were compressed by a codec; `count` of them. */
export function compressedBatch(
  records: Buffer,
  { baseOffset, codec, count }: { baseOffset: number; codec: number; count: number },
): Buffer {
  const rows = Array.from({ length: count }, () => ({
    key: null,
    value: null,
    timestamp: 1_700_000_000_000,
  }));
  const head = recordBatch(rows, { baseOffset, codec }).subarray(0, 61);
  const batch = Buffer.concat([head, records]);
  batch.writeUInt32BE(batch.length - 12, 8);
  batch.writeUInt32BE(crc32c(batch.subarray(21)), 17);
  return batch;
}
