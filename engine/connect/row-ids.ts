/** Ids of the rows of a file. */
import { rowHash } from './content-fingerprint.ts';
import type { Row } from './rows.ts';

/** Hash of a row's text, its file, and its ordinal among equal rows of the file. */
export class RowIds {
  readonly #suffix: string;
  readonly #seen = new Map<string, number>();

  constructor(file: number) {
    this.#suffix = file === 0 ? '' : `.${file}`;
  }

  next({ raw }: Row): { readonly hash: string; readonly id: string } {
    const hash = rowHash(raw);
    const n = this.#seen.get(hash) ?? 0;
    this.#seen.set(hash, n + 1);
    return { hash, id: `${hash}${this.#suffix}${n === 0 ? '' : `-${n}`}` };
  }
}
