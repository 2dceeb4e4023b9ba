/** A thread (Piscina) that serves long requests one after the other. */
import type { MessagePort } from 'node:worker_threads';
import type { Piscina } from 'piscina';
import { systemClock } from '../base/clock.ts';
import {
  type ErrorImage,
  isMillraceError,
  MillraceError,
  messageOf,
  reviveError,
} from '../base/errors.ts';
import { onDemand } from '../base/on-demand.ts';
import { runsSources } from '../base/package-files.ts';

export interface ThreadLimits {
  /** Maximal number of waiting requests; more are refused. */
  readonly queue: number;
  /** Maximal duration of a request, including its wait, ms. */
  readonly most: number;
  /** Maximal heap, MB. */
  readonly memory: number;
}

export type Answer = { readonly value: object } | { readonly error: ErrorImage };

const idleMs = 30_000;
// tsx is resolved from here, because the process may have been started in any folder.
const sourceArguments = () => [
  '--conditions=millrace-source',
  `--import=${import.meta.resolve('tsx')}`,
];
const library = onDemand<typeof import('piscina')>('piscina');

/**
 * One thread and its queue, for rare requests that take long. The module's default export handles
 * them. The thread starts with the first request, and ends when none has come for a while.
 */
export class AnswerThread {
  readonly #module: URL;
  readonly #limits: ThreadLimits;
  readonly #closed = new AbortController();
  #pool: Piscina | undefined;
  /** Why the last thread ended before it could respond. */
  #problem: string | undefined;
  #waiting = 0;
  /** Duration of the last request, ms. */
  #lastMs = 1_000;

  constructor(module: URL, limits: ThreadLimits) {
    this.#module = module;
    this.#limits = limits;
  }

  /**
   * Runs a request.
   * @param signal cancels the request when its caller no longer waits
   * @throws TOO_BUSY if too many wait, QUESTION_TOO_LARGE if it takes too much time or memory
   */
  async ask(
    question: unknown,
    transferList: readonly MessagePort[],
    signal: AbortSignal,
  ): Promise<object> {
    const { queue, most } = this.#limits;
    if (this.#waiting > queue) {
      const seconds = Math.max(1, Math.ceil((this.#lastMs * this.#waiting) / 1_000));
      throw new MillraceError('TOO_BUSY', { waiting: this.#waiting, seconds });
    }
    const tooLong = AbortSignal.timeout(most);
    const either = AbortSignal.any([signal, tooLong, this.#closed.signal]);
    const begun = systemClock.monotonic();
    this.#waiting++;
    try {
      const answer = (await this.#threads().run(question, {
        transferList: [...transferList],
        signal: either,
      })) as Answer;
      this.#lastMs = systemClock.monotonic() - begun;
      if ('error' in answer) throw reviveError(answer.error);
      return answer.value;
    } catch (error) {
      if (isMillraceError(error)) throw error;
      if (tooLong.aborted) throw tooLarge(`it takes longer than ${most / 1_000} s`);
      if (either.aborted) throw tooLarge('nobody waits for it any more');
      throw tooLarge(this.#problem ?? messageOf(error));
    } finally {
      this.#waiting--;
    }
  }

  async close(): Promise<void> {
    this.#closed.abort();
    await this.#pool?.destroy();
  }

  #threads(): Piscina {
    if (this.#pool !== undefined) return this.#pool;
    const { Piscina } = library();
    const pool = new Piscina({
      filename: this.#module.href,
      minThreads: 0,
      maxThreads: 1,
      concurrentTasksPerWorker: 1,
      idleTimeout: idleMs,
      // Load sources like this process does, however it was configured.
      ...(runsSources ? { execArgv: sourceArguments() } : {}),
      resourceLimits: { maxOldGenerationSizeMb: this.#limits.memory },
    });
    this.#pool = pool;
    this.#problem = undefined;
    // A thread cannot start, or fails between two requests: waiting requests fail, and the next
    // one gets a new thread.
    pool.on('error', (error: unknown) => {
      if (this.#pool !== pool) return;
      this.#pool = undefined;
      this.#problem = messageOf(error);
      void pool.destroy();
    });
    return pool;
  }
}

function tooLarge(problem: string): MillraceError {
  return new MillraceError('QUESTION_TOO_LARGE', { problem });
}
