/**
 * Membership of a group: the instances of an application share the partitions of its topics. What a
 * member may read changes; a change is taken between two cycles, when nothing is uncommitted, and
 * takes effect when it is answered.
 */
import type { Scheduler } from '../base/scheduler.ts';
import type { PackedBatch } from '../record/batch.ts';
import type { GroupOffset, Log, ReadLimits, TopicPartition } from './log.ts';

export interface AssignmentChange {
  readonly kind: 'assigned' | 'revoked';
  readonly partitions: readonly TopicPartition[];
  /**
   * 'assigned': where to read on, for each partition. 'revoked': all that concerns the partitions
   * is closed; until then no other member gets them.
   */
  answer(positions: readonly GroupOffset[]): Promise<void>;
  /**
   * False when the group has gone on without an answer: then it means nothing. Undefined: it holds.
   */
  holds?(): boolean;
}

export interface Fetched {
  /** Whole batches in offset order. The first may hold records below the offset asked for. */
  readonly batches: readonly PackedBatch[];
  /** Nothing more is there now. */
  readonly end: boolean;
}

export interface Member {
  /** The only member there can be: it has all partitions for as long as it lives. */
  readonly sole: boolean;
  /** A change waits for an answer. */
  hasChange(): boolean;
  /** The next one, which the caller keeps until it is answered; undefined when there is none. */
  takeChange(): AssignmentChange | undefined;
  /**
   * What is there of a partition from `from` on; does not wait. Whoever asks again from an earlier
   * offset gets the records again. The batches are the caller's, who may transfer them away.
   */
  fetch(at: TopicPartition, from: number, limits: ReadLimits): Promise<Fetched>;
  /** Records that wait from each position on, in the same order. */
  lag(positions: readonly GroupOffset[]): Promise<readonly number[]>;
  /** Until there may be something new, `waitMs` at most, or `signal` is aborted. */
  wait(waitMs: number, signal?: AbortSignal): Promise<void>;
  /** Gives all partitions back; everything must be closed. */
  leave(): Promise<void>;
}

export interface JoinOptions {
  readonly group: string;
  readonly partitions: readonly TopicPartition[];
  readonly scheduler: Scheduler;
  /**
   * Asked when all is done that may be done before the group is joined, and waited for; what it
   * throws ends the joining.
   */
  readonly ready?: () => Promise<void>;
}

/** The member of a log that one process has to itself. */
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
