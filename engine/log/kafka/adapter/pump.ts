/**
 * Polls one consumer without end and sorts what comes into a buffer a partition. Readers take from the
 * buffers and never wait. A partition whose buffer is full is paused; one that is asked for an offset
 * already let go is sought back. Only this class polls, so a seek or a pause happens between two polls
 * and never meets records that were on their way.
 */
import { setTimeout as pause } from 'node:timers/promises';
import type { Clock } from '../../../base/clock.ts';
import { MillraceError } from '../../../base/errors.ts';
import { PackedBatch } from '../../../record/batch.ts';
import type { GroupOffset, ReadLimits, TopicPartition } from '../../log.ts';
import type { Fetched } from '../../member.ts';
import { keyOf } from '../../partition-key.ts';
import { codecNames } from '../direct/codecs.ts';
import type { Fetcher, FetchListener } from '../direct/direct-fetcher.ts';
import { recordsPerBatch } from '../direct/unpacking.ts';
import { answered } from '../rdkafka/client-calls.ts';
import { codeOf } from '../rdkafka/client-errors.ts';
import type { MessageConsumer, Polled } from '../rdkafka/messages.ts';
import type { KafkaConsumer, LibrdKafkaError } from '../rdkafka/rdkafka.ts';
import { isOffsetLost, isUnreadable, type PartitionError } from '../wire/error-codes.ts';
import type { Troubles } from './troubles.ts';

const pollWaitMs = 50;
const seekTimeoutMs = 10_000;
/** Before an offset is asked for again that should be there, ms. */
const lostAgainMs = 200;
/** When the client has said nothing of a partition for so long, it is looked after, ms; and then so often. */
const silentMs = 3_000;

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
  /** When the client last brought or said something of it. */
  heardAt: number;
  /** Nothing comes any more, until it is asked for again from the same offset or another. */
  failed: boolean;
  /** Where the fetcher gave it to the client: the client is not relieved of it at the same offset again. */
  handedBackAt: { readonly offset: number; readonly reason: string } | undefined;
}

/** How the cluster sees partitions that the client is silent about. */
export interface PartitionWatch {
  /** Partitions, as `keyOf`, that have no leader now. */
  leaderless(topics: readonly string[]): Promise<ReadonlySet<string>>;
  /** First offset, and the end of what is committed. */
  bounds(at: TopicPartition): Promise<{ readonly low: number; readonly high: number }>;
}

/** What all that read have in common. */
export type Reading = Pick<
  PumpOptions,
  'fetcher' | 'isDirect' | 'onHandedBack' | 'troubles' | 'watch'
>;

export interface PumpOptions {
  readonly client: KafkaConsumer;
  readonly messages: MessageConsumer;
  /** Brings records past the client; undefined: the client alone can. */
  readonly fetcher: ((listener: FetchListener) => Fetcher) | undefined;
  /** The fetcher brings all that it can; false: only what the client cannot read. */
  readonly isDirect: boolean;
  /** Told when the client must bring what the fetcher cannot. */
  readonly onHandedBack: (at: TopicPartition, reason: string) => void;
  readonly clock: Clock;
  /** A partition is paused when its buffer holds more bytes than this. */
  readonly bufferBytes: number;
  /** When nobody has asked for so long (ms), polling stops, so that the group takes a dead member out. */
  readonly idleStopMs: number;
  /** Told of an error that concerns more than one record; what it answers is thrown at the next fetch. Undefined: it may pass. */
  readonly onError: (error: PartitionError) => MillraceError | undefined;
  readonly troubles: Troubles;
  readonly watch: PartitionWatch;
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
  #watchedAt: number;
  #isWatching = false;

