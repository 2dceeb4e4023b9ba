/**
 * Who brings the records of a partition: the fetcher, past the client, or the client. A partition
 * is handed from one to the other where the first cannot go on.
 */
import type { Fetcher } from '../direct/fetching.ts';
import type { KafkaConsumer } from '../rdkafka/rdkafka.ts';
import type { Feed } from './feed.ts';

export interface Carrier {
  /** It is the client: it is sought before a poll, and what it brings meanwhile is not taken. */
  readonly isClient: boolean;
  /** Brings the partition from `offset` on; what it was to bring before is forgotten. */
  bring(feed: Feed, offset: number): void;
  /** Somebody asks for records before those that are buffered. @param hadFailed nothing came */
  goBack(feed: Feed, from: number, hadFailed: boolean): void;
  /** Makes sure of where it goes on, before a rebalance is answered. */
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
      // The partition is being taken away; its feed goes with it.
    }
  }
}
