/**
 * Failures of partitions that are read (docs/decisions/0601). Records that the client cannot read
 * are fetched by the fetcher; transient failures are troubles; any other failure fails the
 * partition and is thrown at the next fetch. Partitions about which the client is silent are
 * checked.
 */
import { MillraceError } from '../../../base/errors.ts';
import type { TopicPartition } from '../../log.ts';
import { keyOf } from '../../partition-key.ts';
import { codecNames } from '../direct/codecs.ts';
import { isOffsetLost, isUnreadable, type PartitionError } from '../wire/error-codes.ts';
import type { FetcherCarrier } from './carriers.ts';
import type { Feed } from './feed.ts';
import type { PumpOptions } from './pump.ts';

/** Pause before an offset that should exist is requested again, ms. */
const lostAgainMs = 200;
/**
 * After this silence of the client about a partition it is checked, and then at this interval, ms.
 */
const silentMs = 3_000;

/** The cluster's view of partitions about which the client is silent. */
export interface PartitionWatch {
  /** Partitions, as `keyOf`, that have no leader now. */
  leaderless(topics: readonly string[]): Promise<ReadonlySet<string>>;
  /** First offset, and the end of the committed records. */
  bounds(at: TopicPartition): Promise<{ readonly low: number; readonly high: number }>;
}

export class FeedFailures {
  readonly #options: PumpOptions;
  readonly #feeds: ReadonlyMap<string, Feed>;
  readonly #fetcher: FetcherCarrier | undefined;
  #failure: MillraceError | undefined;
  #watchedAt: number;
  #isWatching = false;

  constructor(
    options: PumpOptions,
    feeds: ReadonlyMap<string, Feed>,
    fetcher: FetcherCarrier | undefined,
  ) {
    this.#options = options;
    this.#feeds = feeds;
    this.#fetcher = fetcher;
    this.#watchedAt = this.#now();
  }

