/** Identifies a file by its content up to a position: length and hash. */
import { createHash, type Hash } from 'node:crypto';

const digits = 32;

/**
 * Receives the content in order, and returns the hash of the bytes before a position that has not
 * been passed yet.
 */
export class Fingerprint {
  #hash: Hash = createHash('sha256');
  /** Number of bytes in the hash. */
  #length = 0;
  #ahead: Buffer[] = [];

  /** The next bytes of the content. */
  add(bytes: Buffer): void {
    this.#ahead.push(bytes);
  }

  /** Hash of the first `length` bytes; these must have been added, and lengths may only rise. */
  digest(length: number): string {
    while (this.#length < length) {
      const bytes = this.#ahead[0];
      if (bytes === undefined) throw new RangeError(`${length} bytes were not added`);
      const needed = length - this.#length;
      const part = bytes.byteLength <= needed ? bytes : bytes.subarray(0, needed);
      this.#hash.update(part);
      this.#length += part.byteLength;
      if (part.byteLength === bytes.byteLength) this.#ahead.shift();
      else this.#ahead[0] = bytes.subarray(needed);
    }
    return this.#hash.copy().digest('hex').slice(0, digits);
  }
}

/** Hash of a row's text, used in ids and samples. */
export function rowHash(text: string): string {
  return createHash('sha256').update(text.trimEnd()).digest('hex').slice(0, 16);
}
