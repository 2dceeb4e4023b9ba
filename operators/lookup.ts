/**
 * lookup: joins each record with a value from an outside store. Values are cached in memory for a
 * while, and concurrent requests for a key are shared. The cache is not state: it is empty after a
 * restart.
 */

import type { Clock } from '../engine/base/clock.ts';
import { synchronous } from '../engine/base/promises.ts';
import {
  aFunction,
  checkSetting,
  checkSettings,
  count,
  ms,
  optional,
} from '../engine/base/settings.ts';
import type { Step } from '../engine/graph/node.ts';
import { type AsyncOptions, asyncRules, asyncSettings, InFlight } from './in-flight.ts';

export interface LookupOptions extends AsyncOptions {
  /**
   * Maximal number of cached values per task; the least recently used is evicted. Default 10 000;
   * 0: no cache.
   */
  readonly cacheSize?: number;
  /**
   * How long a cached value (or "not found") is valid, ms of the wall clock. Default one minute.
   */
  readonly cacheTtlMs?: number;
}

/** A result of the outside store; undefined or null: not found. */
export type Answer<W> = W | undefined | null;

export interface LookupSettings<K, V, W, R> {
  readonly kind: 'inner' | 'left';
  /** Returns the key; null: no call is made. */
  readonly keyOf: (value: V, key: K) => string | null;
  readonly fetch: (key: string, signal: AbortSignal) => Answer<W> | Promise<Answer<W>>;
  readonly joiner: (value: V, answer: W | undefined, key: K) => R;
}

export function lookupStep<K, V, W, R>(
  { kind, keyOf: givenKeyOf, fetch, joiner: givenJoiner }: LookupSettings<K, V, W, R>,
  options: LookupOptions,
): Step {
  const keyOf = synchronous(givenKeyOf, "lookup's key function");
  const joiner = synchronous(givenJoiner, 'the joiner');
  checkSettings('lookup', options, {
    ...asyncRules,
    cacheSize: optional(count(0)),
    cacheTtlMs: optional(ms(0)),
  });
  for (const [field, fn] of Object.entries({ keyOf, fetch, joiner })) {
    checkSetting(`lookup.${field}`, fn, aFunction);
  }
  const { cacheSize = 10_000, cacheTtlMs = 60_000, ...rest } = options;
  const settings = asyncSettings('lookup', rest);
  return {
    kind: 'lookup',
    name: 'lookup',
    detail: { join: kind, cacheSize, cacheTtlMs, ...settings },
    stores: [],
    build: (context) => {
      const next = context.output(0);
      const calls = new InFlight<Answer<W>>(settings, context);
      const cache = new AnswerCache<W>(cacheSize, cacheTtlMs, context.world.clock);
      return [
        {
          receive: (key, value, timestamp) => {
            const wanted = keyOf(value as V, key as K);
            const use = (answer: Answer<W>) => {
              if ((answer === undefined || answer === null) && kind === 'inner') return;
              next.receive(key, joiner(value as V, answer ?? undefined, key as K), timestamp);
            };
            const ask = (signal: AbortSignal) => cache.ask(wanted as string, signal, fetch);
            calls.add(undefined, wanted === null || wanted === undefined ? undefined : ask, use);
          },
        },
      ];
    },
  };
}

interface Kept<W> {
  readonly answer: Answer<W>;
  /** Monotonic ms. */
  readonly until: number;
}

class AnswerCache<W> {
  readonly #size: number;
  readonly #ttlMs: number;
  readonly #clock: Clock;
  /** Cached values, least recently used first. */
  readonly #kept = new Map<string, Kept<W>>();
  readonly #asked = new Map<string, Promise<Answer<W>>>();

  constructor(size: number, ttlMs: number, clock: Clock) {
    this.#size = size;
    this.#ttlMs = ttlMs;
    this.#clock = clock;
  }

  async ask(
    key: string,
    signal: AbortSignal,
    fetch: LookupSettings<unknown, unknown, W, unknown>['fetch'],
  ): Promise<Answer<W>> {
    const kept = this.#kept.get(key);
    if (kept !== undefined) {
      this.#kept.delete(key);
      if (kept.until > this.#clock.monotonic()) {
        this.#kept.set(key, kept);
        return kept.answer;
      }
    }
    const asked = this.#asked.get(key);
    // Each caller retries a failed request itself.
    if (asked !== undefined) return asked;
    const question = Promise.resolve().then(() => fetch(key, signal));
    this.#asked.set(key, question);
    const forget = () => {
      if (this.#asked.get(key) === question) this.#asked.delete(key);
    };
    // A retry after a timeout must not wait for the request that timed out.
    signal.addEventListener('abort', forget);
    try {
      const answer = await question;
      this.#keep(key, answer);
      return answer;
    } finally {
      signal.removeEventListener('abort', forget);
      forget();
    }
  }

  #keep(key: string, answer: Answer<W>): void {
    if (this.#size === 0) return;
    this.#kept.set(key, { answer, until: this.#clock.monotonic() + this.#ttlMs });
    for (const oldest of this.#kept.keys()) {
      if (this.#kept.size <= this.#size) break;
      this.#kept.delete(oldest);
    }
  }
}
