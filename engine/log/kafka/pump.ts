/**
 * Polls one consumer without end and sorts what comes into a buffer a partition. Readers take from the
 * buffers and never wait. A partition whose buffer is full is paused; one that is asked for an offset
 * already let go is sought back. Only this class polls, so a seek or a pause happens between two polls
 * and never meets records that were on their way.
 */
import { setTimeout as pause } from 'node:timers/promises';
import type { Clock } from '../../base/clock.ts';
import type { MillraceError } from '../../base/errors.ts';
import { PackedBatch } from '../../record/batch.ts';
import type { GroupOffset, ReadLimits, TopicPartition } from '../log.ts';
import type { Fetched } from '../member.ts';
import { answered } from './calls.ts';
import type { Fetcher, FetchListener } from './fetch/fetcher.ts';
import {
  type MessageConsumer,
  type MessageError,
  type Polled,
  recordsPerBatch,
} from './messages.ts';
import { keyOf } from './partition-key.ts';
import type { KafkaConsumer } from './rdkafka.ts';

const pollWaitMs = 50;
const seekTimeoutMs = 10_000;

interface Feed {
  readonly at: TopicPartition;
  /** The fetcher brings its records; the client has it paused. */
  direct: boolean;
  batches: PackedBatch[];
  bytes: number;
  /** The buffer holds everything from here on, up to what was polled. */
  low: number;
  /** The consumer stands at the end of the partition, here; undefined while more is to come. */
  endAt: number | undefined;
  paused: boolean;
  /** Offset to be sought before the next poll. */
  seek: number | undefined;
  usedAt: number;
}

export interface PumpOptions {
  readonly client: KafkaConsumer;
  readonly messages: MessageConsumer;
  /** Brings records past the client; undefined: the client brings all. */
  readonly fetcher: ((listener: FetchListener) => Fetcher) | undefined;
  /** Told when the client must bring what the fetcher cannot. */
  readonly onHandedBack: (at: TopicPartition, reason: string) => void;
  readonly clock: Clock;
  /** A partition is paused when its buffer holds more bytes than this. */
  readonly bufferBytes: number;
  /** When nobody has asked for so long (ms), polling stops, so that the group takes a dead member out. */
  readonly idleStopMs: number;
  /** Told of an error that concerns more than one record; what it answers is thrown at the next fetch. */
  readonly onError: (error: MessageError) => MillraceError | undefined;
  /** Told after a poll that brought something. */
  readonly onNews: () => void;
}

export class Pump {
  readonly #options: PumpOptions;
  readonly #fetcher: Fetcher | undefined;
  readonly #feeds = new Map<string, Feed>();
  /** Partitions let go of while a poll is under way: what it brings of them is of the time before. */
  readonly #removed = new Set<string>();
  #usedAt: number;
  #failure: MillraceError | undefined;
  #stopping = false;
  #running: Promise<void> | undefined;
  #touched: (() => void) | undefined;

