/**
 * The journal of an embedded log: one row a commit, written in the commit's own batch, each naming
 * the one before by its checksum. A database may lose a part of its write-ahead log without a word;
 * then a row is missing, or does not follow from the one before.
 *
 * Rows are kept from the last point on of which all is known to lie in tables (the anchor, in
 * HEAD).
 */
import { asBuffer, keyTextOf } from '../../base/bytes.ts';
import { checksummed } from '../../base/checksummed.ts';
import type { BackendWrite } from '../../storage/backend.ts';
import { catalogueTags, journalKey } from './log-keys.ts';

/** A batch that a commit appended. */
export interface JournalAppend {
  readonly topic: number;
  readonly partition: number;
  readonly base: number;
  readonly next: number;
  /** The CRC-32C in the batch's image. */
  readonly checksum: number;
}

/** Where a commit wrote, for who misses it. */
export interface Place {
  readonly topic: string;
  readonly partition: number;
  readonly offset: number;
}

export interface JournalRow {
  /** Seal of the row before; 0 before the first. */
  readonly previous: number;
  readonly appends: readonly JournalAppend[];
  readonly catalogue: CatalogueDigest;
  /** Where the commit before wrote first; absent when it wrote neither records nor offsets. */
  readonly before?: Place | undefined;
}

/** Says which rows a catalogue has: how many, and the sum of their seals. */
export interface CatalogueDigest {
  readonly rows: number;
  readonly sum: number;
}

/** A commit, as those after it name it. */
export interface JournalPoint {
  readonly sequence: number;
  /** Seal of its row; 0 of one without. */
  readonly seal: number;
}

/** So much of the journal, or a little more, is kept, and verified at a start. */
export interface JournalLimits {
  readonly rows: number;
  /** Of all that commits have written. */
  readonly bytes: number;
}

export const journalLimits: JournalLimits = { rows: 2_000, bytes: 16 * 1024 * 1024 };

/** The checksum at the head of a value. */
export function sealOf(value: Uint8Array): number {
  return asBuffer(value).readUInt32BE(0);
}

export function journalWrite(sequence: number, content: JournalRow): BackendWrite {
  const key = journalKey(sequence);
  return { key, value: checksummed(Buffer.from(JSON.stringify(content)), key) };
}

/** The seals of the catalogue's rows, and so its digest. */
export class CatalogueSeals {
  readonly #seals = new Map<string, number>();
  #sum = 0;

  get digest(): CatalogueDigest {
    return { rows: this.#seals.size, sum: this.#sum };
  }

  /** Takes a write in, when it is one of the catalogue's; answers how to take it back. */
  apply({ key, value }: BackendWrite): (() => void) | undefined {
    if (!catalogueTags.has(key[0] as number)) return undefined;
    const id = keyTextOf(key);
    const before = this.#seals.get(id);
    this.#set(id, value === undefined ? undefined : sealOf(value));
    return () => this.#set(id, before);
  }

  #set(id: string, seal: number | undefined): void {
    this.#sum += (seal ?? 0) - (this.#seals.get(id) ?? 0);
    if (seal === undefined) this.#seals.delete(id);
    else this.#seals.set(id, seal);
  }
}
