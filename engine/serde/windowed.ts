/**
 * Windowed keys, in the byte format of Kafka Streams' WindowedSerdes: a time window is the key's
 * bytes and its 8-byte start; a session is the key's bytes, its 8-byte end and its 8-byte start.
 * The partition is the base key's, so a windowed result stays where its key lives.
 */
import type { Scratch } from '../base/scratch.ts';
import { encodeInPlace, type Serde, writerOf } from './serde.ts';

/**
 * A key and its window: `[start, end)` for time windows, `[start, end]` for sliding and session.
 */
export interface Windowed<K> {
  readonly key: K;
  /** ms UTC */
  readonly start: number;
  /** ms UTC */
  readonly end: number;
}

/** @param sizeMs the windows' length, which is not written: end = start + sizeMs. */
export function timeWindowed<K>(key: Serde<K>, sizeMs: number): Serde<Windowed<K>> {
  const writeKey = writerOf(key);
  return {
    format: `time-windowed(${key.format},${sizeMs})`,
    encode: encodeInPlace<Windowed<K>>((value, to) => {
      writeKey(value.key, to);
      writeTime(value.start, to);
    }),
    decode: (bytes, start, end) => {
      const from = readTime(bytes, end - 8);
      return { key: key.decode(bytes, start, end - 8), start: from, end: from + sizeMs };
    },
    partitionLength: (length) => length - 8,
  };
}

/** How keys of session windows are written: the key, and the start and end of its session. */
export function sessionWindowed<K>(key: Serde<K>): Serde<Windowed<K>> {
  const writeKey = writerOf(key);
  return {
    format: `session-windowed(${key.format})`,
    encode: encodeInPlace<Windowed<K>>((value, to) => {
      writeKey(value.key, to);
      writeTime(value.end, to);
      writeTime(value.start, to);
    }),
    decode: (bytes, start, end) => ({
      key: key.decode(bytes, start, end - 16),
      start: readTime(bytes, end - 8),
      end: readTime(bytes, end - 16),
    }),
    partitionLength: (length) => length - 16,
  };
}

/** As a signed integer of 64 bits, big-endian, without a bigint for it. */
function writeTime(time: number, to: Scratch): void {
  const high = Math.floor(time / 2 ** 32);
  to.int32BE(high);
  to.int32BE(time - high * 2 ** 32);
}

function readTime(bytes: Buffer, at: number): number {
  return bytes.readInt32BE(at) * 2 ** 32 + bytes.readUInt32BE(at + 4);
}
