/** Recoverable failures of a run: how many in a row, and how long to wait after each. */
import { type CommitId, noCommit } from '../base/commit-id.ts';
import { isPassing, MillraceError } from '../base/errors.ts';
import type { Observer } from '../base/events.ts';
import { goesOnAfter, type OffsetLost } from './task-opener.ts';

/**
 * Maximal consecutive worker failures, and the pause after the first; later pauses are multiples.
 */
const workerRetries = 3;
const workerRetryMs = 100;
const doubtRetryMaxMs = 5_000;

export class Failures {
  readonly #observer: Observer;
  readonly #onOffsetLost: OffsetLost | undefined;
  /** Worker failures and commits in doubt since a commit. */
  #after = { count: 0, commitId: noCommit };

  constructor(observer: Observer, onOffsetLost: OffsetLost | undefined) {
    this.#observer = observer;
    this.#onOffsetLost = onOffsetLost;
  }

  /**
   * Reports a recoverable failure and returns how long to wait, ms; throws any other.
   * @param commitId the last commit; failures are counted since then
   */
  pauseAfter(error: unknown, commitId: CommitId): number {
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
      const task = String(error.context['task']);
      this.#observer.on('stateWiped', { task, problem, isForeign: false });
    } else if (error.code === 'COMMIT_DOUBTFUL' || isPassing(error)) {
      this.#observer.on('commitDoubtful', { problem, attempt });
    } else throw error;
    this.#after = { count: attempt, commitId };
    return Math.min(workerRetryMs * attempt, doubtRetryMaxMs);
  }
}
