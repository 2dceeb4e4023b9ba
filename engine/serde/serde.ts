/**
 * A serde turns values to bytes and back. Decoders read a range of a larger buffer, so that a value
 * inside a packed batch needs no view of its own.
 */
export interface Encoder<in T> {
  /** The bytes of a value; the caller copies them before the next call. */
  encode(value: T): Uint8Array;
}

export interface Decoder<out T> {
  /** The value in bytes [start, end). Throws when they are not such a value. */
  decode(bytes: Buffer, start: number, end: number): T;
}

export interface Serde<T> extends Encoder<T>, Decoder<T> {
  /** Part of the topology's fingerprint: the format, e.g. 'utf8'. */
  readonly format: string;
  /** The part of an encoded key that decides its partition; all of it when absent. */
  partitionBytes?(encoded: Uint8Array): Uint8Array;
}

/** A key from its id (base/bytes.ts). */
export function decodeKeyId<K>(serde: Decoder<K>, keyId: string): K {
  const bytes = Buffer.from(keyId, 'latin1');
  return serde.decode(bytes, 0, bytes.byteLength);
}

/** Decodes all of `bytes`. */
export function decodeAll<T>(decoder: Decoder<T>, bytes: Uint8Array): T {
  const source = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  return decoder.decode(source, 0, source.byteLength);
}
