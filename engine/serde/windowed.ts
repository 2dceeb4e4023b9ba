/**
 * Windowed keys, in the byte format of Kafka Streams' WindowedSerdes: a time window is the key's
 * bytes and its 8-byte start; a session is the key's bytes, its 8-byte end and its 8-byte start.
 * The partition is the base key's, so a windowed result stays where its key lives.
 */
import { asBuffer } from '../base/bytes.ts';
import type { Serde } from './serde.ts';

/** A key and its window: `[start, end)` for time windows, `[start, end]` for sliding and session. */
export interface Windowed<K> {
  readonly key: K;
  /** ms UTC */
  readonly start: number;
  /** ms UTC */
  readonly end: number;
}

/** @param sizeMs the windows' length, which is not written: end = start + sizeMs. */
export function timeWindowed<K>(key: Serde<K>, sizeMs: number): Serde<Windowed<K>> {
  return {
    format: `time-windowed(${key.format},${sizeMs})`,
    encode: (value) => suffix(key.encode(value.key), [value.start]),
    decode: (bytes, start, end) => {
      const from = readTime(bytes, end - 8);
      return { key: key.decode(bytes, start, end - 8), start: from, end: from + sizeMs };
    },
    partitionBytes: (encoded) => encoded.subarray(0, encoded.byteLength - 8),
  };
}

export function sessionWindowed<K>(key: Serde<K>): Serde<Windowed<K>> {
  return {
    format: `session-windowed(${key.format})`,
    encode: (value) => suffix(key.encode(value.key), [value.end, value.start]),
    decode: (bytes, start, end) => ({
      key: key.decode(bytes, start, end - 16),
      start: readTime(bytes, end - 8),
      end: readTime(bytes, end - 16),
    }),
    partitionBytes: (encoded) => encoded.subarray(0, encoded.byteLength - 16),
  };
}

function suffix(keyBytes: Uint8Array, times: readonly number[]): Buffer {
  const encoded = Buffer.allocUnsafe(keyBytes.byteLength + times.length * 8);
  asBuffer(keyBytes).copy(encoded);
  let at = keyBytes.byteLength;
  for (const time of times) {
    // As a signed integer of 64 bits, without a bigint for it.
    const high = Math.floor(time / 2 ** 32);
    at = encoded.writeInt32BE(high, at);
    at = encoded.writeUInt32BE(time - high * 2 ** 32, at);
  }
  return encoded;
}

function readTime(bytes: Buffer, at: number): number {
  return bytes.readInt32BE(at) * 2 ** 32 + bytes.readUInt32BE(at + 4);
}
