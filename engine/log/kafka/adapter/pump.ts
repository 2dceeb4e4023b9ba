/**
 * Polls one consumer in a loop and sorts the records into a buffer per partition. Readers take from
 * the buffers and never wait. A partition with a full buffer is paused; a request for an offset
 * that was already dropped seeks back. Only this class polls, so a seek or a pause happens between
 * two polls and never races with records in flight.
 */
import type { MillraceError } from '../../../base/errors.ts';
import type { PackedBatch } from '../../../record/batch.ts';
import type { GroupOffset, ReadLimits, TopicPartition } from '../../log.ts';
import type { Fetched } from '../../member.ts';
import { keyOf } from '../../partition-key.ts';
import type { Fetcher, FetchListener } from '../direct/fetching.ts';
import { recordsPerBatch } from '../direct/unpacking.ts';
import type { ClientCalls } from '../rdkafka/client-calls.ts';
import { codeOf } from '../rdkafka/client-errors.ts';
import type { MessageConsumer, Polled } from '../rdkafka/messages.ts';
import type { KafkaConsumer, LibrdKafkaError } from '../rdkafka/rdkafka.ts';
import { isUnreadable, type PartitionError } from '../wire/error-codes.ts';
import { ClientCarrier, FetcherCarrier } from './carriers.ts';
import { Feed } from './feed.ts';
import { FeedFailures, type PartitionWatch } from './feed-failures.ts';
import type { Troubles } from './troubles.ts';

const pollWaitMs = 50;
const seekTimeoutMs = 10_000;

/** The common options of readers. */
export type Reading = Pick<
  PumpOptions,
  'fetcher' | 'isDirect' | 'onHandedBack' | 'troubles' | 'watch'
>;

export interface PumpOptions {
  readonly client: KafkaConsumer;
  readonly messages: MessageConsumer;
  /** Creates the direct fetcher; undefined: only the client can fetch. */
  readonly fetcher: ((listener: FetchListener) => Fetcher) | undefined;
  /** True: the fetcher reads everything it can; false: only what the client cannot read. */
  readonly isDirect: boolean;
  /** Called when the client must read what the fetcher cannot. */
  readonly onHandedBack: (at: TopicPartition, reason: string) => void;
  readonly calls: ClientCalls;
  /** A partition is paused when its buffer holds more bytes than this. */
  readonly bufferBytes: number;
  /**
   * When there was no request for this time (ms), polling stops, so that the group removes a dead
   * member.
   */
  readonly idleStopMs: number;
  /**
   * Called for an error that affects more than one record; the result is thrown at the next fetch.
   * Undefined: transient.
   */
  readonly onError: (error: PartitionError) => MillraceError | undefined;
  readonly troubles: Troubles;
  readonly watch: PartitionWatch;
  /** Called after a poll that returned something. */
  readonly onNews: () => void;
}

export class Pump {
  readonly #options: PumpOptions;
  readonly #fetcher: Fetcher | undefined;
  readonly #byFetcher: FetcherCarrier | undefined;
  readonly #byClient: ClientCarrier;
  readonly #feeds = new Map<string, Feed>();
  readonly #failures: FeedFailures;
  /** Removed while a poll was in flight; its records for them are stale and ignored. */
  readonly #removed = new Set<string>();
  #usedAt: number;
  readonly #stopping = new AbortController();
  #running: Promise<void> | undefined;
  #touched: (() => void) | undefined;