  constructor(options: PumpOptions) {
    this.#options = options;
    this.#usedAt = options.clock.monotonic();
    this.#fetcher = options.fetcher?.({
      onFetched: (at, batches, end) => this.#fetched(at, batches, end),
      onHandedBack: (from, reason) => this.#handedBack(from, reason),
    });
  }

  start(): void {
    this.#running ??= this.#loop();
  }

  /** Ends polling; the poll that is under way is waited for. */
  async stop(): Promise<void> {
    this.#stopping = true;
    this.#touched?.();
    this.#fetcher?.close();
    await this.#running;
  }

  /**
   * From now on the partition's records are kept. The caller assigns it to the client, too, and says so by
   * `assigned`.
   */
  add({ topic, partition, offset }: GroupOffset): void {
    const direct = this.#fetcher?.isUsable === true;
    this.#feeds.set(keyOf({ topic, partition }), {
      at: { topic, partition },
      direct,
      batches: [],
      bytes: 0,
      low: offset,
      endAt: undefined,
      paused: false,
      seek: !direct && this.#removed.has(keyOf({ topic, partition })) ? offset : undefined,
      usedAt: this.#options.clock.monotonic(),
    });
    if (direct) this.#fetcher?.add({ topic, partition, offset });
  }

  /** The client has got its partitions: it does not fetch what the fetcher does. */
  assigned(): void {
    const direct = [...this.#feeds.values()].filter((feed) => feed.direct).map(({ at }) => at);
    try {
      if (direct.length > 0) this.#options.client.pause(direct);
    } catch {
      // What it fetches all the same is not taken.
    }
  }

  remove(at: TopicPartition): void {
    this.#fetcher?.remove(at);
    if (this.#feeds.delete(keyOf(at))) this.#removed.add(keyOf(at));
  }

  /**
   * Makes sure of where each partition goes on; to be called before a rebalance is answered. The library
   * pauses all partitions for it, and goes on where it believes the last message was: when messages are
   * taken in batches, it counts the mark of a partition's end as one, and would skip the next record.
   */
  resync(): void {
    for (const feed of this.#feeds.values()) this.#resync(feed);
  }

  #resync(feed: Feed): void {
    if (feed.direct) return;
    feed.seek ??= feed.batches[feed.batches.length - 1]?.nextOffset ?? feed.low;
  }

  get partitions(): TopicPartition[] {
    return [...this.#feeds.values()].map(({ at }) => at);
  }

  has(at: TopicPartition): boolean {
    return this.#feeds.has(keyOf(at));
  }

  /** Partitions that nobody has asked for in the last `ms`. */
  unused(ms: number): TopicPartition[] {
    const before = this.#options.clock.monotonic() - ms;
    return [...this.#feeds.values()].filter(({ usedAt }) => usedAt < before).map(({ at }) => at);
  }

  /** Shows that somebody is there, and throws what polling met. */
  touch(): void {
    this.#usedAt = this.#options.clock.monotonic();
    this.#touched?.();
    if (this.#failure === undefined) return;
    const failure = this.#failure;
    this.#failure = undefined;
    throw failure;
  }

  /** What is buffered from `from` on, as copies where it may be asked for again. Everything before it is let go. */
  fetch(at: TopicPartition, from: number, limits: ReadLimits): Fetched {
    this.touch();
    const feed = this.#feeds.get(keyOf(at));
    if (feed === undefined) return { batches: [], end: false };
    feed.usedAt = this.#usedAt;
    if (from < feed.low) {
      this.#seekBack(feed, from);
      return { batches: [], end: false };
    }
    while (feed.batches.length > 0 && (feed.batches[0] as PackedBatch).nextOffset <= from) {
      this.#letGo(feed);
    }
    const { records: recordsMax, bytes: bytesMax = Number.POSITIVE_INFINITY, once } = limits;
    let [count, records, bytes] = [0, 0, 0];
    for (; count < feed.batches.length; count++) {
      const batch = feed.batches[count] as PackedBatch;
      records += batch.count;
      bytes += batch.byteLength;
      // One at least; another whole, or not at all.
      if (count > 0 && (records > recordsMax || bytes > bytesMax)) break;
    }
    const end = count === feed.batches.length && feed.endAt !== undefined;
    const batches = once
      ? Array.from({ length: count }, () => this.#letGo(feed))
      : feed.batches.slice(0, count).map(({ image }) => new PackedBatch(image.slice(0)));
    if (feed.paused && feed.bytes < this.#options.bufferBytes / 2) this.#pause(feed, false);
    return { batches, end };
  }

  #letGo(feed: Feed): PackedBatch {
    const gone = feed.batches.shift() as PackedBatch;
    feed.bytes -= gone.byteLength;
    feed.low = gone.nextOffset;
    return gone;
  }

  /** Where the partition was seen to end when nothing from `position` on is buffered. */
  endSeen(at: TopicPartition, position: number): number | undefined {
    const feed = this.#feeds.get(keyOf(at));
    const last = feed?.batches[feed.batches.length - 1];
    return last !== undefined && last.nextOffset > position ? undefined : feed?.endAt;
  }

  async #loop(): Promise<void> {
    while (!this.#stopping) {
      await this.#whileUnused();
      this.#removed.clear();
      await this.#seekAll();
      if (this.#stopping) return;
      try {
        this.#take(await this.#options.messages.poll(recordsPerBatch, pollWaitMs));
      } catch (error) {
        this.#took({ code: Number((error as MessageError).code), message: String(error) });
        await pause(pollWaitMs);
      }
    }
  }

  async #whileUnused(): Promise<void> {
    const { clock, idleStopMs } = this.#options;
    while (!this.#stopping && clock.monotonic() - this.#usedAt > idleStopMs) {
      await new Promise<void>((resolve) => {
        this.#touched = resolve;
      });
    }
    this.#touched = undefined;
  }

  #take({ batches, ends, errors }: Polled): void {
    for (const error of errors) this.#took(error);
    let news = errors.length > 0;
    for (const { topic, partition, batch } of batches) {
      const feed = this.#feeds.get(keyOf({ topic, partition }));
      // Taken away, or to be sought back: what comes now comes again.
      if (feed === undefined || feed.direct || feed.seek !== undefined) continue;
      this.#keep(feed, batch);
      news = true;
    }
    for (const { topic, partition, offset } of ends) {
      const feed = this.#feeds.get(keyOf({ topic, partition }));
      if (feed === undefined || feed.direct || feed.seek !== undefined) continue;
      feed.endAt = offset;
      news = true;
    }
    if (news) this.#options.onNews();
  }

  #keep(feed: Feed, batch: PackedBatch): void {
    feed.batches.push(batch);
    feed.bytes += batch.byteLength;
    feed.endAt = undefined;
    if (!feed.paused && feed.bytes > this.#options.bufferBytes) this.#pause(feed, true);
  }

  #fetched(at: TopicPartition, batches: readonly PackedBatch[], end: number | undefined): void {
    const feed = this.#feeds.get(keyOf(at));
    if (feed === undefined || !feed.direct) return;
    for (const batch of batches) this.#keep(feed, batch);
    if (end !== undefined) feed.endAt = end;
    this.#options.onNews();
  }

  /** The client goes on where the fetcher left: it is resumed and sought before the next poll. */
  #handedBack({ topic, partition, offset }: GroupOffset, reason: string): void {
    const feed = this.#feeds.get(keyOf({ topic, partition }));
    if (feed === undefined) return;
    feed.direct = false;
    feed.paused = true;
    feed.seek = offset;
    this.#options.onHandedBack(feed.at, reason);
  }

  #took(error: MessageError): void {
    this.#failure ??= this.#options.onError(error);
    if (this.#failure !== undefined) this.#options.onNews();
  }

  #seekBack(feed: Feed, from: number): void {
    feed.batches = [];
    feed.bytes = 0;
    feed.endAt = undefined;
    if (feed.direct) {
      feed.low = from;
      feed.paused = false;
      this.#fetcher?.add({ ...feed.at, offset: from });
      return;
    }
    feed.seek = feed.seek === undefined ? from : Math.min(feed.seek, from);
  }

  async #seekAll(): Promise<void> {
    for (const feed of this.#feeds.values()) {
      const { at } = feed;
      if (feed.seek !== undefined && feed.paused) this.#pause(feed, false);
      const { seek: offset } = feed;
      if (offset === undefined) continue;
      try {
        await answered<void>(seekTimeoutMs, (done) =>
          this.#options.client.seek({ ...at, offset }, seekTimeoutMs / 2, done),
        );
        if (feed.batches.length === 0) feed.low = offset;
        feed.seek = undefined;
      } catch (error) {
        // A partition that was just taken away; else it is tried again before the next poll.
        if (this.has(at)) this.#took({ ...at, code: codeOf(error), message: String(error) });
      }
    }
  }

  #pause(feed: Feed, paused: boolean): void {
    if (feed.direct) {
      this.#fetcher?.pause(feed.at, paused);
      feed.paused = paused;
      return;
    }
    try {
      if (paused) this.#options.client.pause([feed.at]);
      else {
        this.#options.client.resume([feed.at]);
        // As after a rebalance; see `resync`.
        this.#resync(feed);
      }
      feed.paused = paused;
    } catch {
      // The partition is being taken away; its feed goes with it.
    }
  }
}

function codeOf(error: unknown): number {
  return Number((error as { code?: unknown }).code);
}
