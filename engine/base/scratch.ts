/**
 * Bytes of unknown length, put together in a buffer that is used again and again: one allocation a result
 * instead of one a part. Numbers are little-endian.
 */
import { copiedByLoop, utf8Most, writeText } from './bytes.ts';

const firstBytes = 4_096;

export class Scratch {
  length = 0;
  #bytes = Buffer.allocUnsafeSlow(firstBytes);
  #view = new DataView(this.#bytes.buffer);

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

  uint32(value: number): void {
    this.#ensure(4);
    this.#view.setUint32(this.length, value, true);
    this.length += 4;
  }

  /** Writes over what is there already. */
  uint32At(at: number, value: number): void {
    this.#view.setUint32(at, value, true);
  }

  /** Leaves so many bytes to be written later. */
  skip(bytes: number): void {
    this.#ensure(bytes);
    this.length += bytes;
  }

  append(bytes: Uint8Array): void {
    const { byteLength } = bytes;
    this.#ensure(byteLength);
    const at = this.length;
    if (byteLength > copiedByLoop) this.#bytes.set(bytes, at);
    else for (let i = 0; i < byteLength; i++) this.#bytes[at + i] = bytes[i] as number;
    this.length = at + byteLength;
  }

  /** As UTF-8. */
  text(text: string): void {
    this.#ensure(utf8Most * text.length);
    this.length += writeText(this.#bytes, text, this.length);
  }

  /** The buffer, with room for so many bytes more at `length`: for who writes there, and moves `length` on. */
  room(bytes: number): Buffer {
    this.#ensure(bytes);
    return this.#bytes;
  }

  /** Copies what was written to where there is room for it. */
  copyTo(target: Buffer, at: number): void {
    const { length } = this;
    if (length > copiedByLoop) this.#bytes.copy(target, at, 0, length);
    else for (let i = 0; i < length; i++) target[at + i] = this.#bytes[i] as number;
  }

  /** A copy of what was written. */
  take(): Buffer {
    const { length } = this;
    const copy = Buffer.allocUnsafe(length);
    this.copyTo(copy, 0);
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

/** What `write` wrote, as bytes of their own. It may in its turn ask for a scratch: that is another one. */
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
