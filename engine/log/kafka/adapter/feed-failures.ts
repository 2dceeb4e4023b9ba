/**
 * What goes wrong with partitions that are read (docs/decisions/0601). What the client cannot read
 * the fetcher takes over; what may pass is a trouble; all else fails the partition and is thrown at
 * the next fetch. A client that is silent about a partition is looked after.
 */
import { MillraceError } from '../../../base/errors.ts';
import type { TopicPartition } from '../../log.ts';
import { keyOf } from '../../partition-key.ts';
import { codecNames } from '../direct/codecs.ts';
import { isOffsetLost, isUnreadable, type PartitionError } from '../wire/error-codes.ts';
import type { FetcherCarrier } from './carriers.ts';
import type { Feed } from './feed.ts';
import type { PumpOptions } from './pump.ts';

/** Before an offset is asked for again that should be there, ms. */
const lostAgainMs = 200;
/**
 * When the client has said nothing of a partition for so long, it is looked after, ms; and then so
 * often.
 */
const silentMs = 3_000;

/** How the cluster sees partitions that the client is silent about. */
export interface PartitionWatch {
  /** Partitions, as `keyOf`, that have no leader now. */
  leaderless(topics: readonly string[]): Promise<ReadonlySet<string>>;
  /** First offset, and the end of what is committed. */
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

  /** Throws what a partition failed of, once. */
  throwOnce(): void {
    if (this.#failure === undefined) return;
    const failure = this.#failure;
    this.#failure = undefined;
    throw failure;
  }

  /** An error of the client. One that names no partition may be of any that the client brings. */
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

  /** An error of a partition, or of all. */
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
   * Looks after partitions of which the client says nothing: it does not tell of a leader that is
   * away, nor of some errors that it met behind records (with plain calls).
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
      // Brokers that do not answer are told of elsewhere.
    }
    this.#isWatching = false;
  }

  /** What the client cannot read the fetcher may, from where the client's records end. */
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
      // What it brings all the same is not taken.
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
   * Looks which partitions are read from an offset that is not there.
   * @param feed undefined: any that the client brings
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
   * Fails a partition whose next offset is not there; answers whether records are.
   * @param isSaid the leader has said so; an offset that is there all the same is asked for once
   * more
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

  /** It was not let go of, nor taken up anew, meanwhile. */
  #isThere(feed: Feed): boolean {
    return this.#feeds.get(keyOf(feed.at)) === feed;
  }

  #now(): number {
    return this.#options.calls.timing.clock.monotonic();
  }
}

/** The client names codecs by number only. */
function explained(message: string): string {
  return message.replace(/codec 0x(\w+)/, (text, digits: string) => {
    const codec = codecNames[Number.parseInt(digits, 16)];
    return codec === undefined ? text : `codec ${codec}`;
  });
}
