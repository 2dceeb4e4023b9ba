/**
 * The SourceConnector port: reads records from outside into topics. Records and the cursor of the
 * source are written in one commit, so a restart neither repeats nor loses a record.
 */
import type { Observer } from '../base/events.ts';
import type { Sink } from '../graph/topic.ts';
import type { RecordLimits } from '../log/log.ts';
import type { OutputBatch } from '../task/outputs.ts';

/** What a connector is opened with. */
export interface SourceStart {
  /** The cursor of the last committed chunk; undefined at the first start. */
  readonly cursor: unknown;
  /** Partitions of every topic, by name. */
  readonly partitionsOf: Readonly<Record<string, number>>;
  /** For what cannot become a record; it has one partition. */
  readonly deadLetterTopic: string;
  /** Receives an event when the source stops responding, and when it responds again. */
  readonly observer?: Observer;
  /** The log's limits of a record; undefined: none. */
  readonly limits?: RecordLimits;
}

/** What a connector hands over for one commit. */
export interface SourceChunk {
  /** Records by topic and partition, as `Outputs.take` returns them. */
  readonly outputs: readonly OutputBatch[];
  /** A JSON value from which a later start continues after this chunk. */
  readonly cursor: unknown;
  /** True to commit the cursor even without records. */
  readonly moved?: boolean;
  /** True if the source has ended. Otherwise an empty chunk means that more may come later. */
  readonly done: boolean;
  /** True if everything available was returned: time may pass while the source waits for more. */
  readonly idle?: boolean;
  /** Records and bytes read from the source for this chunk. */
  readonly records: number;
  readonly bytes: number;
  /** How many of the records are dead letters. */
  readonly deadLettered: number;
  /** Skipped records by reason; they are neither returned nor dead letters. */
  readonly skipped?: Readonly<Record<string, number>>;
  /** Greatest event time returned so far, ms UTC; -Infinity before the first. */
  readonly eventTime: number;
}

/** A source of records from outside. `connectorLaws` of `millrace/laws` tests one. */
export interface SourceConnector {
  /** Unique in the application; names the cursor. */
  readonly name: string;
  /** The topics that it writes. */
  readonly topics: readonly Sink<never, never>[];
  /** Called before `next`, and again after a failure, then with the cursor of the last commit. */
  open(start: SourceStart): Promise<void>;
  /**
   * Returns up to `limit` records. Must return soon, with an empty chunk if nothing is available,
   * because a cycle waits for it. A repeatable source returns the same chunk for the same cursor
   * and limit.
   */
  next(limit: number): Promise<SourceChunk>;
  /** Releases what `open` took; also called after a failure. */
  close(): Promise<void>;
}
