/**
 * PackedBatch: the form in which records travel from the log to the task and back. One buffer, so
 * that it crosses a thread by transfer and a disk by one write; no object a record.
 *
 *   byte 0        magic u32 'MRB1'
 *   byte 4        CRC-32C u32 of everything from byte 8 on, once it is sealed: before it is stored
 *   byte 8        count u32          byte 12  total bytes u32
 *   byte 16       timestamps f64[n]  ms UTC
 *                 offsets    f64[n]  absolute, ascending, gaps allowed (compaction)
 *                 starts     i32[n+1] of each record's bytes, from the start of the byte area
 *                 keyLengths i32[n]  -1 = null key
 *                 valueLengths i32[n] -1 = null value (a tombstone)
 *                 bytes      key | value | headers, record after record
 *
 * What is left of a record after key and value are its headers (headers.ts). Numbers are
 * little-endian, as on every machine Node runs on. A batch is immutable once built.
 */
import { assert } from '../base/assert.ts';
import { copiedByLoop, emptyBytes, utf8Most, writeText } from '../base/bytes.ts';
import { crc32c } from '../base/crc32c.ts';
import { Scratch } from '../base/scratch.ts';

const magic = 0x3142524d;
const headerBytes = 16;
const crcFrom = 8;

function columnBytes(count: number): number {
  return count * 16 + (count + 1) * 4 + count * 8;
}

export class PackedBatch {
  readonly count: number;
  readonly timestamps: Float64Array;
  readonly offsets: Float64Array;
  readonly starts: Int32Array;
  readonly keyLengths: Int32Array;
  readonly valueLengths: Int32Array;
  /** The byte area; positions in `starts` are relative to it. */
  readonly bytes: Buffer;
  /** The whole image, transferable. */
  readonly image: ArrayBuffer;

  /** Views an image; its checksum is not checked here, see `checkImage`. */
  constructor(image: ArrayBuffer) {
    const header = new DataView(image);
    const count = header.getUint32(8, true);
    let at = headerBytes;
    this.image = image;
    this.count = count;
    this.timestamps = new Float64Array(image, at, count);
    at += count * 8;
    this.offsets = new Float64Array(image, at, count);
    at += count * 8;
    this.starts = new Int32Array(image, at, count + 1);
    at += (count + 1) * 4;
    this.keyLengths = new Int32Array(image, at, count);
    at += count * 4;
    this.valueLengths = new Int32Array(image, at, count);
    at += count * 4;
    this.bytes = Buffer.from(image, at, image.byteLength - at);
  }

  get byteLength(): number {
    return this.image.byteLength;
  }

  /** Offset of the first record; the batch must not be empty. */
  get baseOffset(): number {
    return this.offsets[0] as number;
  }

  /** The offset after the last record. */
  get nextOffset(): number {
    return (this.offsets[this.count - 1] as number) + 1;
  }

  /** Key bytes of record `i`, a view; null for a null key. */
  key(i: number): Buffer | null {
    const length = this.keyLengths[i] as number;
    if (length < 0) return null;
    const start = this.starts[i] as number;
    return this.bytes.subarray(start, start + length);
  }

  valueStart(i: number): number {
    return (this.starts[i] as number) + Math.max(0, this.keyLengths[i] as number);
  }

  /** Value bytes of record `i`, a view; null for a tombstone. */
  value(i: number): Buffer | null {
    const length = this.valueLengths[i] as number;
    if (length < 0) return null;
    const start = this.valueStart(i);
    return this.bytes.subarray(start, start + length);
  }

  /** Header bytes of record `i`, a view, empty when it has none. */
  headerBytes(i: number): Buffer {
    const start = this.valueStart(i) + Math.max(0, this.valueLengths[i] as number);
    const end = this.starts[i + 1] as number;
    return start === end ? emptyBytes : this.bytes.subarray(start, end);
  }

  /** Records [from, to) as a batch of their own. */
  slice(from: number, to: number): PackedBatch {
    if (from === 0 && to === this.count) return this;
    const builder = new BatchBuilder(to - from, 64);
    for (let i = from; i < to; i++) builder.copy(this, i);
    return builder.finishAt(null);
  }

