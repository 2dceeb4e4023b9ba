/**
 * The Log port: partitioned topics, and the one transaction that makes Millrace exactly-once.
 *
 * Laws. Order: records of a partition have ascending offsets, in the order of the appends. Atomic:
 * a commit's appends, offsets and commit id become visible together or not at all, and survive a
 * crash once the promise resolves. Stable: a reader never sees uncommitted records; `endOffset` is
 * the end of the committed records. Fencing: opening a writer with an id makes every older writer
 * with that id fail with LOG_FENCED. Damage is LOG_CORRUPT with topic, partition and offset; data
 * is never skipped or reset.
 */

import type { TopicSettings } from '../graph/topic.ts';
import type { PackedBatch } from '../record/batch.ts';
import type { JoinOptions, Member } from './member.ts';

export interface TopicPartition {
  readonly topic: string;
  readonly partition: number;
}

/**
 * What a topic is to the application that makes it: its state ('changelog'), how far its inputs
 * were read ('cursors') and their time is ('times'), or what it writes for itself to read once
 * ('repartition').
 */
export type TopicRole = 'changelog' | 'cursors' | 'times' | 'repartition';

export interface TopicDescription {
  readonly name: string;
  readonly partitions: number;
  readonly settings: TopicSettings;
  /** Absent for a topic of the author; a log need not return it. */
  readonly role?: TopicRole;
}

export interface Append extends TopicPartition {
  /** Offsets inside are ignored: the log assigns its own. */
  readonly batch: PackedBatch;
}

/** The next offset to read of a partition, for a group. */
export interface GroupOffset extends TopicPartition {
  readonly offset: number;
  /** Stored with the offset, at most 4 KiB; holds the commit ledger (runtime/ledger.ts). */
  readonly metadata?: string;
}

/** What a log must delete of an application that does not run. */
export interface Forgotten {
  readonly group: string;
  /** Existing topics. */
  readonly topics: readonly string[];
  readonly offsets: readonly GroupOffset[];
}

export interface CommittedOffset {
  readonly offset: number;
  /** The committed metadata; also undefined if the log cannot return it. */
  readonly metadata?: string;
}

/**
 * Phases of a commit, in order: appends are handed over, all of them are accepted, the offsets are
 * added, and the commit becomes irrevocable.
 */
export type CommitPhase = 'append' | 'flush' | 'offsets' | 'commit';

export interface Commit {
  readonly appends: readonly Append[];
  readonly offsets: readonly GroupOffset[];
  /** Stored for the writer; `Writer.lastCommitId` returns the last one after a restart. */
  readonly commitId: number;
  /**
   * Called and awaited before each phase that the log has; an error fails the commit. Every log
   * calls it with 'commit' once.
   */
  readonly onPhase?: (phase: CommitPhase) => void | Promise<void>;
}

export interface CommitReceipt {
  /** End offset of each partition appended to, after the commit. */
  readonly ends: readonly GroupOffset[];
}

export interface ReadLimits {
  /** Maximal number of records; at least one is returned if there is one. */
  readonly records: number;
  /** Maximal bytes, as far as whole stored batches allow. */
  readonly bytes?: number;
  /** The reader takes everything, so the log need not keep it; reading it again is slow. */
  readonly once?: boolean;
}

/** At most one writer with an id is alive; the id is also the group whose offsets it commits. */
export interface Writer {
  /** Id of the last commit; 0 before the first, and on a log where only the ledger has it. */
  readonly lastCommitId: number;
  /** @throws COMMIT_DOUBTFUL if the outcome is unknown; the writer remains usable */
  commit(commit: Commit): Promise<CommitReceipt>;
  /**
   * The process stops: a commit that waits for an unreachable log fails within seconds. Absent if
   * commits never wait.
   */
  hurry?(): void;
  close(): Promise<void>;
}

/**
 * Limits of a record in the log; checked before writing, so that a violation affects only that
 * record.
 */
export interface RecordLimits {
  /** Bytes of key, value and headers together. */
  readonly bytes: number;
  /** How far a timestamp may be ahead of the wall clock, ms. */
  readonly aheadMs: number;
}

/** Opens logs, for applications that choose their own: a module's default export, or a value. */
export interface LogFactory {
  /**
   * @param options.application names the application, for locks and messages
   * @param options.directory a directory of the application, which need not exist
   */
  open(options: { readonly application: string; readonly directory: string }): Promise<Log>;
}

export interface Log {
  /** Undefined: no limits. */
  readonly limits?: RecordLimits;
  /** False: what is committed beside an offset is lost. Default true. */
  readonly keepsMetadata?: boolean;
  /**
   * Creates missing topics. Called at each start with all topics, so the log need not store their
   * roles.
   * @param existing a recent result of `topics`, to avoid another request
   * @throws TOPIC_MISMATCH for an existing topic with another number of partitions
   */
  createTopics(
    topics: readonly TopicDescription[],
    existing?: readonly TopicDescription[],
  ): Promise<void>;
  topics(): Promise<readonly TopicDescription[]>;
  /**
   * The actual clean-up policies, by topic: a topic may have been created or configured elsewhere.
   * Leaves out topics with an unknown policy.
   */
  cleanupPolicies?(topics: readonly string[]): Promise<ReadonlyMap<string, string>>;
  /**
   * Returns records of a partition from `from` on, up to `endOffset`, in one batch; undefined if
   * there are none yet.
   * @throws OFFSET_OUT_OF_RANGE if `from` is below the start or above the end
   */
  read(at: TopicPartition, from: number, limits: ReadLimits): Promise<PackedBatch | undefined>;
  startOffset(at: TopicPartition): Promise<number>;
  /**
   * The offset from which a reader that continues misses no tombstone: before it, compaction has
   * removed records that only a reader from the start can do without.
   * @param readAt when the reader last read, ms UTC: a log that does not know what it compacted
   * uses the retention of tombstones
   */
  completeFrom(at: TopicPartition, readAt: number): Promise<number>;
  endOffset(at: TopicPartition): Promise<number>;
  /** Committed offset of a group; undefined if there is none. */
  committed(group: string, at: TopicPartition): Promise<CommittedOffset | undefined>;
  /** Joins a group; its topics must exist. */
  join(options: JoinOptions): Promise<Member>;
  /**
   * @param memberOf returns the member whose offsets the writer commits; it may join until the
   * first commit; its group is `id`
   */
  openWriter(id: string, memberOf?: () => Member): Promise<Writer>;
  /**
   * Replaces all committed offsets of a group by `offsets`, and empties or deletes topics, which
   * are created again when needed. Optional; without it, applications cannot be reset.
   * @throws APPLICATION_RUNS while the group has members; nothing is changed then
   */
  forget?(what: Forgotten): Promise<void>;
  /**
   * Applies retention as of `nowMs` (ms UTC), and compacts the partitions of which half or more is
   * new since the last time.
   */
  maintain(nowMs: number): Promise<void>;
  close(): Promise<void>;
}
