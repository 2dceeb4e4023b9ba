/** How long to wait after a failure: longer each time, with jitter, or as the server asks. */
import { type Random, SeededRandom } from '../../base/random.ts';

export interface BackOffOptions {
  /** Wait before the second attempt, ms. */
  readonly firstMs: number;
  readonly mostMs: number;
}

export const usualBackOff: BackOffOptions = { firstMs: 500, mostMs: 60_000 };

export class BackOff {
  readonly #options: BackOffOptions;
  readonly #random: Random;
  #failures = 0;

  constructor(seed: number, options: BackOffOptions = usualBackOff) {
    this.#options = options;
    this.#random = new SeededRandom(seed);
  }

  /** Failures since the last success. */
  get failures(): number {
    return this.#failures;
  }

  succeeded(): void {
    this.#failures = 0;
  }

  /** Records a failure and returns the wait, ms: between half and all of a doubling span. */
  failed(leastMs = 0): number {
    const { firstMs, mostMs } = this.#options;
    const span = Math.min(mostMs, firstMs * 2 ** Math.min(this.#failures, 30));
    this.#failures++;
    return Math.max(leastMs, Math.round(span * (0.5 + this.#random.next() / 2)));
  }
}

/**
 * The wait that a `Retry-After` header asks for, ms; undefined when it cannot be read. RFC 9110.
 */
export function retryAfterMs(header: string | null, now: number): number | undefined {
  if (header === null) return undefined;
  const told = header.trim();
  if (/^\d{1,9}(\.\d+)?$/.test(told)) return Math.ceil(Number(told) * 1_000);
  const at = /[a-z]/i.test(told) ? Date.parse(told) : Number.NaN;
  return Number.isNaN(at) ? undefined : Math.max(0, at - now);
}
