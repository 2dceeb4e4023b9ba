/** Failures that a run survives: how often in a row, and how long to wait after each. */
import { isPassing, MillraceError } from '../base/errors.ts';
import type { Observer } from '../base/events.ts';
import { goesOnAfter, type OffsetLost } from './task-opener.ts';

/**
 * Worker failures in a row that are survived, and the pause after the first; it grows by itself.
 */
const workerRetries = 3;
const workerRetryMs = 100;
const doubtRetryMaxMs = 5_000;

export class Failures {
  readonly #observer: Observer;
  readonly #onOffsetLost: OffsetLost | undefined;
  /** Worker failures and doubtful commits after a commit. */
  #after = { count: 0, commitId: 0 };

  constructor(observer: Observer, onOffsetLost: OffsetLost | undefined) {
    this.#observer = observer;
    this.#onOffsetLost = onOffsetLost;
  }

  /**
   * Reports a failure that can be survived and answers how long to wait, ms; throws any other.
   * @param commitId of the last commit: failures are counted from there
   */
  pauseAfter(error: unknown, commitId: number): number {
    if (!(error instanceof MillraceError)) throw error;
    const problem = String(error.context['problem']);
    if (goesOnAfter(error, this.#onOffsetLost)) return 0;
    if (error.code === 'CYCLE_REPEATED') {
      const { task, step } = error.context;
      this.#observer.on('cycleRepeated', { task: String(task), step: String(step), problem });
      return 0;
    }
    const attempt = this.#after.commitId === commitId ? this.#after.count + 1 : 1;
    if (error.code === 'WORKER_FAILED') {
      this.#observer.on('workerLost', { problem, attempt });
      if (attempt > workerRetries) {
        throw new MillraceError('WORKER_FAILED', { attempts: attempt, problem });
      }
    } else if (error.code === 'STATE_CORRUPT') {
      if (attempt > workerRetries) throw error;
      this.#observer.on('stateWiped', { task: String(error.context['task']), problem });
    } else if (error.code === 'COMMIT_DOUBTFUL' || isPassing(error)) {
      this.#observer.on('commitDoubtful', { problem, attempt });
    } else throw error;
    this.#after = { count: attempt, commitId };
    return Math.min(workerRetryMs * attempt, doubtRetryMaxMs);
  }
}
