/**
 * Partitions that cannot be read for a while. Troubles of a few seconds, such as a leader that
 * moves, are not reported; longer ones are reported once, and once more when they are over.
 */
import { after, type Timing } from '../../../base/timing.ts';
import type { TopicPartition } from '../../log.ts';
import { keyOf } from '../../partition-key.ts';

/** A trouble is reported after this time, ms. */
export const toldAfterMs = 5_000;

export interface TroublesOptions {
  readonly timing: Timing;
  /** Default: `toldAfterMs`. */
  readonly afterMs?: number;
  readonly onStalled: (at: TopicPartition, problem: string) => void;
  readonly onResumed: (at: TopicPartition, stalledMs: number) => void;
}

interface Trouble {
  readonly at: TopicPartition;
  /** ms of the monotonic clock. */
  since: number;
  problem: string;
  isTold: boolean;
  /** Cancels the report. */
  callOff: () => void;
}

export class Troubles {
  readonly #options: TroublesOptions;
  readonly #troubles = new Map<string, Trouble>();
  #isAway = false;

  constructor(options: TroublesOptions) {
    this.#options = options;
  }

  /** An attempt failed. */
  met(at: TopicPartition, problem: string): void {
    const known = this.#troubles.get(keyOf(at));
    if (known !== undefined) {
      known.problem = problem;
      return;
    }
    const { topic, partition } = at;
    const since = this.#options.timing.clock.monotonic();
    const callOff = this.#tellLater(keyOf(at));
    this.#troubles.set(keyOf(at), {
      at: { topic, partition },
      ...{ since, problem, isTold: false, callOff },
    });
  }

  /** Ends the trouble: the partition is read again, or no longer used. */
  over(at: TopicPartition): void {
    const trouble = this.#troubles.get(keyOf(at));
    if (trouble === undefined) return;
    trouble.callOff();
    this.#troubles.delete(keyOf(at));
    if (!trouble.isTold) return;
    this.#options.onResumed(trouble.at, this.#options.timing.clock.monotonic() - trouble.since);
  }

  /** Sets whether no broker responds, which is reported separately. */
  set isAway(isAway: boolean) {
    this.#isAway = isAway;
    if (isAway) return;
    for (const [key, trouble] of this.#troubles) {
      if (trouble.isTold) continue;
      trouble.callOff();
      trouble.callOff = this.#tellLater(key);
    }
  }

  close(): void {
    for (const { callOff } of this.#troubles.values()) callOff();
    this.#troubles.clear();
  }

  #tellLater(key: string): () => void {
    const { afterMs = toldAfterMs, timing } = this.#options;
    return after(timing.scheduler, afterMs, () => {
      const trouble = this.#troubles.get(key);
      if (trouble === undefined || this.#isAway) return;
      trouble.isTold = true;
      this.#options.onStalled(trouble.at, trouble.problem);
    });
  }
}
