/** The interface of direct fetching. */
import type { PackedBatch } from '../../../record/batch.ts';
import type { GroupOffset, TopicPartition } from '../../log.ts';
import type { PartitionError } from '../wire/error-codes.ts';
import type { FetchLimits } from '../wire/fetch-request.ts';
import type { Reach } from './cluster.ts';
import type { Unpack } from './unpacking.ts';

/** Receives the results of fetched partitions. */
export interface FetchListener {
  /**
   * Committed records, in the order of the log; `end` is set if there are no more, otherwise
   * undefined.
   */
  onFetched(at: TopicPartition, batches: readonly PackedBatch[], end: number | undefined): void;
  /** The partition is no longer fetched; nothing before `offset` is missing. */
  onHandedBack(from: GroupOffset, reason: string): void;
  /**
   * The partition is no longer fetched, because of a permanent error; nothing before `offset` is
   * missing.
   */
  onFailed(from: GroupOffset, error: PartitionError): void;
  /** An attempt failed with a transient error; it is retried. */
  onTrouble(at: TopicPartition, problem: string): void;
  /** The partition is fetched again after a trouble. */
  onWell(at: TopicPartition): void;
}

export interface Fetcher {
  /** False after the brokers have refused the fetcher; then everything was handed back. */
  readonly isUsable: boolean;
  /**
   * Fetches from an offset on; for a partition that is already fetched, records in flight are
   * discarded.
   */
  add(from: GroupOffset): void;
  remove(at: TopicPartition): void;
  /** Pauses or resumes a partition; records in flight are still delivered. */
  pause(at: TopicPartition, paused: boolean): void;
  close(): void;
}

export interface FetcherOptions extends Reach {
  readonly limits: FetchLimits;
  readonly unpack: Unpack;
  readonly readsLz4: boolean;
}

/** A permanent error of a broker. */
export interface Failure {
  readonly kind: 'failed';
  readonly code: number;
  readonly reason: string;
}