  constructor(options: PumpOptions) {
    this.#options = options;
    const { troubles } = options;
    this.#fetcher = options.fetcher?.({
      onFetched: (at, batches, end) => this.#fetched(at, batches, end),
      onHandedBack: (from, reason) => this.#handedBack(from, reason),
      onFailed: ({ offset }, error) => this.#failures.of({ ...error, offset }),
      onTrouble: (at, problem) => troubles.met(at, problem),
      onWell: (at) => troubles.over(at),
    });
    this.#byFetcher = this.#fetcher && new FetcherCarrier(this.#fetcher);
    this.#byClient = new ClientCarrier(options.client);
    this.#failures = new FeedFailures(options, this.#feeds, this.#byFetcher);
    this.#usedAt = this.#now();
  }

  start(): void {
    this.#running ??= this.#loop();
  }

  /** Stops polling; waits for the poll in progress. */
  async stop(): Promise<void> {
    this.#stopping.abort();
    this.#touched?.();
    this.#fetcher?.close();
    for (const { at } of this.#feeds.values()) this.#options.troubles.over(at);
    await this.#running;
  }

  /**
   * Adds a partition, whose records are buffered from now on. The caller also assigns it to the
   * client, and then calls `assigned`.
   */
  add(from: GroupOffset): void {
    const byFetcher = this.#options.isDirect ? this.#byFetcher : undefined;
    const carrier = byFetcher?.isUsable === true ? byFetcher : this.#byClient;
    const feed = new Feed(from, carrier, this.#now());
    this.#feeds.set(keyOf(from), feed);
    // The client begins where it is assigned.
    if (!carrier.isClient || this.#removed.has(keyOf(from))) carrier.bring(feed, from.offset);
  }

  /** Call when the client has its partitions: pauses those that the fetcher reads. */
  assigned(): void {
    const direct = [...this.#feeds.values()]
      .filter(({ carrier }) => !carrier.isClient)
      .map(({ at }) => at);
    try {
      if (direct.length > 0) this.#options.client.pause(direct);
    } catch {
      // Records that it still fetches are ignored.
    }
  }

  remove(at: TopicPartition): void {
    this.#fetcher?.remove(at);
    this.#options.troubles.over(at);
    if (this.#feeds.delete(keyOf(at))) this.#removed.add(keyOf(at));
  }

  /**
   * Restores the position of each partition; call before acknowledging a rebalance. The library
   * pauses all partitions for a rebalance and resumes after what it believes was the last message.
   * When messages are taken in batches, it counts a partition's end marker as a message, and would
   * skip the next record.
   */
  resync(): void {
    for (const feed of this.#feeds.values()) feed.carrier.resync(feed);
  }

  get partitions(): TopicPartition[] {
    return [...this.#feeds.values()].map(({ at }) => at);
  }

  has(at: TopicPartition): boolean {
    return this.#feeds.has(keyOf(at));
  }

  /** Partitions without a request in the last `ms`. */
  unused(ms: number): TopicPartition[] {
    const before = this.#now() - ms;
    return [...this.#feeds.values()].filter(({ usedAt }) => usedAt < before).map(({ at }) => at);
  }

  /** Notes that there is a reader, and throws errors of polling. */
  touch(): void {
    this.#usedAt = this.#now();
    this.#touched?.();
    this.#failures.throwOnce();
  }

  /**
   * Returns the buffered records from `from` on, as copies if they may be requested again. Drops
   * everything before.
   */
  fetch(at: TopicPartition, from: number, limits: ReadLimits): Fetched {
    this.touch();
    const feed = this.#feeds.get(keyOf(at));
    if (feed === undefined) return { batches: [], end: false };
    feed.usedAt = this.#usedAt;
    if (from < feed.low || feed.failed) {
      feed.seekBack(from, this.#now());
      return { batches: [], end: false };
    }
    feed.letGoBefore(from);
    const { batches, isAll } = feed.first(limits);
    if (feed.paused && feed.bytes < this.#options.bufferBytes / 2) feed.carrier.pause(feed, false);
    return { batches, end: isAll && feed.endAt !== undefined };
  }

  /** The known end of the partition, if nothing from `position` on is buffered. */
  endSeen(at: TopicPartition, position: number): number | undefined {
    const feed = this.#feeds.get(keyOf(at));
    return feed !== undefined && !feed.isEmpty && feed.bufferedTo > position
      ? undefined
      : feed?.endAt;
  }

  async #loop(): Promise<void> {
    const { messages, calls } = this.#options;
    const { signal } = this.#stopping;
    while (!signal.aborted) {
      await this.#whileUnused();
      this.#removed.clear();
      await this.#seekAll();
      if (signal.aborted) return;
      void this.#failures.watchSilent();
      try {
        this.#take(await messages.poll(recordsPerBatch, pollWaitMs));
      } catch (error) {
        this.#failures.ofClient(errorOf(error));
        await calls.timing.scheduler.sleep(pollWaitMs, signal);
      }
    }
  }

  async #whileUnused(): Promise<void> {
    const { idleStopMs } = this.#options;
    while (!this.#stopping.signal.aborted && this.#now() - this.#usedAt > idleStopMs) {
      await new Promise<void>((resolve) => {
        this.#touched = resolve;
      });
    }
    this.#touched = undefined;
  }

  #take({ batches, ends, errors }: Polled): void {
    let news = errors.length > 0;
    // The client skips what it cannot read: its records after that must be ignored.
    const unread = new Set(errors.filter(({ code }) => isUnreadable(code)).map(placeOf));
    const feedOf = (at: TopicPartition) => {
      const feed = this.#feeds.get(keyOf(at));
      return feed?.isOfClient !== true || unread.has(keyOf(at)) ? undefined : feed;
    };
    for (const { topic, partition, batch } of batches) {
      const feed = feedOf({ topic, partition });
      if (feed === undefined) continue;
      this.#keep(feed, batch);
      this.#heard(feed);
      news = true;
    }
    for (const { topic, partition, offset } of ends) {
      const feed = feedOf({ topic, partition });
      if (feed === undefined) continue;
      feed.endAt = offset;
      this.#heard(feed);
      news = true;
    }
    for (const error of errors) this.#failures.ofClient(error);
    if (news) this.#options.onNews();
  }

  #heard(feed: Feed): void {
    feed.heardAt = this.#now();
    this.#options.troubles.over(feed.at);
  }

  #keep(feed: Feed, batch: PackedBatch): void {
    feed.keep(batch);
    if (!feed.paused && feed.bytes > this.#options.bufferBytes) feed.carrier.pause(feed, true);
  }

  #fetched(at: TopicPartition, batches: readonly PackedBatch[], end: number | undefined): void {
    const feed = this.#feeds.get(keyOf(at));
    if (feed === undefined || feed.carrier.isClient) return;
    for (const batch of batches) this.#keep(feed, batch);
    if (end !== undefined) feed.endAt = end;
    this.#options.onNews();
  }

  #handedBack(from: GroupOffset, reason: string): void {
    const feed = this.#feeds.get(keyOf(from));
    if (feed === undefined) return;
    feed.handBack(this.#byClient, from.offset, reason, this.#now());
    this.#options.onHandedBack(feed.at, reason);
  }

  async #seekAll(): Promise<void> {
    const { client, calls } = this.#options;
    for (const feed of this.#feeds.values()) {
      const { at } = feed;
      if (feed.seek !== undefined && feed.paused) feed.carrier.pause(feed, false);
      const { seek: offset } = feed;
      if (offset === undefined) continue;
      try {
        await calls.answered<void>(
          (done) => client.seek({ ...at, offset }, seekTimeoutMs / 2, done),
          seekTimeoutMs,
        );
        if (feed.isEmpty) feed.low = offset;
        feed.seek = undefined;
      } catch (error) {
        // The partition may have just been revoked; otherwise this is retried before the next poll.
        if (this.has(at)) this.#failures.ofClient({ ...at, ...errorOf(error) });
      }
    }
  }

  #now(): number {
    return this.#options.calls.timing.clock.monotonic();
  }
}

function placeOf({ topic = '', partition = 0 }: PartitionError): string {
  return keyOf({ topic, partition });
}

function errorOf(error: unknown): PartitionError {
  const failure = error as LibrdKafkaError;
  return { code: codeOf(failure), message: failure.message };
}
