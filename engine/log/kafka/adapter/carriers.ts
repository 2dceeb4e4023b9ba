/**
 * The source of a partition's records: the fetcher, which bypasses the client, or the client. A
 * partition moves to the other if the first cannot continue.
 */
import type { Fetcher } from '../direct/fetching.ts';
import type { KafkaConsumer } from '../rdkafka/rdkafka.ts';
import type { Feed } from './feed.ts';

export interface Carrier {
  /**
   * The client has the partition: it seeks before the next poll, and records that arrive meanwhile
   * are discarded.
   */
  readonly isClient: boolean;
  /** Delivers the partition from `offset` on, and drops the previous position. */
  bring(feed: Feed, offset: number): void;
  /** Somebody asks for records before those that are buffered. @param hadFailed nothing came */
  goBack(feed: Feed, from: number, hadFailed: boolean): void;
  /** Fixes the position before a rebalance is acknowledged. */
  resync(feed: Feed): void;
  pause(feed: Feed, paused: boolean): void;
}

export class FetcherCarrier implements Carrier {
  readonly isClient = false;
  readonly #fetcher: Fetcher;

  constructor(fetcher: Fetcher) {
    this.#fetcher = fetcher;
  }

  get isUsable(): boolean {
    return this.#fetcher.isUsable;
  }

  bring({ at }: Feed, offset: number): void {
    this.#fetcher.add({ ...at, offset });
  }

  goBack(feed: Feed, from: number): void {
    feed.low = from;
    feed.paused = false;
    this.bring(feed, from);
  }

  /** It knows its place. */
  resync(): void {}

  pause(feed: Feed, paused: boolean): void {
    this.#fetcher.pause(feed.at, paused);
    feed.paused = paused;
  }
}

export class ClientCarrier implements Carrier {
  readonly isClient = true;
  readonly #client: Pick<KafkaConsumer, 'pause' | 'resume'>;

  constructor(client: Pick<KafkaConsumer, 'pause' | 'resume'>) {
    this.#client = client;
  }

  bring(feed: Feed, offset: number): void {
    feed.seek ??= offset;
  }

  goBack(feed: Feed, from: number, hadFailed: boolean): void {
    if (hadFailed) feed.low = from;
    feed.seek = feed.seek === undefined ? from : Math.min(feed.seek, from);
  }

  resync(feed: Feed): void {
    feed.seek ??= feed.bufferedTo;
  }

  pause(feed: Feed, paused: boolean): void {
    try {
      if (paused) this.#client.pause([feed.at]);
      else {
        this.#client.resume([feed.at]);
        // As after a rebalance; see `Pump.resync`.
        this.resync(feed);
      }
      feed.paused = paused;
    } catch {
      // The partition is being revoked, together with its feed.
    }
  }
}
