/**
 * The events of a limited number of subjects. The subjects with the smallest hashes are taken,
 * whatever the order of the log.
 */
import { createHash } from 'node:crypto';
import type { Arrival } from '../../event.ts';

/** Hashes are whole numbers below this bound. */
const hashes = 2 ** 48;

export class SubjectSample implements Iterable<readonly [string, readonly Arrival[]]> {
  readonly #most: number;
  readonly #arrivals = new Map<string, Arrival[]>();
  /** Subjects with this hash or a greater one are left out. */
  #limit = hashes;

  /** @param most subjects; +Infinity takes all */
  constructor(most: number) {
    this.#most = most;
  }

  add(subject: string, arrival: Arrival): void {
    const known = this.#arrivals.get(subject);
    if (known !== undefined) {
      known.push(arrival);
      return;
    }
    if (this.#limit < hashes && hashOf(subject) >= this.#limit) return;
    this.#arrivals.set(subject, [arrival]);
    // Only now and then, so that the cost is spread over many subjects.
    if (this.#arrivals.size > 2 * this.#most) this.#shrink();
  }

  /** The estimated number of subjects; exact while none is left out. */
  get population(): number {
    this.#shrink();
    return Math.round(this.#arrivals.size / (this.#limit / hashes));
  }

  get isWhole(): boolean {
    this.#shrink();
    return this.#limit === hashes;
  }

  [Symbol.iterator](): Iterator<readonly [string, readonly Arrival[]]> {
    this.#shrink();
    return this.#arrivals.entries();
  }

  #shrink(): void {
    if (this.#arrivals.size <= this.#most) return;
    const ordered = [...this.#arrivals.keys()].map(
      (subject) => [hashOf(subject), subject] as const,
    );
    ordered.sort((a, b) => a[0] - b[0]);
    this.#limit = (ordered[this.#most] as readonly [number, string])[0];
    for (const [hash, subject] of ordered) {
      if (hash >= this.#limit) this.#arrivals.delete(subject);
    }
  }
}

function hashOf(subject: string): number {
  return createHash('sha256').update(subject).digest().readUIntBE(0, 6);
}
