/** Reads RocksDB's encodings off a buffer. Throws RangeError beyond its end. */
export class ByteReader {
  readonly #bytes: Buffer;
  at: number;
  readonly end: number;

  constructor(bytes: Buffer, at = 0, end = bytes.byteLength) {
    this.#bytes = bytes;
    this.at = at;
    this.end = end;
  }

  get isAtEnd(): boolean {
    return this.at >= this.end;
  }

  /** A variable-length number, up to JavaScript's safe integers. */
  varint(): number {
    let [value, factor] = [0, 1];
    for (;;) {
      const byte = this.u8();
      value += (byte & 0x7f) * factor;
      if (byte < 0x80) return value;
      factor *= 128;
    }
  }

  u8(): number {
    return this.#bytes.readUInt8(this.#skip(1));
  }

  u32(): number {
    return this.#bytes.readUInt32LE(this.#skip(4));
  }

  /** Length-prefixed bytes. */
  slice(): Buffer {
    return this.take(this.varint());
  }

  take(length: number): Buffer {
    const start = this.#skip(length);
    return this.#bytes.subarray(start, start + length);
  }

  #skip(length: number): number {
    const start = this.at;
    if (start + length > this.end) throw new RangeError('the bytes are truncated');
    this.at += length;
    return start;
  }
}