  /** The image, sealed, whose first record has offset `baseOffset` and the others follow without gaps. */
  static rebase(image: ArrayBuffer, baseOffset: number): PackedBatch {
    const batch = new PackedBatch(image);
    for (let i = 0; i < batch.count; i++) batch.offsets[i] = baseOffset + i;
    seal(image);
    return batch;
  }
}

/** What is wrong with an image read from outside; undefined when it is whole. */
export function checkImage(image: ArrayBuffer): string | undefined {
  if (image.byteLength < headerBytes) return 'batch is shorter than its header';
  const header = new DataView(image);
  if (header.getUint32(0, true) !== magic) return 'batch has no magic number';
  if (header.getUint32(12, true) !== image.byteLength) return 'batch has the wrong length';
  if (header.getUint32(4, true) !== crc32c(new Uint8Array(image, crcFrom))) {
    return 'CRC-32C of the batch does not match';
  }
  return undefined;
}

/** Copies bytes read from a store to an aligned, transferable image. */
export function imageOf(bytes: Uint8Array): ArrayBuffer {
  const image = new ArrayBuffer(bytes.byteLength);
  new Uint8Array(image).set(bytes);
  return image;
}

/** Gives an image its checksum. */
export function seal(image: ArrayBuffer): void {
  const header = new DataView(image);
  header.setUint32(4, crc32c(new Uint8Array(image, crcFrom)), true);
}

/**
 * Collects records into a batch. Offsets are given by the log when it appends. Columns are typed from the
 * start, so that a record costs no number on the heap and `finishAt` copies each column once.
 */
export class BatchBuilder {
  #count = 0;
  #timestamps: Float64Array;
  #offsets: Float64Array;
  #starts: Int32Array;
  #keyLengths: Int32Array;
  #valueLengths: Int32Array;
  #bytes: Buffer;
  #used = 0;

  constructor(records = 16, bytesPerRecord = 64) {
    const capacity = Math.max(16, records);
    this.#timestamps = new Float64Array(capacity);
    this.#offsets = new Float64Array(capacity);
    this.#starts = new Int32Array(capacity);
    this.#keyLengths = new Int32Array(capacity);
    this.#valueLengths = new Int32Array(capacity);
    this.#bytes = Buffer.allocUnsafe(Math.max(256, records * bytesPerRecord));
  }

  get count(): number {
    return this.#count;
  }

