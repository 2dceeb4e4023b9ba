/**
 * Membership of a group: the instances of an application share the partitions of its topics. When
 * the assignment changes, the runtime handles the change between two cycles, when nothing is
 * uncommitted; it takes effect when it is acknowledged.
 */
import type { Scheduler } from '../base/scheduler.ts';
import type { PackedBatch } from '../record/batch.ts';
import type { GroupOffset, Log, ReadLimits, TopicPartition } from './log.ts';

export interface AssignmentChange {
  readonly kind: 'assigned' | 'revoked';
  readonly partitions: readonly TopicPartition[];
  /**
   * Acknowledges the change. 'assigned': with the read position of each partition. 'revoked':
   * everything of the partitions is closed; until then no other member gets them.
   */
  answer(positions: readonly GroupOffset[]): Promise<void>;
  /**
   * False if the group has moved on without an acknowledgement, so the change is void. Undefined:
   * it is valid.
   */
  holds?(): boolean;
}

export interface Fetched {
  /** Whole batches in offset order. The first may have records below the requested offset. */
  readonly batches: readonly PackedBatch[];
  /** True if there is nothing more now. */
  readonly end: boolean;
}

export interface Member {
  /** True if it is the only possible member, with all partitions for its whole life. */
  readonly sole: boolean;
  /** True if a change waits. */
  hasChange(): boolean;
  /**
   * The next change, which the caller keeps until it acknowledges it; undefined if there is none.
   */
  takeChange(): AssignmentChange | undefined;
  /**
   * Returns the available records of a partition from `from` on; does not wait. A request from an
   * earlier offset returns the records again. The caller owns the batches and may transfer them.
   */
  fetch(at: TopicPartition, from: number, limits: ReadLimits): Promise<Fetched>;
  /** Records that wait from each position on, in the same order. */
  lag(positions: readonly GroupOffset[]): Promise<readonly number[]>;
  /** Waits until there may be something new, at most `waitMs`, or until `signal` is aborted. */
  wait(waitMs: number, signal?: AbortSignal): Promise<void>;
  /** Gives all partitions back; everything must be closed. */
  leave(): Promise<void>;
}

export interface JoinOptions {
  readonly group: string;
  readonly partitions: readonly TopicPartition[];
  readonly scheduler: Scheduler;
  /**
   * Awaited before the group is joined, when all other preparations are done; an error aborts the
   * join.
   */
  readonly ready?: () => Promise<void>;
}

/** The member of a log that belongs to one process. */
export function soleMember(log: Log, { partitions, scheduler }: JoinOptions): Member {
  let change: AssignmentChange | undefined = {
    kind: 'assigned',
    partitions,
    answer: async () => {},
  };
  return {
    sole: true,
    hasChange: () => change !== undefined,
    takeChange() {
      const taken = change;
      change = undefined;
      return taken;
    },
    async fetch(at, from, limits) {
      const batch = await log.read(at, from, limits);
      if (batch === undefined) return { batches: [], end: true };
      return { batches: [batch], end: batch.nextOffset >= (await log.endOffset(at)) };
    },
    lag: (positions) =>
      Promise.all(positions.map(async (at) => (await log.endOffset(at)) - at.offset)),
    wait: (waitMs, signal) => scheduler.sleep(waitMs, signal),
    leave: async () => {},
  };
}
