/**
 * Converts Kafka's record batches to packed batches without the native helper (native/unpack.cc
 * does the same many times faster): for partitions that the client cannot read if the helper was
 * not built. LZ4 is left to the client.
 */

import { BatchBuilder, type PackedBatch } from '../../../record/batch.ts';
import { encodePairs } from '../../../record/headers.ts';
import { recordBatchFields } from '../wire/record-batch-fields.ts';
import { readInt64 } from '../wire/wire-format.ts';
import type { Unpack } from './unpacking.ts';
import { recordsPerBatch } from './unpacking.ts';

const { batchLengthAt, attributesAt, lastOffsetDeltaAt, producerAt, countAt } = recordBatchFields;
const { baseTimestampAt, maxTimestampAt, headBytes, beforeLength } = recordBatchFields;
const [appendTime, transactional, control] = [8, 16, 32];

/** As `Unpack`; batches must not be compressed. */
export const unpackPlainly: Unpack = async (records, bytes, from, aborted) => {
  const images: ArrayBuffer[] = [];
  const isAborted = abortedBatches(aborted);
  const builder = new BatchBuilder();
  const finish = () => {
    if (builder.count > 0) images.push((builder.finishAt(null) as PackedBatch).image);
  };
  for (let at = 0; at < bytes; ) {
    const end = at + records.readUInt32BE(at + batchLengthAt) + beforeLength;
    if (end > bytes) throw new Error('a batch is cut off');
    const batch = records.subarray(at, end);
    at = end;
    if (isAborted(batch)) continue;
    for (const record of recordsIn(batch)) {
      if (record.offset < from) continue;
      const { key, value, timestamp, headers, offset } = record;
      builder.append(key, value, timestamp, encodePairs(headers), offset);
      if (builder.count === recordsPerBatch) finish();
    }
  }
  finish();
  return images;
};

interface Record {
  readonly offset: number;
  readonly timestamp: number;
  readonly key: Buffer | null;
  readonly value: Buffer | null;
  readonly headers: readonly (readonly [string, Buffer])[];
}

function* recordsIn(batch: Buffer): Generator<Record> {
  const attributes = batch.readInt16BE(attributesAt);
  const baseOffset = readInt64(batch, 0);
  const first = readInt64(batch, baseTimestampAt);
  const appended = (attributes & appendTime) === 0 ? undefined : readInt64(batch, maxTimestampAt);
  const reader = new RecordReader(batch, headBytes);
  for (let left = batch.readInt32BE(countAt); left > 0; left--) {
    reader.varint(); // its length
    reader.skip(1); // attributes, unused
    const timestamp = first + reader.varint();
    const offset = baseOffset + reader.varint();
    const [key, value] = [reader.bytes(), reader.bytes()];
    const headers: [string, Buffer][] = [];
    for (let more = reader.varint(); more > 0; more--) {
      headers.push([String(reader.bytes() ?? ''), reader.bytes() ?? Buffer.alloc(0)]);
    }
    yield { offset, timestamp: appended ?? timestamp, key, value, headers };
  }
}

/**
 * Returns a function that is true for batches without visible records: markers, and aborted
 * batches. Call it in the order of the log.
 */
function abortedBatches(aborted: readonly number[]): (batch: Buffer) => boolean {
  const ahead: { producer: number; first: number }[] = [];
  for (let i = 0; i + 1 < aborted.length; i += 2) {
    ahead.push({ producer: aborted[i] as number, first: aborted[i + 1] as number });
  }
  ahead.sort((a, b) => a.first - b.first);
  const open = new Set<number>();
  return (batch) => {
    const last = readInt64(batch, 0) + batch.readInt32BE(lastOffsetDeltaAt);
    while (ahead[0] !== undefined && ahead[0].first <= last) {
      open.add((ahead.shift() as { producer: number }).producer);
    }
    const attributes = batch.readInt16BE(attributesAt);
    const producer = readInt64(batch, producerAt);
    if ((attributes & control) !== 0) {
      // Either marker ends the producer's transaction.
      open.delete(producer);
      return true;
    }
    return (attributes & transactional) !== 0 && open.has(producer);
  };
}

class RecordReader {
  readonly #source: Buffer;
  #at: number;

  constructor(source: Buffer, at: number) {
    this.#source = source;
    this.#at = at;
  }

  /** Zigzag, seven bits a byte; exact up to 2^53. */
  varint(): number {
    let value = 0;
    for (let scale = 1; ; scale *= 128) {
      const byte = this.#source[this.#at++];
      if (byte === undefined || scale > 2 ** 63) throw beyond();
      value += (byte & 0x7f) * scale;
      if (byte < 0x80) break;
    }
    return value % 2 === 0 ? value / 2 : -(value + 1) / 2;
  }

  /** A view; null for null. */
  bytes(): Buffer | null {
    const length = this.varint();
    if (length < -1) throw beyond();
    if (length < 0) return null;
    const from = this.#at;
    this.skip(length);
    return this.#source.subarray(from, this.#at);
  }

  skip(length: number): void {
    this.#at += length;
    if (this.#at > this.#source.length) throw beyond();
  }
}

function beyond(): Error {
  return new Error('a record reaches beyond its batch');
}