  /** Bytes of the records so far, columns included. */
  get byteLength(): number {
    return headerBytes + columnBytes(this.#count) + this.#used;
  }

  append(
    key: Uint8Array | null,
    value: Uint8Array | string | null,
    timestamp: number,
    headers: Uint8Array = emptyBytes,
    offset = this.#count,
  ): void {
    this.appendKey(key, key === null ? 0 : key.byteLength, value, timestamp, headers, offset);
  }

  /** The same, of a key that is the first `keyLength` bytes of `key`. A value that is text is written as UTF-8. */
  appendKey(
    key: Uint8Array | null,
    keyLength: number,
    value: Uint8Array | string | Scratch | null,
    timestamp: number,
    headers: Uint8Array = emptyBytes,
    offset = this.#count,
  ): void {
    this.#ensure(keyLength + bytesMost(value) + headers.byteLength);
    const at = this.#used;
    if (key !== null) this.#copyIn(key, at, keyLength);
    const valueLength = value === null ? 0 : this.#putValue(value, at + keyLength);
    this.#copyIn(headers, at + keyLength + valueLength, headers.byteLength);
    this.#note(at, key === null ? -1 : keyLength, value === null ? -1 : valueLength);
    this.#timestamps[this.#count] = timestamp;
    this.#offsets[this.#count++] = offset;
    this.#used = at + keyLength + valueLength + headers.byteLength;
  }

  /** Appends a record at time 0 whose key is a prefix and the bytes of a key id; it is written in place. */
  appendKeyId(prefix: Uint8Array, keyId: string, value: Scratch | null): void {
    const before = prefix.byteLength;
    const keyLength = before + keyId.length;
    const valueLength = value === null ? 0 : value.length;
    this.#ensure(keyLength + valueLength);
    const at = this.#used;
    this.#copyIn(prefix, at, before);
    this.#bytes.write(keyId, at + before, 'latin1');
    if (value !== null) value.copyTo(this.#bytes, at + keyLength);
    this.#note(at, keyLength, value === null ? -1 : valueLength);
    this.#timestamps[this.#count] = 0;
    this.#offsets[this.#count] = this.#count++;
    this.#used = at + keyLength + valueLength;
  }

  /** Appends record `i` of another batch, offset included. */
  copy(batch: PackedBatch, i: number): void {
    const start = batch.starts[i] as number;
    const end = batch.starts[i + 1] as number;
    this.#ensure(end - start);
    if (end - start <= copiedByLoop) {
      for (let from = start, to = this.#used; from < end; ) {
        this.#bytes[to++] = batch.bytes[from++] as number;
      }
    } else batch.bytes.copy(this.#bytes, this.#used, start, end);
    this.#note(this.#used, batch.keyLengths[i] as number, batch.valueLengths[i] as number);
    this.#timestamps[this.#count] = batch.timestamps[i] as number;
    this.#offsets[this.#count++] = batch.offsets[i] as number;
    this.#used += end - start;
  }

  /**
   * The batch, not sealed, with offsets as appended (`null`) or counted from `baseOffset`; the builder is empty
   * after.
   */
  finishAt(baseOffset: number | null): PackedBatch {
    assert(this.#used < 2 ** 31, 'a batch holds less than 2 GiB');
    const count = this.#count;
    const image = new ArrayBuffer(headerBytes + columnBytes(count) + this.#used);
    const header = new DataView(image);
    header.setUint32(0, magic, true);
    header.setUint32(8, count, true);
    header.setUint32(12, image.byteLength, true);
    const batch = new PackedBatch(image);
    batch.timestamps.set(this.#timestamps.subarray(0, count));
    if (baseOffset === null) batch.offsets.set(this.#offsets.subarray(0, count));
    else for (let i = 0; i < count; i++) batch.offsets[i] = baseOffset + i;
    batch.starts.set(this.#starts.subarray(0, count));
    batch.starts[count] = this.#used;
    batch.keyLengths.set(this.#keyLengths.subarray(0, count));
    batch.valueLengths.set(this.#valueLengths.subarray(0, count));
    batch.bytes.set(this.#bytes.subarray(0, this.#used));
    this.#count = 0;
    this.#used = 0;
    return batch;
  }

  #note(start: number, keyLength: number, valueLength: number): void {
    const i = this.#count;
    if (i === this.#starts.length) this.#growColumns();
    this.#starts[i] = start;
    this.#keyLengths[i] = keyLength;
    this.#valueLengths[i] = valueLength;
  }

  /** Writes a value at `at`, where there is room for it; answers how many bytes it took. */
  #putValue(value: Uint8Array | string | Scratch, at: number): number {
    if (typeof value === 'string') return writeText(this.#bytes, value, at);
    if (value instanceof Scratch) {
      value.copyTo(this.#bytes, at);
      return value.length;
    }
    this.#copyIn(value, at, value.byteLength);
    return value.byteLength;
  }

  #copyIn(bytes: Uint8Array, at: number, length: number): void {
    if (length > copiedByLoop)
      this.#bytes.set(length === bytes.byteLength ? bytes : bytes.subarray(0, length), at);
    else for (let i = 0; i < length; i++) this.#bytes[at + i] = bytes[i] as number;
  }

  #growColumns(): void {
    const capacity = 2 * this.#starts.length;
    this.#timestamps = grown(this.#timestamps, new Float64Array(capacity));
    this.#offsets = grown(this.#offsets, new Float64Array(capacity));
    this.#starts = grown(this.#starts, new Int32Array(capacity));
    this.#keyLengths = grown(this.#keyLengths, new Int32Array(capacity));
    this.#valueLengths = grown(this.#valueLengths, new Int32Array(capacity));
  }

  #ensure(more: number): void {
    if (this.#used + more <= this.#bytes.byteLength) return;
    const larger = Buffer.allocUnsafe(Math.max(this.#bytes.byteLength * 2, this.#used + more));
    larger.set(this.#bytes.subarray(0, this.#used));
    this.#bytes = larger;
  }
}

/** Bytes that a value may take. */
export function bytesMost(value: Uint8Array | string | Scratch | null): number {
  if (value === null) return 0;
  if (typeof value === 'string') return value.length * utf8Most;
  return value instanceof Scratch ? value.length : value.byteLength;
}

function grown<T extends Float64Array | Int32Array>(from: T, to: T): T {
  to.set(from);
  return to;
}
