/** The buffer of a partition, and who fills it. */
import { PackedBatch } from '../../../record/batch.ts';
import type { GroupOffset, ReadLimits, TopicPartition } from '../../log.ts';
import type { Carrier } from './carriers.ts';

export class Feed {
  readonly at: TopicPartition;
  /** Brings its records. Where that is the fetcher, the client has it paused. */
  #carrier: Carrier;
  /** The buffer holds all records from this offset to the last polled one. */
  low: number;
  /** The end offset of the partition, if the consumer has reached it; undefined otherwise. */
  endAt: number | undefined;
  paused = false;
  /** Offset to be sought before the next poll. */
  seek: number | undefined;
  /** True after a failure: no more records until the next request. */
  failed = false;
  /** Time of the last request, ms of the monotonic clock. */
  usedAt: number;
  /** When the client last returned or reported something about it. */
  heardAt: number;
  /**
   * Offset at which the fetcher handed it to the client, so that it is not moved back at the same
   * offset.
   */
  handedBackAt: { readonly offset: number; readonly reason: string } | undefined;
  #batches: PackedBatch[] = [];
  #bytes = 0;

  constructor({ topic, partition, offset }: GroupOffset, carrier: Carrier, now: number) {
    this.at = { topic, partition };
    this.#carrier = carrier;
    this.low = offset;
    this.usedAt = now;
    this.heardAt = now;
  }

  get carrier(): Carrier {
    return this.#carrier;
  }

  get bytes(): number {
    return this.#bytes;
  }

  get isEmpty(): boolean {
    return this.#batches.length === 0;
  }

  /** True if the client reads it: records that were removed, or must be sought back, come again. */
  get isOfClient(): boolean {
    return this.#carrier.isClient && !this.failed && this.seek === undefined;
  }

  /** The end offset of the buffer. */
  get bufferedTo(): number {
    return this.#batches[this.#batches.length - 1]?.nextOffset ?? this.low;
  }

  /** The next expected offset. */
  get next(): number {
    return this.seek ?? this.bufferedTo;
  }

  keep(batch: PackedBatch): void {
    this.#batches.push(batch);
    this.#bytes += batch.byteLength;
    this.endAt = undefined;
  }

  /** Restarts at an offset. */
  seekBack(from: number, now: number): void {
    this.#batches = [];
    this.#bytes = 0;
    this.endAt = undefined;
    this.heardAt = now;
    const hadFailed = this.failed;
    if (hadFailed) {
      this.failed = false;
      this.seek = undefined;
    }
    this.#carrier.goBack(this, from, hadFailed);
  }

  /** Hands the partition to the client, which is resumed and sought before the next poll. */
  handBack(client: Carrier, offset: number, reason: string, now: number): void {
    this.#carrier = client;
    this.paused = true;
    this.seek = offset;
    this.heardAt = now;
    this.handedBackAt = { offset, reason };
  }

  /** The fetcher continues where the client's records end. */
  relieve(fetcher: Carrier, offset: number): void {
    this.#carrier = fetcher;
    this.paused = false;
    this.seek = undefined;
    fetcher.bring(this, offset);
  }

  /** Drops everything before an offset. */
  letGoBefore(from: number): void {
    while (!this.isEmpty && (this.#batches[0] as PackedBatch).nextOffset <= from) this.#letGo();
  }

  /**
   * Returns the first batches, as copies if they may be requested again; `isAll`: nothing else is
   * buffered.
   */
  first(limits: ReadLimits): { readonly batches: PackedBatch[]; readonly isAll: boolean } {
    const { records: recordsMax, bytes: bytesMax = Number.POSITIVE_INFINITY, once } = limits;
    let [count, records, bytes] = [0, 0, 0];
    for (; count < this.#batches.length; count++) {
      const batch = this.#batches[count] as PackedBatch;
      records += batch.count;
      bytes += batch.byteLength;
      // At least one batch; further ones only whole.
      if (count > 0 && (records > recordsMax || bytes > bytesMax)) break;
    }
    const isAll = count === this.#batches.length;
    const batches = once
      ? Array.from({ length: count }, () => this.#letGo())
      : this.#batches.slice(0, count).map(({ image }) => new PackedBatch(image.slice(0)));
    return { batches, isAll };
  }

  #letGo(): PackedBatch {
    const gone = this.#batches.shift() as PackedBatch;
    this.#bytes -= gone.byteLength;
    this.low = gone.nextOffset;
    return gone;
  }
}
