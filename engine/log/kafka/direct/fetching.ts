/** What fetching past the client is told and tells. */
import type { PackedBatch } from '../../../record/batch.ts';
import type { GroupOffset, TopicPartition } from '../../log.ts';
import type { PartitionError } from '../wire/error-codes.ts';
import type { FetchLimits } from '../wire/fetch-request.ts';
import type { Reach } from './cluster.ts';
import type { Unpack } from './unpacking.ts';

/** What becomes of partitions that are fetched. */
export interface FetchListener {
  /**
   * Committed records; `end` when nothing more is there, else undefined. In the order of the log.
   */
  onFetched(at: TopicPartition, batches: readonly PackedBatch[], end: number | undefined): void;
  /** The partition is not fetched any more; nothing before `offset` is missing. */
  onHandedBack(from: GroupOffset, reason: string): void;
  /**
   * The partition is not fetched any more, and trying again does not help; nothing before `offset`
   * is missing.
   */
  onFailed(from: GroupOffset, error: PartitionError): void;
  /** An attempt failed in a way that may pass; it is tried again. */
  onTrouble(at: TopicPartition, problem: string): void;
  /** After a trouble: the partition is fetched again. */
  onWell(at: TopicPartition): void;
}

export interface Fetcher {
  /** False once it was found that brokers do not let us: then everything was handed back. */
  readonly isUsable: boolean;
  /**
   * Fetches from an offset on; of a partition that is fetched already, what is on its way is
   * forgotten.
   */
  add(from: GroupOffset): void;
  remove(at: TopicPartition): void;
  /** What is on its way still comes. */
  pause(at: TopicPartition, paused: boolean): void;
  close(): void;
}

export interface FetcherOptions extends Reach {
  readonly limits: FetchLimits;
  readonly unpack: Unpack;
  readonly readsLz4: boolean;
}

/** A broker's answer that does not pass. */
export interface Failure {
  readonly kind: 'failed';
  readonly code: number;
  readonly reason: string;
}