  /** Throws the error of a partition, once. */
  throwOnce(): void {
    if (this.#failure === undefined) return;
    const failure = this.#failure;
    this.#failure = undefined;
    throw failure;
  }

  /**
   * Handles an error of the client. Without a partition, it may belong to any that the client
   * fetches.
   */
  ofClient(error: PartitionError): void {
    if (!isUnreadable(error.code)) {
      this.of(error);
      return;
    }
    const { topic, partition } = error;
    const all = [...this.#feeds.values()].filter(
      ({ carrier, failed }) => carrier.isClient && !failed,
    );
    const named = all.filter(({ at }) => topic === at.topic && partition === at.partition);
    const waiting = all.filter(({ endAt }) => endAt === undefined);
    for (const feed of topic === undefined ? waiting : named) this.#relieve(feed, error);
  }

  /** Handles an error of one partition, or of all. */
  of(error: PartitionError): void {
    const { topic, partition } = error;
    const named = topic === undefined || partition === undefined ? undefined : { topic, partition };
    const feed = named && this.#feeds.get(keyOf(named));
    if (named !== undefined && feed === undefined) return;
    if (isOffsetLost(error.code)) {
      void this.#offsetLost(feed);
      return;
    }
    const failure = this.#options.onError(error);
    if (failure !== undefined) this.#fail(failure, feed);
    else if (named !== undefined) this.#options.troubles.met(named, error.message);
  }

  /**
   * Checks partitions about which the client is silent: it does not report a missing leader, nor
   * (with plain calls) some errors after records.
   */
  async watchSilent(): Promise<void> {
    const { watch, troubles } = this.#options;
    const now = this.#now();
    if (this.#isWatching || now - this.#watchedAt < silentMs) return;
    this.#watchedAt = now;
    const silent = [...this.#feeds.values()].filter(
      (feed) => feed.isOfClient && !feed.paused && now - feed.heardAt > silentMs,
    );
    if (silent.length === 0) return;
    this.#isWatching = true;
    try {
      const topics = [...new Set(silent.map(({ at }) => at.topic))];
      const leaderless = await watch.leaderless(topics);
      for (const feed of silent) {
        if (!this.#isThere(feed) || !feed.isOfClient || feed.heardAt > now) continue;
        if (leaderless.has(keyOf(feed.at))) troubles.met(feed.at, 'it has no leader now');
        else if (feed.endAt !== undefined) troubles.over(feed.at);
        else if (await this.#checkOffset(feed, false)) this.#relieveSilent(feed);
      }
    } catch {
      // Unresponsive brokers are reported elsewhere.
    }
    this.#isWatching = false;
  }

  /** Lets the fetcher read what the client cannot, from the end of the client's records. */
  #relieve(feed: Feed, { code, message }: PartitionError): void {
    const offset = feed.next;
    const { handedBackAt } = feed;
    const isBack = handedBackAt?.offset === offset;
    if (this.#fetcher?.isUsable !== true || isBack) {
      const beside = isBack ? `${handedBackAt.reason}; the client: ` : '';
      this.of({ ...feed.at, code, offset, message: `${beside}${explained(message)}` });
      return;
    }
    try {
      this.#options.client.pause([feed.at]);
    } catch {
      // Records that it still returns are ignored.
    }
    feed.relieve(this.#fetcher, offset);
  }

  #relieveSilent(feed: Feed): void {
    const silentForMs = this.#now() - feed.heardAt;
    this.#options.troubles.met(feed.at, 'records are there, and the client does not bring them');
    if (silentForMs < 2 * silentMs || this.#fetcher?.isUsable !== true) return;
    if (feed.handedBackAt === undefined) this.#relieve(feed, { code: 0, message: '' });
  }

  #fail(failure: MillraceError, feed?: Feed): void {
    if (feed !== undefined) {
      feed.failed = true;
      this.#options.troubles.over(feed.at);
    }
    this.#failure ??= failure;
    this.#options.onNews();
  }

  /**
   * Finds partitions that are read from an offset that does not exist.
   * @param feed undefined: any that the client fetches
   */
  async #offsetLost(feed: Feed | undefined): Promise<void> {
    const all = [...this.#feeds.values()].filter(({ carrier }) => carrier.isClient);
    for (const one of feed === undefined ? all : [feed]) {
      try {
        await this.#checkOffset(one, true);
      } catch (error) {
        this.#options.troubles.met(one.at, (error as Error).message);
      }
    }
  }

  /**
   * Fails a partition whose next offset does not exist; returns true if it exists.
   * @param isSaid true if the leader has reported it; an offset that exists anyway is requested
   * once more
   */
  async #checkOffset(feed: Feed, isSaid: boolean): Promise<boolean> {
    const { watch, troubles, calls } = this.#options;
    const { at, next } = feed;
    const { low, high } = await watch.bounds(at);
    if (!this.#isThere(feed) || feed.next !== next) return false;
    if (next < low || next > high) {
      const bounds = { ...at, offset: next, start: low, end: high };
      this.#fail(new MillraceError('OFFSET_LOST', bounds), feed);
      return true;
    }
    if (isSaid) {
      troubles.met(at, `the leader says that offset ${next} is not there`);
      await calls.timing.scheduler.sleep(lostAgainMs);
      if (!this.#isThere(feed) || feed.next !== next) return false;
      feed.carrier.bring(feed, next);
    }
    return next < high;
  }

  /** True if the partition was neither removed nor added again meanwhile. */
  #isThere(feed: Feed): boolean {
    return this.#feeds.get(keyOf(feed.at)) === feed;
  }

  #now(): number {
    return this.#options.calls.timing.clock.monotonic();
  }
}

/** Explains the client's messages, which name codecs only by number. */
function explained(message: string): string {
  return message.replace(/codec 0x(\w+)/, (text, digits: string) => {
    const codec = codecNames[Number.parseInt(digits, 16)];
    return codec === undefined ? text : `codec ${codec}`;
  });
}
