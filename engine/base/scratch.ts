/**
 * Builds bytes of unknown length in a reused buffer: one allocation per result instead of one per
 * part. Numbers are little-endian.
 */
import { copiedByLoop, copyView, utf8Most, writeLatin1, writeText } from './bytes.ts';

const firstBytes = 4_096;

export class Scratch {
  length = 0;
  #bytes: Buffer;
  #view: DataView;

  /** @param bytes initial capacity */
  constructor(bytes = firstBytes) {
    this.#bytes = Buffer.allocUnsafeSlow(bytes);
    this.#view = new DataView(this.#bytes.buffer);
  }

  /** Writes a number, 8 bytes, little-endian. */
  float64(value: number): void {
    this.#ensure(8);
    this.#view.setFloat64(this.length, value, true);
    this.length += 8;
  }

  /** Items [from, to). */
  float64s(values: readonly number[], from = 0, to = values.length): void {
    this.#ensure(8 * (to - from));
    let at = this.length;
    for (let i = from; i < to; i++, at += 8) {
      this.#view.setFloat64(at, values[i] as number, true);
    }
    this.length = at;
  }

  /** Writes the low 32 bits of an integer, big-endian. */
  int32BE(value: number): void {
    this.#ensure(4);
    this.#view.setInt32(this.length, value);
    this.length += 4;
  }

  /** Writes an integer from 0 to 2^32 - 1, 4 bytes, little-endian. */
  uint32(value: number): void {
    this.#ensure(4);
    this.#view.setUint32(this.length, value, true);
    this.length += 4;
  }

  /** Overwrites a number. */
  uint32At(at: number, value: number): void {
    this.#view.setUint32(at, value, true);
  }

  /** Reserves bytes to be written later. */
  skip(bytes: number): void {
    this.#ensure(bytes);
    this.length += bytes;
  }

  /** Writes bytes. */
  append(bytes: Uint8Array): void {
    this.appendRange(bytes, 0, bytes.byteLength);
  }

  /** Bytes [from, to). */
  appendRange(bytes: Uint8Array, from: number, to: number): void {
    const at = this.length;
    const length = to - from;
    this.#ensure(length);
    this.length = at + length;
    if (length > copiedByLoop) {
      this.#bytes.set(length === bytes.byteLength ? bytes : bytes.subarray(from, to), at);
    } else for (let i = 0; i < length; i++) this.#bytes[at + i] = bytes[from + i] as number;
  }

  /** Bytes of a view. */
  appendView(from: DataView, start: number, length: number): void {
    this.#ensure(length);
    this.putViewAt(this.length, from, start, length);
    this.length += length;
  }

  /** The same, overwriting the bytes at `at`. */
  putViewAt(at: number, from: DataView, start: number, length: number): void {
    copyView(this.#view, at, from, start, length);
  }

  /** Writes text with one byte per character, like key texts. */
  latin1(text: string): void {
    this.#ensure(text.length);
    writeLatin1(this.#bytes, text, this.length);
    this.length += text.length;
  }

  /** As UTF-8. */
  text(text: string): void {
    this.#ensure(utf8Most * text.length);
    this.length += writeText(this.#bytes, text, this.length);
  }

  /**
   * The buffer, with room for this many bytes at `length`, for a caller that writes there and
   * advances `length`.
   */
  room(bytes: number): Buffer {
    this.#ensure(bytes);
    return this.#bytes;
  }

  /** The underlying buffer; valid until something is added. */
  get bytes(): Buffer {
    return this.#bytes;
  }

  /** The same. */
  get view(): DataView {
    return this.#view;
  }

  /** A copy of what was written. */
  take(): Buffer {
    const { length } = this;
    const copy = Buffer.allocUnsafe(length);
    if (length > copiedByLoop) this.#bytes.copy(copy, 0, 0, length);
    else for (let i = 0; i < length; i++) copy[i] = this.#bytes[i] as number;
    return copy;
  }

  #ensure(more: number): void {
    if (this.length + more <= this.#bytes.byteLength) return;
    const larger = Buffer.allocUnsafeSlow(2 * (this.length + more));
    larger.set(this.#bytes.subarray(0, this.length));
    this.#bytes = larger;
    this.#view = new DataView(larger.buffer);
  }
}

const free: Scratch[] = [];

/** The bytes that `write` writes, as a copy. Calls may be nested; each uses its own scratch. */
export function written(write: (scratch: Scratch) => void): Buffer {
  const scratch = free.pop() ?? new Scratch();
  scratch.length = 0;
  try {
    write(scratch);
    return scratch.take();
  } finally {
    free.push(scratch);
  }
}