  constructor(options: PumpOptions) {
    this.#options = options;
    this.#usedAt = options.clock.monotonic();
    this.#watchedAt = this.#usedAt;
    const { troubles } = options;
    this.#fetcher = options.fetcher?.({
      onFetched: (at, batches, end) => this.#fetched(at, batches, end),
      onHandedBack: (from, reason) => this.#handedBack(from, reason),
      onFailed: ({ offset }, error) => this.#failedAt({ ...error, offset }),
      onTrouble: (at, problem) => troubles.met(at, problem),
      onWell: (at) => troubles.over(at),
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
    for (const { at } of this.#feeds.values()) this.#options.troubles.over(at);
    await this.#running;
  }

  /**
   * From now on the partition's records are kept. The caller assigns it to the client, too, and says so by
   * `assigned`.
   */
  add({ topic, partition, offset }: GroupOffset): void {
    const direct = this.#options.isDirect && this.#fetcher?.isUsable === true;
    const now = this.#options.clock.monotonic();
    this.#feeds.set(keyOf({ topic, partition }), {
      at: { topic, partition },
      direct,
      batches: [],
      bytes: 0,
      low: offset,
      endAt: undefined,
      paused: false,
      seek: !direct && this.#removed.has(keyOf({ topic, partition })) ? offset : undefined,
      usedAt: now,
      heardAt: now,
      failed: false,
      handedBackAt: undefined,
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
    this.#options.troubles.over(at);
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
    if (from < feed.low || feed.failed) {
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
      void this.#watchSilent();
      try {
        this.#take(await this.#options.messages.poll(recordsPerBatch, pollWaitMs));
      } catch (error) {
        const { message } = error as LibrdKafkaError;
        this.#took({ code: codeOf(error as LibrdKafkaError), message });
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
    let news = errors.length > 0;
    // The client passes over what it cannot read: what it brings behind it must not be taken.
    const unread = new Set(errors.filter(({ code }) => isUnreadable(code)).map(placeOf));
    for (const { topic, partition, batch } of batches) {
      const feed = this.#fed({ topic, partition });
      if (feed === undefined || unread.has(keyOf({ topic, partition }))) continue;
      this.#keep(feed, batch);
      this.#heard(feed);
      news = true;
    }
    for (const { topic, partition, offset } of ends) {
      const feed = this.#fed({ topic, partition });
      if (feed === undefined || unread.has(keyOf({ topic, partition }))) continue;
      feed.endAt = offset;
      this.#heard(feed);
      news = true;
    }
    for (const error of errors) this.#took(error);
    if (news) this.#options.onNews();
  }

  /** The partition, where the client brings it; what was taken away, or is to be sought back, comes again. */
  #fed(at: TopicPartition): Feed | undefined {
    const feed = this.#feeds.get(keyOf(at));
    return feed === undefined || feed.direct || feed.failed || feed.seek !== undefined
      ? undefined
      : feed;
  }

  #heard(feed: Feed): void {
    feed.heardAt = this.#options.clock.monotonic();
    this.#options.troubles.over(feed.at);
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
    feed.heardAt = this.#options.clock.monotonic();
    feed.handedBackAt = { offset, reason };
    this.#options.onHandedBack(feed.at, reason);
  }

  /** An error of the client. One that names no partition may be of any that the client brings. */
  #took(error: PartitionError): void {
    if (!isUnreadable(error.code)) {
      this.#failedAt(error);
      return;
    }
    const { topic, partition } = error;
    const all = [...this.#feeds.values()].filter(({ direct, failed }) => !direct && !failed);
    const named = all.filter(({ at }) => topic === at.topic && partition === at.partition);
    const waiting = all.filter(({ endAt }) => endAt === undefined);
    for (const feed of topic === undefined ? waiting : named) this.#relieve(feed, error);
  }

  /** What the client cannot read the fetcher may, from where the client's records end. */
  #relieve(feed: Feed, { code, message }: PartitionError): void {
    const offset = this.#nextOf(feed);
    const { handedBackAt } = feed;
    const isBack = handedBackAt?.offset === offset;
    if (this.#fetcher?.isUsable !== true || isBack) {
      const beside = isBack ? `${handedBackAt.reason}; the client: ` : '';
      this.#failedAt({ ...feed.at, code, offset, message: `${beside}${explained(message)}` });
      return;
    }
    try {
      this.#options.client.pause([feed.at]);
    } catch {
      // What it brings all the same is not taken.
    }
    feed.direct = true;
    feed.paused = false;
    feed.seek = undefined;
    this.#fetcher.add({ ...feed.at, offset });
  }

