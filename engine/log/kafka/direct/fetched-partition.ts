/**
 * The state of a fetched partition: its position, its failures, and its part of a response.
 */
import type { Clock } from '../../../base/clock.ts';
import { PackedBatch } from '../../../record/batch.ts';
import type { GroupOffset, TopicPartition } from '../../log.ts';
import type { BrokerAddress } from '../wire/broker-connection.ts';
import { brokerError } from '../wire/broker-errors.ts';
import { isPermanent, kafkaCodes, unknownTopicMs } from '../wire/error-codes.ts';
import type { FetchedRecords } from '../wire/fetch-request.ts';
import { pauseMsAfter } from '../wire/retry.ts';
import { decompressed } from './codecs.ts';
import type { Failure, FetchListener } from './fetching.ts';
import { type Problem, wholeBatches } from './record-sets.ts';
import type { Unpack } from './unpacking.ts';

/** How often a damaged batch is fetched: it may have been damaged in transit. */
const damagedTimesMax = 3;

/** A partition's part of a response. */
export interface Share {
  readonly partition: FetchedPartition;
  readonly from: number;
  readonly records: Buffer;
  /** End of the whole batches. */
  readonly whole: number;
  /** True if some of the batches must be decompressed first. */
  readonly isCompressed: boolean;
  readonly aborted: readonly number[];
  readonly end: number | undefined;
  /** The problem after these records, if any. */
  readonly problem: Problem | Failure | undefined;
}

export class FetchedPartition implements TopicPartition {
  readonly topic: string;
  readonly partition: number;
  /** The next offset to request. */
  offset: number;
  /** End offset of the delivered records; the rest is being unpacked. */
  told: number;
  paused = false;
  /** Its leader; undefined while it is being looked up. */
  leader: BrokerAddress | undefined;
  /** Earliest time of the next leader lookup, ms of the monotonic clock. */
  retryAt = 0;
  readonly #listener: FetchListener;
  readonly #clock: Clock;
  /** The last reported end; each is reported once. */
  #endTold: number | undefined;
  /** Since when no broker knows the topic. */
  #unknownSince: number | undefined;
  /** Consecutive failed attempts. */
  #failures = 0;
  /** How often in a row its next batch was damaged. */
  #damaged = 0;

  constructor(
    { topic, partition, offset }: GroupOffset,
    leader: BrokerAddress | undefined,
    { listener, clock }: { readonly listener: FetchListener; readonly clock: Clock },
  ) {
    this.topic = topic;
    this.partition = partition;
    this.offset = offset;
    this.told = offset;
    this.leader = leader;
    this.#listener = listener;
    this.#clock = clock;
  }

  /** Its part of a response; undefined if there is nothing to deliver. */
  shareOf(answer: FetchedRecords, readsLz4: boolean): Share | undefined {
    const { error, records, aborted, lastStableOffset } = answer;
    const { offset: from } = this;
    if (error !== kafkaCodes.none) {
      const problem = this.failureOf(error);
      const nothing = { whole: 0, isCompressed: false, end: undefined };
      return problem && { partition: this, from, records, aborted, ...nothing, problem };
    }
    this.#unknownSince = undefined;
    const whole = wholeBatches(records, readsLz4);
    const { end: wholeEnd, next = from, isCompressed } = whole;
    this.offset = Math.max(from, next);
    const problem = this.#standing(whole.problem, wholeEnd > 0);
    if (problem === undefined && whole.problem === undefined) this.#isWell();
    const isEnd = this.offset >= lastStableOffset && this.#endTold !== this.offset;
    const end = isEnd ? this.offset : undefined;
    if (isEnd) this.#endTold = this.offset;
    if (wholeEnd === 0 && !isEnd && problem === undefined) return undefined;
    return { partition: this, from, records, whole: wholeEnd, isCompressed, aborted, end, problem };
  }

  /**
   * The permanent failure of an error code; undefined for a transient one, after which the leader
   * is looked up again.
   */
  failureOf(code: number): Failure | undefined {
    const { message: reason } = brokerError(code);
    const now = this.#clock.monotonic();
    if (code === kafkaCodes.unknownTopicOrPartition) this.#unknownSince ??= now;
    const isGone = now - (this.#unknownSince ?? now) > unknownTopicMs;
    const isCorrupt = code === kafkaCodes.corruptMessage && ++this.#damaged >= damagedTimesMax;
    if (isGone || isCorrupt || isPermanent(code)) return { kind: 'failed', code, reason };
    this.inTrouble(reason);
    return undefined;
  }

  /** Notes a failed attempt: the leader is looked up again after a pause. */
  inTrouble(problem: string): void {
    this.leader = undefined;
    this.#failures++;
    this.retryAt = this.#clock.monotonic() + pauseMsAfter(this.#failures);
    this.#listener.onTrouble(this, problem);
  }

  #isWell(): void {
    if (this.#failures === 0) return;
    this.#failures = 0;
    this.#listener.onWell(this);
  }

  /** The problem that counts; undefined for a batch that must be fetched once more. */
  #standing(problem: Problem | undefined, hasMoved: boolean): Problem | undefined {
    if (hasMoved) this.#damaged = 0;
    if (problem?.kind !== 'unreadable' || !problem.mayPass) return problem;
    return ++this.#damaged < damagedTimesMax ? undefined : problem;
  }
}

/** Unpacks the records; rejects for unreadable ones. */
export async function unpacked(share: Share, unpack: Unpack): Promise<PackedBatch[]> {
  const { from, records, whole, isCompressed, aborted } = share;
  if (whole === 0) return [];
  const plain = isCompressed ? await decompressed(records, whole) : records;
  const images = await unpack(plain, isCompressed ? plain.length : whole, from, aborted);
  return images.map((image) => new PackedBatch(image));
}
