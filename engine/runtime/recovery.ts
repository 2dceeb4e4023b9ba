/**
 * Repeats work after a worker died or a commit is in doubt: the tasks continue from the last commit
 * in the log. After a worker's death the others cannot be trusted either, so all workers are
 * replaced.
 */
import { isMillraceError } from '../base/errors.ts';
import { readCursors } from './cursors.ts';
import type { Cycles } from './cycles.ts';
import { Failures } from './failures.ts';
import type { RuntimeParts } from './runtime-parts.ts';
import type { Session } from './session.ts';

export class Recovery {
  readonly #parts: RuntimeParts;
  readonly #session: Session;
  readonly #cycles: Pick<Cycles, 'forget'>;
  readonly #failures: Failures;
  #recoveries = 0;

  constructor(parts: RuntimeParts, session: Session, cycles: Pick<Cycles, 'forget'>) {
    this.#parts = parts;
    this.#session = session;
    this.#cycles = cycles;
    this.#failures = new Failures(parts.observer, parts.options.onOffsetLost);
  }

  /**
   * Returns the result of `work`. Gives up after several consecutive failures. Waits for the log
   * without limit, unless the run is stopping: then it leaves the tasks closed and returns
   * undefined; uncommitted records are read again.
   */
  async survive<T>(work: () => Promise<T>, signal?: AbortSignal): Promise<T | undefined> {
    for (;;) {
      try {
        return await work();
      } catch (error) {
        // The commit of earlier work may be in progress, and may succeed.
        await this.#session.committer.idle().catch(() => {});
        let failure: { readonly error: unknown } | undefined = { error };
        while (failure !== undefined) {
          failure = await this.#recover(failure.error, signal);
          if (failure !== undefined && signal?.aborted) return undefined;
        }
        this.#recoveries++;
        this.#parts.observer.on('recovered', {});
      }
    }
  }

  /**
   * Repeats `work` until no recovery happened meanwhile: for work over several cycles that sends
   * tasks what they do not store. The work must allow repetition.
   */
  async undisturbed(work: () => Promise<void>, signal?: AbortSignal): Promise<void> {
    let before: number;
    do {
      before = this.#recoveries;
      await work();
    } while (this.#recoveries !== before && signal?.aborted !== true);
  }

  /**
   * Returns undefined if the tasks are open again; otherwise the new failure, or `error` if
   * recovery was aborted. Throws an unrecoverable failure.
   */
  async #recover(
    error: unknown,
    signal?: AbortSignal,
  ): Promise<{ readonly error: unknown } | undefined> {
    const { options, intake, scheduler } = this.#parts;
    const { assignment, committer, plan } = this.#session;
    const careful = isMillraceError(error, 'CYCLE_REPEATED') ? error.context['task'] : undefined;
    const pause = this.#failures.pauseAfter(error, committer.commitId);
    // Also the tasks of live workers: they have uncommitted work.
    await this.#cycles.forget();
    if (careful === undefined) await assignment.close();
    await intake.close();
    if (pause > 0) await scheduler.sleep(pause, signal);
    if (signal?.aborted) return { error };
    try {
      if (careful === undefined) await assignment.start();
      else await assignment.reopen(String(careful));
      await this.#session.openTasks(this.#parts);
      // Passed time is sent again to all tasks at once, so all must be open.
      if (careful !== undefined) await assignment.openTasks.allOpen();
      const cursors = await readCursors(options.log, options.application);
      await intake.open(cursors, plan.partitionsOf);
      return undefined;
    } catch (next) {
      return { error: next };
    }
  }
}