  /** Where what is buffered ends. */
  #nextOf(feed: Feed): number {
    if (feed.seek !== undefined) return feed.seek;
    return feed.batches[feed.batches.length - 1]?.nextOffset ?? feed.low;
  }

  #failedAt(error: PartitionError): void {
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

  #fail(failure: MillraceError, feed?: Feed): void {
    if (feed !== undefined) {
      feed.failed = true;
      this.#options.troubles.over(feed.at);
    }
    this.#failure ??= failure;
    this.#options.onNews();
  }

  /** Looks which partitions are read from an offset that is not there. @param feed undefined: any that the client brings */
  async #offsetLost(feed: Feed | undefined): Promise<void> {
    const all = [...this.#feeds.values()].filter(({ direct }) => !direct);
    for (const one of feed === undefined ? all : [feed]) {
      try {
        await this.#checkOffset(one, true);
      } catch (error) {
        this.#options.troubles.met(one.at, (error as Error).message);
      }
    }
  }

  /**
   * Fails a partition whose next offset is not there.
   * @param isSaid the leader has said so; an offset that is there all the same is asked for once more
   */
  async #checkOffset(feed: Feed, isSaid: boolean): Promise<boolean> {
    const { at } = feed;
    const next = this.#nextOf(feed);
    const { low, high } = await this.#options.watch.bounds(at);
    if (this.#feeds.get(keyOf(at)) !== feed || this.#nextOf(feed) !== next) return false;
    if (next < low || next > high) {
      const bounds = { ...at, offset: next, start: low, end: high };
      this.#fail(new MillraceError('OFFSET_LOST', bounds), feed);
      return true;
    }
    if (isSaid) {
      this.#options.troubles.met(at, `the leader says that offset ${next} is not there`);
      await pause(lostAgainMs);
      if (this.#feeds.get(keyOf(at)) !== feed || this.#nextOf(feed) !== next) return false;
      if (feed.direct) this.#fetcher?.add({ ...at, offset: next });
      else feed.seek ??= next;
    }
    return next < high;
  }

  /**
   * Looks after partitions of which the client says nothing: it does not tell of a leader that is away, nor of some errors that
   * it met behind records (with plain calls).
   */
  async #watchSilent(): Promise<void> {
    const { clock, watch, troubles } = this.#options;
    const now = clock.monotonic();
    if (this.#isWatching || now - this.#watchedAt < silentMs) return;
    this.#watchedAt = now;
    const silent = [...this.#feeds.values()].filter(
      (feed) => this.#fed(feed.at) === feed && !feed.paused && now - feed.heardAt > silentMs,
    );
    if (silent.length === 0) return;
    this.#isWatching = true;
    try {
      const topics = [...new Set(silent.map(({ at }) => at.topic))];
      const leaderless = await watch.leaderless(topics);
      for (const feed of silent) {
        if (this.#fed(feed.at) !== feed || feed.heardAt > now) continue;
        if (leaderless.has(keyOf(feed.at))) troubles.met(feed.at, 'it has no leader now');
        else if (feed.endAt !== undefined) troubles.over(feed.at);
        else if (await this.#checkOffset(feed, false)) this.#relieveSilent(feed);
      }
    } catch {
      // Brokers that do not answer are told of elsewhere.
    }
    this.#isWatching = false;
  }

  #relieveSilent(feed: Feed): void {
    const { clock, troubles } = this.#options;
    const silentForMs = clock.monotonic() - feed.heardAt;
    troubles.met(feed.at, 'records are there, and the client does not bring them');
    if (silentForMs < 2 * silentMs || this.#fetcher?.isUsable !== true) return;
    if (feed.handedBackAt === undefined) this.#relieve(feed, { code: 0, message: '' });
  }

  #seekBack(feed: Feed, from: number): void {
    feed.batches = [];
    feed.bytes = 0;
    feed.endAt = undefined;
    feed.heardAt = this.#options.clock.monotonic();
    if (feed.failed) {
      feed.failed = false;
      feed.seek = undefined;
      if (!feed.direct) feed.low = from;
    }
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
        const { message } = error as LibrdKafkaError;
        if (this.has(at)) this.#took({ ...at, code: codeOf(error as LibrdKafkaError), message });
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

function placeOf({ topic = '', partition = 0 }: PartitionError): string {
  return keyOf({ topic, partition });
}

/** The client names codecs by number only. */
function explained(message: string): string {
  return message.replace(/codec 0x(\w+)/, (text, digits: string) => {
    const codec = codecNames[Number.parseInt(digits, 16)];
    return codec === undefined ? text : `codec ${codec}`;
  });
}
