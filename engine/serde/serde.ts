/**
 * A serde turns values to bytes and back. Decoders read a range of a larger buffer, so that a value
 * inside a packed batch needs no view of its own.
 */
import { type Scratch, written } from '../base/scratch.ts';
import { bytesOf } from './faithful.ts';

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
  /**
   * How many of the first bytes of an encoded key of `length` bytes decide its partition; all of
   * them when absent.
   */
  partitionLength?(length: number): number;
}

/*
 * Short cuts are attached to functions, not to the serde, so a serde derived from another with its
 * own `encode` or `decode` does not inherit them.
 */
interface Encode<T> {
  (value: T): Uint8Array;
  text?(value: T): string;
  write?(value: T, to: Scratch): void;
}
interface Decode<T> {
  (bytes: Buffer, start: number, end: number): T;
  ofKeyText?(keyText: string): T | undefined;
}

/**
 * `encode` of a format that is text, in UTF-8: who can write it in place needs no object for its
 * bytes.
 */
export function encodeText<T>(text: (value: T) => string): Encode<T> {
  return Object.assign((value: T) => Buffer.from(text(value)), { text });
}

/** `encode` of a format that is put together in a buffer. */
export function encodeInPlace<T>(write: (value: T, to: Scratch) => void): Encode<T> {
  const encode = (value: T) => written((to) => write(value, to));
  return Object.assign(encode, { write });
}

type Write<T> = (value: T, to: Scratch) => void;
const writes = new WeakMap<Encoder<never>, Write<never>>();
// Many values of one encoder follow one another.
let lastEncoder: Encoder<never> | undefined;
let lastWrite: Write<never>;

/** Encodes a value after what the scratch holds already. */
export function encodeTo<T>(encoder: Encoder<T>, value: T, to: Scratch): void {
  if (encoder !== lastEncoder) {
    lastWrite = writerOf(encoder);
    lastEncoder = encoder;
  }
  (lastWrite as Write<T>)(value, to);
}

/** Returns a function that appends encoded values to a scratch: `encodeTo` for a single encoder. */
export function writerOf<T>(encoder: Encoder<T>): Write<T> {
  const known = writes.get(encoder);
  if (known !== undefined) return known as Write<T>;
  const { text, write } = encoder.encode as Encode<T>;
  const made: Write<T> =
    write ??
    (text === undefined
      ? (value, to) => to.append(bytesOf(encoder, value))
      : (value, to) => to.text(text(value)));
  writes.set(encoder, made);
  return made;
}

/**
 * @param ofKeyText the value whose bytes have this id (base/bytes.ts); undefined when they must be
 * decoded
 */
export function decodeOrKnow<T>(
  decode: Decode<T>,
  ofKeyText: (keyText: string) => T | undefined,
): Decode<T> {
  return Object.assign(decode, { ofKeyText });
}

/** The key of this id, where it is known without decoding. */
export function knownKey<K>(decoder: Decoder<K>, keyText: string): K | undefined {
  return (decoder.decode as Decode<K>).ofKeyText?.(keyText);
}

/** A key from its id. */
export function decodeKeyText<K>(serde: Decoder<K>, keyText: string): K {
  const known = knownKey(serde, keyText);
  if (known !== undefined) return known;
  const bytes = Buffer.from(keyText, 'latin1');
  return serde.decode(bytes, 0, bytes.byteLength);
}

/** Decodes all of `bytes`. */
export function decodeAll<T>(decoder: Decoder<T>, bytes: Uint8Array): T {
  const source = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  return decoder.decode(source, 0, source.byteLength);
}
