/** The delivered rows that may be repeated: a hash of each, and its time. */
import { createHash } from 'node:crypto';

/** 72 bits: among a million rows, two collide in one of ten thousand million sources. */
const hashBytes = 9;
const hashLength = 12;

export interface SeenImage {
  /** Hashes, concatenated. */
  readonly hashes: string;
  /** ms UTC; 0 where a row has none. */
  readonly times: readonly number[];
}

export class Seen {
  /** In the order of arrival. */
  readonly #times = new Map<string, number>();

  constructor(image?: SeenImage) {
    image?.times.forEach((at, i) => {
      this.#times.set(image.hashes.slice(i * hashLength, (i + 1) * hashLength), at);
    });
  }

  get size(): number {
    return this.#times.size;
  }

  has(identity: string): boolean {
    return this.#times.has(hashOf(identity));
  }

  /** Forgets all others. */
  keep(identities: readonly string[]): void {
    const kept = new Set(identities.map(hashOf));
    for (const hash of this.#times.keys()) if (!kept.has(hash)) this.#times.delete(hash);
  }

  /** False if the row is already known. @param at its time, ms UTC; 0 without one */
  add(identity: string, at: number): boolean {
    const hash = hashOf(identity);
    const isNew = !this.#times.has(hash);
    if (isNew) this.#times.set(hash, at);
    return isNew;
  }

  /** Drops rows that arrived before the newest `newest` rows and are older than `from`, ms UTC. */
  forget(from: number, newest: number): void {
    let older = this.#times.size - newest;
    for (const [hash, at] of this.#times) {
      if (older-- <= 0) return;
      if (at < from) this.#times.delete(hash);
    }
  }

  image(): SeenImage {
    return { hashes: [...this.#times.keys()].join(''), times: [...this.#times.values()] };
  }
}

export function hashOf(identity: string): string {
  const hash = createHash('sha256').update(identity).digest();
  return hash.subarray(0, hashBytes).toString('base64url');
}
