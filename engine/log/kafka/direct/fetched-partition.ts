/**
 * A partition as it is fetched: where it is, how it goes, and what its share of a response holds.
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

/** So often a batch is fetched that comes damaged: it may have been damaged on its way. */
const damagedTimesMax = 3;

/** A partition's share of a response. */
export interface Share {
  readonly partition: FetchedPartition;
  readonly from: number;
  readonly records: Buffer;
  /** Where the whole batches end. */
  readonly whole: number;
  /** Some of the batches are to be decompressed first. */
  readonly isCompressed: boolean;
  readonly aborted: readonly number[];
  readonly end: number | undefined;
  /** What stands behind these records. */
  readonly problem: Problem | Failure | undefined;
}

export class FetchedPartition implements TopicPartition {
  readonly topic: string;
  readonly partition: number;
  /** The next to be asked for. */
  offset: number;
  /** Where what was told of ends: the rest is being unpacked. */
  told: number;
  paused = false;
  /** Who is asked for it; undefined while it is looked for. */
  leader: BrokerAddress | undefined;
  /** No leader is looked for before, ms of the monotonic clock. */
  retryAt = 0;
  readonly #listener: FetchListener;
  readonly #clock: Clock;
  /** The end that was told last: it is told once. */
  #endTold: number | undefined;
  /** Since when no broker knows the topic. */
  #unknownSince: number | undefined;
  /** Attempts in a row that failed. */
  #failures = 0;
  /** How often in a row its next batch came damaged. */
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

  /** Its share of an answer; undefined when there is nothing to tell. */
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
   * What a broker says of the partition; undefined for what may pass: then the leader is looked for
   * anew.
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

  /** An attempt failed: the leader is looked for anew, after a pause. */
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

  /** Undefined for a batch that is to be fetched once more. */
  #standing(problem: Problem | undefined, hasMoved: boolean): Problem | undefined {
    if (hasMoved) this.#damaged = 0;
    if (problem?.kind !== 'unreadable' || !problem.mayPass) return problem;
    return ++this.#damaged < damagedTimesMax ? undefined : problem;
  }
}

/** Rejects for records that nobody can read. */
export async function unpacked(share: Share, unpack: Unpack): Promise<PackedBatch[]> {
  const { from, records, whole, isCompressed, aborted } = share;
  if (whole === 0) return [];
  const plain = isCompressed ? await decompressed(records, whole) : records;
  const images = await unpack(plain, isCompressed ? plain.length : whole, from, aborted);
  return images.map((image) => new PackedBatch(image));
}
