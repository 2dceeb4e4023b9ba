/**
 * The guard of one source partition (time/guard.ts): its verdict on a record whose time is far
 * ahead, and how often to wait for the records that could confirm it.
 */
import type { SourceOptions } from '../graph/node.ts';
import {
  defaultMaxAheadMs,
  defaultMaxJumpMs,
  type GuardSettings,
  type GuardVerdict,
  judge,
  unquestionedTo,
} from '../time/guard.ts';

/**
 * Number of cycles in which confirming records are requested: they may be too large to be read
 * together.
 */
const asksMost = 50;

/** A request for records after the one at `offset`; they ended at `end`. */
interface Asked {
  readonly offset: number;
  readonly end: number;
  readonly times: number;
}

/** A record to be judged. */
export interface Questioned {
  readonly offset: number;
  readonly timestamp: number;
  /** Greatest time of its partition so far, ms UTC. */
  readonly greatest: number;
  /** End offset of the available records. */
  readonly end: number;
  /** True if the log has no more records now. */
  readonly caughtUp: boolean;
  /** Time of the nth record after it, ms UTC; undefined if it is not available. */
  next(n: number): number | undefined;
}

export class QueueGuard {
  readonly #settings: GuardSettings;
  /** The request of the last cycle, repeated in this one. */
  #asked: Asked | undefined;
  #asking: Asked | undefined;
  /**
   * The verdict on the next record. It stays valid, whatever is read with the record in the next
   * cycle, because the task may wait for another topic's record meanwhile.
   */
  #judged: { readonly offset: number; readonly verdict: GuardVerdict } | undefined;

  constructor({
    maxAhead = defaultMaxAheadMs,
    maxJump = defaultMaxJumpMs,
  }: Pick<SourceOptions, 'maxAhead' | 'maxJump'>) {
    this.#settings = { maxAheadMs: maxAhead, maxJumpMs: maxJump };
  }

  /** Records up to this time need no verdict, ms UTC. */
  unquestionedTo(greatest: number, wall: number | undefined): number {
    return unquestionedTo(this.#settings, greatest, wall);
  }

  judge(record: Questioned, wall: number | undefined, final: boolean): GuardVerdict {
    const { offset, timestamp, greatest } = record;
    if (this.#judged?.offset === offset) return this.#judged.verdict;
    const more = this.#hasMore(record);
    const verdict = judge(this.#settings, timestamp, {
      ...{ greatest, wall, final, more },
      next: (n) => record.next(n),
    });
    if (verdict === 'take' || verdict === 'refuse') this.#judged = { offset, verdict };
    return verdict;
  }

  /** A cycle ends. */
  endCycle(): void {
    this.#asked = this.#asking;
    this.#asking = undefined;
  }

  /** True if more records can be requested: not if that was done often without a result. */
  #hasMore({ offset, end, caughtUp }: Questioned): boolean {
    if (caughtUp) return false;
    const asked = this.#asked;
    const before = asked?.offset === offset && asked.end === end ? asked.times : 0;
    this.#asking = { offset, end, times: before + 1 };
    return before < asksMost;
  }
}
