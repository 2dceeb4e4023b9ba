/**
 * Interns short repeated strings, such as names of types.
 */
import { latin1 } from '../base/bytes.ts';

/** Limits: number of strings, and their length. */
const textsMost = 1_024;
const lettersMost = 32;

export class KeptTexts {
  readonly #texts = new Array<string>(textsMost).fill('');

  /** The ASCII text in bytes [from, to). @param hash of these bytes */
  text(bytes: Buffer, from: number, to: number, hash: number): string {
    const length = to - from;
    if (length > lettersMost) return latin1(bytes, from, to);
    const slot = (hash ^ (hash >>> 10)) & (textsMost - 1);
    const known = this.#texts[slot] as string;
    if (known.length === length) {
      let i = length - 1;
      while (i >= 0 && known.charCodeAt(i) === bytes[from + i]) i--;
      if (i < 0) return known;
    }
    const text = latin1(bytes, from, to);
    this.#texts[slot] = text;
    return text;
  }
}
