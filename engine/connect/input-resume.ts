/** Standard input that is piped in again. */
import type { Fingerprint } from './content-fingerprint.ts';
import { changedBefore, type KnownFile } from './known-files.ts';
import type { Row } from './rows.ts';

/** Detects, row by row, whether standard input repeats content that was read before. */
export class InputResume {
  readonly #file: string;
  readonly #known: readonly KnownFile[];
  readonly #fingerprint: Fingerprint;
  #candidate: KnownFile | undefined;
  isSearching = true;

  constructor(file: string, known: readonly KnownFile[], fingerprint: Fingerprint) {
    this.#file = file;
    this.#known = known;
    this.#fingerprint = fingerprint;
    this.isSearching = known.length > 0;
  }

  /** The file that the content continues; @throws INPUT_CHANGED if it diverges */
  look({ end }: Row): KnownFile | undefined {
    if (this.#candidate === undefined) {
      const hash = this.#fingerprint.digest(end);
      const found = this.#known.filter(({ head }) => head[0] === end && head[1] === hash);
      this.#candidate = found.sort((a, b) => b.length - a.length)[0];
    }
    const candidate = this.#candidate;
    this.isSearching = candidate !== undefined && end < candidate.length;
    if (candidate === undefined || this.isSearching) return candidate;
    if (this.#fingerprint.digest(candidate.length) === candidate.hash) return candidate;
    throw changedBefore(this.#file, candidate);
  }

  /** Call at the end of the input. */
  end(): void {
    if (this.isSearching && this.#candidate !== undefined)
      throw changedBefore(this.#file, this.#candidate);
  }
}
