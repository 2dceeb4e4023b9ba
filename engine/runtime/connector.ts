/**
 * The SourceConnector port: brings records from outside into topics. What it hands over and how far
 * it has read are written in one commit, so a restart neither repeats nor loses a record.
 */
import type { Observer } from '../base/events.ts';
import type { Sink } from '../graph/topic.ts';
import type { RecordLimits } from '../log/log.ts';
import type { OutputBatch } from '../task/outputs.ts';

export interface SourceStart {
  /** What `next` answered as cursor in the last commit; undefined at the first start. */
  readonly cursor: unknown;
  /** Partitions of every topic, by name. */
  readonly partitionsOf: Readonly<Record<string, number>>;
  readonly deadLetterTopic: string;
  /** Told when the outside does not answer, and when it does again. */
  readonly observer?: Observer;
  /** What the log takes of a record; undefined: any. */
  readonly limits?: RecordLimits;
}

export interface SourceChunk {
  readonly outputs: readonly OutputBatch[];
  /** A JSON value from which a later start can go on after this chunk. */
  readonly cursor: unknown;
  /** The cursor is to be committed even without records. */
  readonly moved?: boolean;
  /** There is no more. Without it a chunk of no records means that more may come later. */
  readonly done: boolean;
  /** All that is there now was handed over: time may pass while it waits for more. */
  readonly idle?: boolean;
  /** Records and bytes taken from the outside in this chunk. */
  readonly records: number;
  readonly bytes: number;
  readonly deadLettered: number;
  /**
   * Of the records, those that were not wanted, by reason; they are neither handed over nor dead
   * letters.
   */
  readonly skipped?: Readonly<Record<string, number>>;
  /** Greatest event time handed over so far, ms UTC; -Infinity before the first. */
  readonly eventTime: number;
}

export interface SourceConnector {
  /** Unique in the application; names the cursor. */
  readonly name: string;
  readonly topics: readonly Sink<never, never>[];
  open(start: SourceStart): Promise<void>;
  /**
   * Up to `limit` records. Answers soon, with nothing when nothing is at hand: a cycle waits for
   * it. A source that can be read again answers the same chunk for the same cursor and limit.
   */
  next(limit: number): Promise<SourceChunk>;
  close(): Promise<void>;
}
