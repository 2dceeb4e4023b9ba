/**
 * The journal of an embedded log: one row per commit, written in the commit's own batch, with the
 * checksum of the previous row. A database may silently lose a part of its write-ahead log; then a
 * row is missing, or does not follow from the previous one.
 *
 * Rows are kept from the anchor on: the last point up to which everything is known to be in tables
 * (stored in HEAD).
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

/** The place that a commit wrote, for error messages if it is missing. */
export interface Place {
  readonly topic: string;
  readonly partition: number;
  readonly offset: number;
}

export interface JournalRow {
  /** Seal of the previous row; 0 for the first. */
  readonly previous: number;
  readonly appends: readonly JournalAppend[];
  readonly catalogue: CatalogueDigest;
  /**
   * The first place that the previous commit wrote; absent if it wrote neither records nor offsets.
   */
  readonly before?: Place | undefined;
}

/** Digest of a catalogue's rows: their number, and the sum of their seals. */
export interface CatalogueDigest {
  readonly rows: number;
  readonly sum: number;
}

/** A commit, as later ones refer to it. */
export interface JournalPoint {
  readonly sequence: number;
  /** Seal of its row; 0 without a row. */
  readonly seal: number;
}

/** How much of the journal, approximately, is kept and verified at a start. */
export interface JournalLimits {
  readonly rows: number;
  /** Bytes written by the commits. */
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

/** The seals of the catalogue's rows, and their digest. */
export class CatalogueSeals {
  readonly #seals = new Map<string, number>();
  #sum = 0;

  get digest(): CatalogueDigest {
    return { rows: this.#seals.size, sum: this.#sum };
  }

  /** Applies a write of the catalogue; returns how to undo it. */
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
