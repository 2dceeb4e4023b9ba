/**
 * The Log port: partitioned topics, and the one transaction that makes Millrace exactly-once.
 *
 * Laws. Order: records of a partition have ascending offsets, in the order of the appends. Atomic:
 * a commit's appends, offsets and commit id become visible together or not at all, and once the
 * promise resolves they survive a crash. Stable: a reader never sees records of a commit that has
 * not happened; `endOffset` is the end of what is committed. Fencing: opening a writer with an id
 * makes every older writer of that id fail with LOG_FENCED. Damage is LOG_CORRUPT with topic,
 * partition and offset; data is never skipped or reset.
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
  /** Absent for a topic of the author's; a log need not know it of topics it tells of. */
  readonly role?: TopicRole;
}

export interface Append extends TopicPartition {
  /** Offsets inside are ignored: the log gives its own. */
  readonly batch: PackedBatch;
}

/** The next offset to read of a partition, for a group. */
export interface GroupOffset extends TopicPartition {
  readonly offset: number;
  /** Kept beside the offset, at most 4 KiB; the commit ledger (runtime/ledger.ts) lives here. */
  readonly metadata?: string;
}

/** What a log is to forget of an application that does not run. */
export interface Forgotten {
  readonly group: string;
  /** Those that are there. */
  readonly topics: readonly string[];
  readonly offsets: readonly GroupOffset[];
}

export interface CommittedOffset {
  readonly offset: number;
  /** As committed; undefined also where the log cannot tell. */
  readonly metadata?: string;
}

/**
 * Phases inside a commit, in their order: appends are handed over, all of them are accepted, the
 * offsets are added, and what cannot be taken back is done.
 */
export type CommitPhase = 'append' | 'flush' | 'offsets' | 'commit';

export interface Commit {
  readonly appends: readonly Append[];
  readonly offsets: readonly GroupOffset[];
  /** Stored for the writer; the last one is answered by `Writer.lastCommitId` after a restart. */
  readonly commitId: number;
  /**
   * Told before each phase that the log has, and waited for; what it throws fails the commit. Every
   * log tells 'commit', once.
   */
  readonly onPhase?: (phase: CommitPhase) => void | Promise<void>;
}

export interface CommitReceipt {
  /** End offset of each partition appended to, after the commit. */
  readonly ends: readonly GroupOffset[];
}

export interface ReadLimits {
  /** Records at most; at least one is answered when there is one. */
  readonly records: number;
  /** Bytes at most, as far as whole stored batches allow. */
  readonly bytes?: number;
  /** Who reads takes all of it, so that the log need not keep it; to read it again is slow. */
  readonly once?: boolean;
}

/** Exactly one writer of an id is alive; its id is also the group whose offsets it commits. */
export interface Writer {
  /** Id of the last commit that happened; 0 before the first, and where only the ledger tells. */
  readonly lastCommitId: number;
  /** COMMIT_DOUBTFUL when it is not known whether the commit happened; the writer goes on. */
  commit(commit: Commit): Promise<CommitReceipt>;
  /**
   * The process is to stop: a commit that waits for the log to be reached fails within seconds.
   * Absent where none waits.
   */
  hurry?(): void;
  close(): Promise<void>;
}

/**
 * What the log refuses of a record; checked before it is written, so that it concerns that record
 * only.
 */
export interface RecordLimits {
  /** Bytes of key, value and headers together. */
  readonly bytes: number;
  /** How far a timestamp may lie ahead of the wall clock, ms. */
  readonly aheadMs: number;
}

/** Opens logs: how an application chooses one. A module's default export, or a value. */
export interface LogFactory {
  /**
   * @param options.application names the application, for locks and messages
   * @param options.directory a directory of the application, which need not exist
   */
  open(options: { readonly application: string; readonly directory: string }): Promise<Log>;
}

export interface Log {
  /** Undefined: everything is taken. */
  readonly limits?: RecordLimits;
  /** False: what is committed beside an offset is lost. Default true. */
  readonly keepsMetadata?: boolean;
  /**
   * Creates what is missing; an existing topic with other partitions is TOPIC_MISMATCH. To be
   * called at each start with all topics: the log need not keep their roles.
   * @param existing what `topics` has told just now: it need not be asked again
   */
  createTopics(
    topics: readonly TopicDescription[],
    existing?: readonly TopicDescription[],
  ): Promise<void>;
  topics(): Promise<readonly TopicDescription[]>;
  /**
   * What really becomes of old records, by topic, where the log is asked for it: others may have
   * made a topic, or set it otherwise. Without those of which the log does not tell.
   */
  cleanupPolicies?(topics: readonly string[]): Promise<ReadonlyMap<string, string>>;
  /**
   * Records of a partition from `from` on, in one batch; undefined when nothing is there yet, up to
   * `endOffset`. A `from` below the start or above the end is OFFSET_OUT_OF_RANGE.
   */
  read(at: TopicPartition, from: number, limits: ReadLimits): Promise<PackedBatch | undefined>;
  startOffset(at: TopicPartition): Promise<number>;
  /**
   * Whoever reads on from this offset or a later one misses no deletion; before it, compaction has
   * taken records away that only a reader from the start can do without.
   * @param readAt when the reader last read on, ms UTC: a log that does not know what it compacted
   * away goes by the time for which it keeps deletions
   */
  completeFrom(at: TopicPartition, readAt: number): Promise<number>;
  endOffset(at: TopicPartition): Promise<number>;
  /** Committed offset of a group; undefined when it never committed one. */
  committed(group: string, at: TopicPartition): Promise<CommittedOffset | undefined>;
  /** Becomes a member of a group, whose topics exist. */
  join(options: JoinOptions): Promise<Member>;
  /**
   * @param memberOf the member whose offsets the writer commits, who may join until then; its group
   * is `id`
   */
  openWriter(id: string, memberOf?: () => Member): Promise<Writer>;
  /**
   * Forgets what a group has committed, all of it, but for `offsets`, which it has then; and
   * empties topics or deletes them: they are made again when they are needed. APPLICATION_RUNS
   * while the group has members: nothing is changed then. A log may leave it out; its applications
   * cannot be reset.
   */
  forget?(what: Forgotten): Promise<void>;
  /**
   * Applies retention as of `nowMs` (ms UTC), and compacts the partitions of which half or more has
   * come since the last time.
   */
  maintain(nowMs: number): Promise<void>;
  close(): Promise<void>;
}
