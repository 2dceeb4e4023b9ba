/** What is buffered of a partition, and who brings it. */
import { PackedBatch } from '../../../record/batch.ts';
import type { GroupOffset, ReadLimits, TopicPartition } from '../../log.ts';

export class Feed {
  readonly at: TopicPartition;
  /** The fetcher brings its records; the client has it paused. */
  direct: boolean;
  /** The buffer holds everything from here on, up to what was polled. */
  low: number;
  /** The consumer stands at the end of the partition, here; undefined while more is to come. */
  endAt: number | undefined;
  paused = false;
  /** Offset to be sought before the next poll. */
  seek: number | undefined;
  /** Nothing comes any more, until it is asked for again from the same offset or another. */
  failed = false;
  /** When it was asked for last, ms of the monotonic clock. */
  usedAt: number;
  /** When the client last brought or said something of it. */
  heardAt: number;
  /**
   * Where the fetcher gave it to the client: the client is not relieved of it at the same offset
   * again.
   */
  handedBackAt: { readonly offset: number; readonly reason: string } | undefined;
  #batches: PackedBatch[] = [];
  #bytes = 0;

  constructor({ topic, partition, offset }: GroupOffset, direct: boolean, now: number) {
    this.at = { topic, partition };
    this.direct = direct;
    this.low = offset;
    this.usedAt = now;
    this.heardAt = now;
  }

  get bytes(): number {
    return this.#bytes;
  }

  get isEmpty(): boolean {
    return this.#batches.length === 0;
  }

  /** The client brings it: what was taken away, or is to be sought back, comes again. */
  get isOfClient(): boolean {
    return !this.direct && !this.failed && this.seek === undefined;
  }

  /** Where what is buffered ends. */
  get bufferedTo(): number {
    return this.#batches[this.#batches.length - 1]?.nextOffset ?? this.low;
  }

  /** The offset that is to come next. */
  get next(): number {
    return this.seek ?? this.bufferedTo;
  }

  keep(batch: PackedBatch): void {
    this.#batches.push(batch);
    this.#bytes += batch.byteLength;
    this.endAt = undefined;
  }

  /** Begins anew at an offset; what the client brings is sought before the next poll. */
  seekBack(from: number, now: number): void {
    this.#batches = [];
    this.#bytes = 0;
    this.endAt = undefined;
    this.heardAt = now;
    if (this.failed) {
      this.failed = false;
      this.seek = undefined;
      if (!this.direct) this.low = from;
    }
    if (this.direct) {
      this.low = from;
      this.paused = false;
    } else this.seek = this.seek === undefined ? from : Math.min(this.seek, from);
  }

  /** The client goes on where the fetcher left: it is resumed and sought before the next poll. */
  handBack(offset: number, reason: string, now: number): void {
    this.direct = false;
    this.paused = true;
    this.seek = offset;
    this.heardAt = now;
    this.handedBackAt = { offset, reason };
  }

  /** The client is sought to where it goes on, before the next poll. */
  resync(): void {
    if (!this.direct) this.seek ??= this.bufferedTo;
  }

  /** Lets go of what lies before an offset. */
  letGoBefore(from: number): void {
    while (!this.isEmpty && (this.#batches[0] as PackedBatch).nextOffset <= from) this.#letGo();
  }

  /**
   * The first batches, as copies where they may be asked for again; `isAll`: nothing else is
   * buffered.
   */
  first(limits: ReadLimits): { readonly batches: PackedBatch[]; readonly isAll: boolean } {
    const { records: recordsMax, bytes: bytesMax = Number.POSITIVE_INFINITY, once } = limits;
    let [count, records, bytes] = [0, 0, 0];
    for (; count < this.#batches.length; count++) {
      const batch = this.#batches[count] as PackedBatch;
      records += batch.count;
      bytes += batch.byteLength;
      // One at least; another whole, or not at all.
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
