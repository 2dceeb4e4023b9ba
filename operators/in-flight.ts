/**
 * Calls to outside services that a commit waits for. A call starts as soon as a slot is free (and,
 * if requested, its key has no earlier call in progress). Its result is forwarded after those of
 * all earlier records. So the steps after it see the records in order, whatever order the calls end
 * in.
 */
import { messageOf } from '../engine/base/errors.ts';
import { ignoreRejection } from '../engine/base/promises.ts';
import {
  checkSettings,
  count,
  longestTimerMs,
  ms,
  optional,
  type Rules,
} from '../engine/base/settings.ts';
import type { BuildContext, Resume } from '../engine/graph/processor.ts';

/** Options of calls to outside services. Times in ms. */
export interface AsyncOptions {
  /** Concurrent calls per task (partition); default 16. */
  readonly concurrency?: number;
  /** A call that takes longer fails and its signal is aborted; default 30 seconds. */
  readonly timeoutMs?: number;
  /** How often a failed call is repeated before the record is refused; default 3. */
  readonly retries?: number;
  /** Pause before the first retry, doubled each time up to `backoffMaxMs`; default 100. */
  readonly backoffMs?: number;
  /**
   * Maximal pause; default 10 seconds. Each pause is drawn between half and all of its length, so
   * that tasks do not retry in step.
   */
  readonly backoffMaxMs?: number;
}

export type AsyncSettings = Required<AsyncOptions>;

export const asyncRules: Rules<AsyncOptions> = {
  concurrency: optional(count(1, 1_000_000)),
  timeoutMs: optional(ms(1, longestTimerMs)),
  retries: optional(count(0, 1_000_000)),
  backoffMs: optional(ms(0, longestTimerMs)),
  backoffMaxMs: optional(ms(0, longestTimerMs)),
};

/**
 * Fills in the defaults.
 * @param of operator that has the options, for messages
 * @throws CONFIG_INVALID for invalid numbers
 */
export function asyncSettings(of: string, options: AsyncOptions): AsyncSettings {
  checkSettings(of, options, asyncRules);
  const given = Object.entries(options).filter(([, value]) => value !== undefined);
  return {
    concurrency: 16,
    timeoutMs: 30_000,
    retries: 3,
    backoffMs: 100,
    backoffMaxMs: 10_000,
    ...Object.fromEntries(given),
  };
}

export type Call<R> = (signal: AbortSignal) => R | Promise<R>;

interface Waiting<R> {
  readonly keyText: string | undefined;
  readonly call: Call<R>;
  readonly resume: Resume;
  readonly use: (result: R) => void;
  outcome: { readonly result: R } | { readonly error: unknown } | undefined;
  wake: (() => void) | undefined;
}

export class InFlight<R> {
  readonly #settings: AsyncSettings;
  readonly #context: BuildContext;
  /** Waiting calls, in the order of the records. */
  #waiting: Waiting<R>[] = [];
  /** Calls that can start as soon as a slot is free. */
  #ready: Waiting<R>[] = [];
  /** Calls that wait for an earlier one of their key. */
  readonly #behind = new Map<string, Waiting<R>[]>();
  #running = 0;

  constructor(settings: AsyncSettings, context: BuildContext) {
    this.#settings = settings;
    this.#context = context;
    context.onSettle(() => this.#settle());
  }

  /**
   * Makes `call` for the current record; `use` gets its result, with the record's key and context.
   * @param keyText the call starts when the previous one with this key is done; undefined: it need
   * not wait
   * @param call undefined: no call is made, `use` only waits for its turn
   */
  add(keyText: string | undefined, call: Call<R> | undefined, use: (result: R) => void): void {
    const nothing = undefined as R;
    const outcome = call === undefined ? { result: nothing } : undefined;
    const waiting: Waiting<R> = {
      keyText,
      call: call ?? (() => nothing),
      resume: this.#context.suspend(),
      use,
      outcome,
      wake: undefined,
    };
    this.#waiting.push(waiting);
    if (call === undefined) return;
    const behind = keyText === undefined ? undefined : this.#behind.get(keyText);
    if (behind !== undefined) {
      behind.push(waiting);
      return;
    }
    if (keyText !== undefined) this.#behind.set(keyText, []);
    this.#ready.push(waiting);
    this.#start();
  }

  async #settle(): Promise<void> {
    const all = this.#waiting;
    for (let i = 0; i < all.length; i++) {
      const waiting = all[i] as Waiting<R>;
      if (waiting.outcome === undefined) {
        await new Promise<void>((wake) => {
          waiting.wake = wake;
        });
      }
      this.#goOn(waiting);
    }
    this.#waiting = [];
  }

  #goOn({ resume, use, outcome }: Waiting<R>): void {
    resume(() => {
      if (outcome === undefined) return;
      if ('error' in outcome) throw outcome.error;
      use(outcome.result);
    });
  }

  #start(): void {
    while (this.#running < this.#settings.concurrency) {
      const next = this.#ready.shift();
      if (next === undefined) return;
      this.#running++;
      void this.#run(next);
    }
  }

  /** Never rejects: a failure is an outcome. */
  async #run(waiting: Waiting<R>): Promise<void> {
    waiting.outcome = await this.#repeat(waiting.call);
    this.#running--;
    const { keyText } = waiting;
    const next = keyText === undefined ? undefined : this.#behind.get(keyText)?.shift();
    if (next !== undefined) this.#ready.push(next);
    else if (keyText !== undefined) this.#behind.delete(keyText);
    waiting.wake?.();
    this.#start();
  }

  async #repeat(call: Call<R>): Promise<{ readonly result: R } | { readonly error: unknown }> {
    const { retries, backoffMs, backoffMaxMs } = this.#settings;
    const { scheduler, random } = this.#context.world;
    for (let attempt = 0; ; attempt++) {
      try {
        return { result: await this.#once(call) };
      } catch (error) {
        ignoreRejection(error);
        if (attempt >= retries) return { error: refusal(error, attempt + 1) };
      }
      const pause = Math.min(backoffMs * 2 ** attempt, backoffMaxMs);
      await scheduler.sleep(pause * (0.5 + random.next() / 2));
    }
  }

  async #once(call: Call<R>): Promise<R> {
    const { timeoutMs } = this.#settings;
    const given = new AbortController();
    const answered = new AbortController();
    const late = this.#context.world.scheduler.sleep(timeoutMs, answered.signal).then(() => {
      if (answered.signal.aborted) return new Promise<never>(() => {});
      const error = new Error(`no answer within ${timeoutMs} ms`);
      given.abort(error);
      throw error;
    });
    try {
      return await Promise.race([Promise.resolve().then(() => call(given.signal)), late]);
    } finally {
      answered.abort();
    }
  }
}

/** The last error, with the number of attempts if there were several. */
function refusal(error: unknown, attempts: number): unknown {
  if (attempts === 1) return error;
  return new Error(`${messageOf(error)} (${attempts} attempts)`, { cause: error });
}
