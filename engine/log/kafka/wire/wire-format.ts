/**
 * Kafka's wire types (the encodings of the protocol guide), big-endian: a writer and a reader.
 * Compact ones are those of flexible versions.
 */
import { emptyBytes } from '../../../base/bytes.ts';

const uuidBytes = 16;
const noUuid = '00'.repeat(uuidBytes);

/** Builds a request; grows as needed. */
export class WireWriter {
  #bytes = Buffer.allocUnsafe(256);
  #used = 0;

  /** The written bytes; the writer must not be used afterwards. */
  get written(): Buffer {
    return this.#bytes.subarray(0, this.#used);
  }

  int8(value: number): this {
    this.#used = this.#room(1).writeInt8(value, this.#used);
    return this;
  }

  int16(value: number): this {
    this.#used = this.#room(2).writeInt16BE(value, this.#used);
    return this;
  }

  int32(value: number): this {
    this.#used = this.#room(4).writeInt32BE(value, this.#used);
    return this;
  }

  /** An integer that a number holds exactly. */
  int64(value: number): this {
    const bytes = this.#room(8);
    const high = Math.floor(value / 2 ** 32);
    this.#used = bytes.writeInt32BE(high, this.#used);
    this.#used = bytes.writeUInt32BE(value - high * 2 ** 32, this.#used);
    return this;
  }

  string(value: string): this {
    const length = Buffer.byteLength(value);
    this.int16(length);
    this.#used += this.#room(length).write(value, this.#used);
    return this;
  }

  /** Undefined is written as null. */
  compactString(value: string | undefined): this {
    if (value === undefined) return this.#unsigned(0);
    const length = Buffer.byteLength(value);
    this.#unsigned(length + 1);
    this.#used += this.#room(length).write(value, this.#used);
    return this;
  }

  compactArray<T>(items: readonly T[], write: (item: T) => void): this {
    this.#unsigned(items.length + 1);
    for (const item of items) write(item);
    return this;
  }

  /** Undefined is written as the id of nothing. */
  uuid(value: string | undefined): this {
    const bytes = Buffer.from(value ?? noUuid, 'hex');
    this.#room(uuidBytes).set(bytes, this.#used);
    this.#used += uuidBytes;
    return this;
  }

  /** No tagged fields. */
  tags(): this {
    return this.#unsigned(0);
  }

  bytes(value: Uint8Array): this {
    this.int32(value.byteLength);
    this.#room(value.byteLength).set(value, this.#used);
    this.#used += value.byteLength;
    return this;
  }

  array<T>(items: readonly T[], write: (item: T) => void): this {
    this.int32(items.length);
    for (const item of items) write(item);
    return this;
  }

  #unsigned(value: number): this {
    let left = value;
    for (; left >= 0x80; left >>>= 7) this.int8(((left & 0x7f) | 0x80) - 0x100);
    return this.int8(left);
  }

  #room(bytes: number): Buffer {
    if (this.#used + bytes > this.#bytes.length) {
      const larger = Buffer.allocUnsafe((this.#used + bytes) * 2);
      this.#bytes.copy(larger, 0, 0, this.#used);
      this.#bytes = larger;
    }
    return this.#bytes;
  }
}

/** Reads a response sequentially; throws RangeError beyond its end. */
export class WireReader {
  readonly source: Buffer;
  at = 0;

  constructor(source: Buffer) {
    this.source = source;
  }

  int8(): number {
    return this.source.readInt8(this.#skip(1));
  }

  int16(): number {
    return this.source.readInt16BE(this.#skip(2));
  }

  int32(): number {
    return this.source.readInt32BE(this.#skip(4));
  }

  /** Exact up to 2^53. */
  int64(): number {
    return readInt64(this.source, this.#skip(8));
  }

  /** Null comes as undefined. */
  string(): string | undefined {
    const length = this.int16();
    if (length < 0) return undefined;
    const from = this.#skip(length);
    return this.source.toString('utf8', from, this.at);
  }

  /** A view; null comes as no bytes. */
  bytes(): Buffer {
    const length = this.int32();
    if (length <= 0) return emptyBytes;
    const from = this.#skip(length);
    return this.source.subarray(from, this.at);
  }

  /** Null comes as an empty list. */
  array<T>(read: () => T): T[] {
    const items: T[] = [];
    for (let left = this.int32(); left > 0; left--) items.push(read());
    return items;
  }

  /** Null comes as undefined. */
  compactString(): string | undefined {
    const length = this.#unsigned() - 1;
    if (length < 0) return undefined;
    const from = this.#skip(length);
    return this.source.toString('utf8', from, this.at);
  }

  /** Null comes as an empty list. */
  compactArray<T>(read: () => T): T[] {
    const items: T[] = [];
    for (let left = this.#unsigned() - 1; left > 0; left--) items.push(read());
    return items;
  }

  /** In hexadecimal digits; the id of nothing comes as undefined. */
  uuid(): string | undefined {
    const from = this.#skip(uuidBytes);
    const value = this.source.toString('hex', from, this.at);
    return value === noUuid ? undefined : value;
  }

  /** Skips tagged fields. */
  tags(): void {
    for (let left = this.#unsigned(); left > 0; left--) {
      this.#unsigned();
      this.#skip(this.#unsigned());
    }
  }

  #unsigned(): number {
    let value = 0;
    for (let shift = 0; shift < 35; shift += 7) {
      const byte = this.source[this.#skip(1)] as number;
      value += (byte & 0x7f) * 2 ** shift;
      if (byte < 0x80) return value;
    }
    throw new RangeError('a length in a response of Kafka has no end');
  }

  #skip(bytes: number): number {
    const from = this.at;
    if (from + bytes > this.source.length) throw new RangeError('a response of Kafka is cut off');
    this.at += bytes;
    return from;
  }
}

/** A signed integer of 8 bytes, exact up to 2^53. */
export function readInt64(source: Buffer, at: number): number {
  return source.readInt32BE(at) * 2 ** 32 + source.readUInt32BE(at + 4);
}
