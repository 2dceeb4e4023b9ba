/**
 * Does work again after a worker has died, or a commit is in doubt: the tasks go on from the last
 * commit that the log has. A dead worker's process is not ours to trust, so all workers are
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

  constructor(parts: RuntimeParts, session: Session, cycles: Pick<Cycles, 'forget'>) {
    this.#parts = parts;
    this.#session = session;
    this.#cycles = cycles;
    this.#failures = new Failures(parts.observer, parts.options.onOffsetLost);
  }

  /**
   * Returns what `work` comes to. Recovery is given up after some failures in a row. The log is
   * waited for without end, but not by a run that is to stop: it leaves the tasks closed and gets
   * undefined; what was not committed is read again.
   */
  async survive<T>(work: () => Promise<T>, signal?: AbortSignal): Promise<T | undefined> {
    for (;;) {
      try {
        return await work();
      } catch (error) {
        // The commit of work before may be under way, and may well be done.
        await this.#session.committer.settled().catch(() => {});
        let failure: { readonly error: unknown } | undefined = { error };
        while (failure !== undefined) {
          failure = await this.#recover(failure.error, signal);
          if (failure !== undefined && signal?.aborted) return undefined;
        }
        this.#parts.observer.on('recovered', {});
      }
    }
  }

  /**
   * Undefined when the tasks are open again; else what it failed of in its turn, or `error` when it
   * is not wanted any more. Throws what cannot be survived.
   */
  async #recover(
    error: unknown,
    signal?: AbortSignal,
  ): Promise<{ readonly error: unknown } | undefined> {
    const { options, intake, scheduler } = this.#parts;
    const { assignment, committer, plan } = this.#session;
    const careful = isMillraceError(error, 'CYCLE_REPEATED') ? error.context['task'] : undefined;
    const pause = this.#failures.pauseAfter(error, committer.commitId);
    // Also the tasks of workers that live: they hold work which was not committed.
    await this.#cycles.forget();
    if (careful === undefined) await assignment.close();
    await intake.close();
    if (pause > 0) await scheduler.sleep(pause, signal);
    if (signal?.aborted) return { error };
    try {
      if (careful === undefined) await assignment.start();
      else await assignment.reopen(String(careful));
      await this.#session.openTasks(this.#parts);
      // Time that has passed is told again at once, to all of them.
      if (careful !== undefined) await assignment.openTasks.settled();
      const cursors = await readCursors(options.log, options.application);
      await intake.open(cursors, plan.partitionsOf);
      return undefined;
    } catch (next) {
      return { error: next };
    }
  }
}
