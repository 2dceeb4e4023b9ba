/**
 * The guard of one source partition (time/guard.ts): what it says of a record whose time lies far
 * ahead, and how often the records that would confirm it are waited for.
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
 * So often, cycle by cycle, the records after one are asked for that it is judged by: they may be
 * too large to come together.
 */
const asksMost = 50;

/** Records after the one at `offset`; they ended at `end`. */
interface Asked {
  readonly offset: number;
  readonly end: number;
  readonly times: number;
}

/** A record that is to be judged. */
export interface Questioned {
  readonly offset: number;
  readonly timestamp: number;
  /** Greatest time that its partition has taken in, ms UTC. */
  readonly greatest: number;
  /** Where the records end that are there. */
  readonly end: number;
  /** No more records are in the log now. */
  readonly caughtUp: boolean;
  /** Time of the nth record after it, ms UTC; undefined when it is not there. */
  next(n: number): number | undefined;
}

export class QueueGuard {
  readonly #settings: GuardSettings;
  /** What was asked for in the last cycle, and is in this one. */
  #asked: Asked | undefined;
  #asking: Asked | undefined;
  /**
   * What was said of the next record. It stands, whatever is read with the record in the next
   * cycle: another topic's record may be waited for meanwhile.
   */
  #judged: { readonly offset: number; readonly verdict: GuardVerdict } | undefined;

  constructor({
    maxAhead = defaultMaxAheadMs,
    maxJump = defaultMaxJumpMs,
  }: Pick<SourceOptions, 'maxAhead' | 'maxJump'>) {
    this.#settings = { maxAheadMs: maxAhead, maxJumpMs: maxJump };
  }

  /** Up to this time records pass without a question, ms UTC. */
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

  /**
   * Records that follow those that are there can be had: not if they were asked for often, and none
   * came.
   */
  #hasMore({ offset, end, caughtUp }: Questioned): boolean {
    if (caughtUp) return false;
    const asked = this.#asked;
    const before = asked?.offset === offset && asked.end === end ? asked.times : 0;
    this.#asking = { offset, end, times: before + 1 };
    return before < asksMost;
  }
}
