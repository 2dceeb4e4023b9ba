/**
 * PackedBatch: the format in which records travel from the log to the task and back. One buffer, so
 * that it crosses a thread by one transfer and reaches the disk by one write; no object per record.
 *
 *   byte 0        magic u32 'MRB1'
 *   byte 4        CRC-32C u32 of everything from byte 8 on, set before the batch is stored
 *   byte 8        count u32          byte 12  total bytes u32
 *   byte 16       timestamps f64[n]  ms UTC
 *                 offsets    f64[n]  absolute, ascending, gaps allowed (compaction)
 *                 starts     i32[n+1] offset of each record's bytes in the byte area
 *                 keyLengths i32[n]  -1 = null key
 *                 valueLengths i32[n] -1 = null value (a tombstone)
 *                 bytes      key | value | headers, record after record
 *
 * A record's bytes after key and value are its headers (headers.ts). Numbers are little-endian, as
 * on every platform of Node. A batch is immutable once built.
 */
import { assert } from '../base/assert.ts';
import { emptyBytes } from '../base/bytes.ts';
import { crc32c } from '../base/crc32c.ts';
import { grown } from '../base/grown.ts';
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
  /** The byte area. */
  readonly view: DataView;
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
    this.view = new DataView(image, at);
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

  /** Records [from, to) as a separate batch. */
  slice(from: number, to: number): PackedBatch {
    if (from === 0 && to === this.count) return this;
    const builder = new BatchBuilder(to - from, 64);
    for (let i = from; i < to; i++) builder.copy(this, i);
    return builder.finishAt(null);
  }

  /** The image with consecutive offsets from `baseOffset` on, and its checksum. */
  static rebase(image: ArrayBuffer, baseOffset: number): PackedBatch {
    const batch = new PackedBatch(image);
    for (let i = 0; i < batch.count; i++) batch.offsets[i] = baseOffset + i;
    writeChecksum(image);
    return batch;
  }
}

/** What is wrong with an image read from outside; undefined if it is intact. */
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

/** The checksum of an image that has one. */
export function checksumOf(image: ArrayBuffer): number {
  return new DataView(image).getUint32(4, true);
}

/** Gives an image its checksum. */
export function writeChecksum(image: ArrayBuffer): void {
  const header = new DataView(image);
  header.setUint32(4, crc32c(new Uint8Array(image, crcFrom)), true);
}

/**
 * Collects records into a batch. The log assigns the offsets when it appends. Columns are typed
 * arrays from the start, so a record allocates no heap numbers and `finishAt` copies each column
 * once.
 */
export class BatchBuilder {
  #count = 0;
  #timestamps: Float64Array;
  #offsets: Float64Array;
  #starts: Int32Array;
  #keyLengths: Int32Array;
  #valueLengths: Int32Array;
  /** The bytes of the records, followed (after `#used`) by those of an unfinished record. */
  readonly #body: Scratch;
  #used = 0;
  // The unfinished record.
  #keyLength = -1;
  #valueAt = 0;

  constructor(records = 16, bytesPerRecord = 64) {
    const capacity = Math.max(16, records);
    this.#timestamps = new Float64Array(capacity);
    this.#offsets = new Float64Array(capacity);
    this.#starts = new Int32Array(capacity);
    this.#keyLengths = new Int32Array(capacity);
    this.#valueLengths = new Int32Array(capacity);
    this.#body = new Scratch(Math.max(256, records * bytesPerRecord));
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
    value: Uint8Array | null,
    timestamp: number,
    headers: Uint8Array = emptyBytes,
    offset = this.#count,
  ): void {
    const body = this.begin(key, key === null ? 0 : key.byteLength);
    if (value !== null) body.append(value);
    this.end(value !== null, timestamp, headers, offset);
  }

  /**
   * Begins a record with the first `keyLength` bytes of `key`; write its value to the returned
   * scratch. A record that is not ended is discarded.
   */
  begin(key: Uint8Array | null, keyLength: number): Scratch {
    const body = this.#body;
    body.length = this.#used;
    if (key !== null) body.appendRange(key, 0, keyLength);
    this.#keyLength = key === null ? -1 : keyLength;
    this.#valueAt = body.length;
    return body;
  }

  /** The same, with a key made of a prefix and the bytes of a key text. */
  beginKeyText(prefix: Uint8Array, keyText: string): Scratch {
    const body = this.begin(prefix, prefix.byteLength);
    body.latin1(keyText);
    this.#keyLength += keyText.length;
    this.#valueAt = body.length;
    return body;
  }

  /** Bytes of the unfinished record's value so far. */
  get valueLength(): number {
    return this.#body.length - this.#valueAt;
  }

  /** A copy of that value; the record itself need not be ended. */
  takeValue(): Buffer {
    return Buffer.from(this.#body.bytes.subarray(this.#valueAt, this.#body.length));
  }

  /** @param hasValue false for a tombstone */
  end(
    hasValue: boolean,
    timestamp: number,
    headers: Uint8Array = emptyBytes,
    offset = this.#count,
  ): void {
    const body = this.#body;
    const valueLength = hasValue ? body.length - this.#valueAt : -1;
    body.append(headers);
    this.#note(this.#used, this.#keyLength, valueLength, timestamp, offset);
    this.#used = body.length;
  }

  /** Removes the last record; there must be one. */
  dropLast(): void {
    this.#count--;
    this.#used = this.#starts[this.#count] as number;
  }

  /** Appends record `i` of another batch, offset included. */
  copy(batch: PackedBatch, i: number): void {
    const start = batch.starts[i] as number;
    const end = batch.starts[i + 1] as number;
    const body = this.#body;
    body.length = this.#used;
    body.appendRange(batch.bytes, start, end);
    const [keyLength, valueLength] = [
      batch.keyLengths[i] as number,
      batch.valueLengths[i] as number,
    ];
    const [timestamp, offset] = [batch.timestamps[i] as number, batch.offsets[i] as number];
    this.#note(this.#used, keyLength, valueLength, timestamp, offset);
    this.#used = body.length;
  }

  /**
   * Returns the batch, without a checksum, with offsets as appended (`null`) or counted from
   * `baseOffset`; the builder is empty afterwards.
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
    batch.bytes.set(this.#body.room(0).subarray(0, this.#used));
    this.#count = 0;
    this.#used = 0;
    return batch;
  }

  #note(
    start: number,
    keyLength: number,
    valueLength: number,
    timestamp: number,
    offset: number,
  ): void {
    const i = this.#count++;
    if (i === this.#starts.length) this.#growColumns();
    this.#starts[i] = start;
    this.#keyLengths[i] = keyLength;
    this.#valueLengths[i] = valueLength;
    this.#timestamps[i] = timestamp;
    this.#offsets[i] = offset;
  }

  #growColumns(): void {
    this.#timestamps = grown(this.#timestamps);
    this.#offsets = grown(this.#offsets);
    this.#starts = grown(this.#starts);
    this.#keyLengths = grown(this.#keyLengths);
    this.#valueLengths = grown(this.#valueLengths);
  }
}
