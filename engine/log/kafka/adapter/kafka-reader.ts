/**
 * Reads partitions outside the group: changelogs for restores, cursors, global tables, inspected
 * topics. A consumer without a group assignment adds a partition when it is first read, and removes
 * it when it is no longer used.
 */
import { MillraceError } from '../../../base/errors.ts';
import { after } from '../../../base/timing.ts';
import type { PackedBatch } from '../../../record/batch.ts';
import type { ReadLimits, TopicPartition } from '../../log.ts';
import type { Fetched } from '../../member.ts';
import { keyOf } from '../../partition-key.ts';
import { checkOffset, mergeBatches } from '../../partition-reader.ts';
import { type ClientCalls, isPassingOfLeader } from '../rdkafka/client-calls.ts';
import { readError } from '../rdkafka/client-errors.ts';
import type { MessageTransport } from '../rdkafka/messages.ts';
import type { KafkaConsumer } from '../rdkafka/rdkafka.ts';
import { Pump, type Reading } from './pump.ts';

/** A partition that is unused for this time is removed, ms. */
const unusedMs = 3_000;
const lookMs = 5;
/**
 * How long to look for leaders when the ends of many partitions are read, ms; metrics wait for
 * this.
 */
const leaderMs = 2_000;

export interface KafkaReaderOptions {
  /** A connected consumer that reads committed records. */
  readonly client: KafkaConsumer;
  /** A connected consumer that sees uncommitted records: its ends are high watermarks. */
  readonly probe: KafkaConsumer;
  readonly transport: MessageTransport;
  readonly reading: Reading;
  readonly bufferBytes: number;
  /** How long to wait for another writer's open transaction, ms. */
  readonly stableTimeoutMs: number;
  readonly calls: ClientCalls;
}

/** The client's own type. */
interface Watermarks {
  readonly lowOffset: number;
  readonly highOffset: number;
}

export class KafkaReader {
  readonly #options: KafkaReaderOptions;
  readonly #pump: Pump;
  /** Topics whose leaders the client knows. */
  readonly #topics = new Set<string>();
  readonly #listeners = new Set<() => void>();
  /** Callbacks that wait for news. */
  readonly #waiting = new Set<() => void>();

  constructor(options: KafkaReaderOptions) {
    this.#options = options;
    const { client, transport, reading, calls, bufferBytes } = options;
    this.#pump = new Pump({
      ...reading,
      client,
      messages: transport.consumer(client),
      calls,
      bufferBytes,
      idleStopMs: Number.POSITIVE_INFINITY,
      onError: (error) => readError(calls.brokers, error, 'TOPIC_UNKNOWN'),
      onNews: () => {
        for (const wake of [...this.#waiting]) wake();
        for (const tell of this.#listeners) tell();
      },
    });
    this.#pump.start();
  }

  /** Calls `tell` on news; returns a function that ends it. */
  onNews(tell: () => void): () => void {
    this.#listeners.add(tell);
    return () => this.#listeners.delete(tell);
  }

  /** As Log.read: waits until there are records, or the partition is read to its high watermark. */
  async read(
    at: TopicPartition,
    from: number,
    limits: ReadLimits,
  ): Promise<PackedBatch | undefined> {
    const { stableTimeoutMs, calls } = this.#options;
    const { brokers, timeoutMs } = calls;
    const { clock } = calls.timing;
    if (!this.#pump.has(at)) {
      const { low, high } = await this.watermarks(at);
      checkOffset(at, from, low, high);
      if (from === high) return undefined;
      await this.#take(at, from);
    }
    let begin = clock.monotonic();
    for (;;) {
      const { batches, end } = this.#pump.fetch(at, from, limits);
      if (batches.length > 0) {
        const merged = mergeBatches(batches, from, limits);
        if (merged !== undefined) return merged;
      }
      if (end) {
        const seen = this.#pump.endSeen(at, from) ?? from;
        const high = await this.endOffset(at);
        if (Math.max(seen, from) >= high) {
          this.#release(at);
          if (from > high) checkOffset(at, from, 0, high);
          return undefined;
        }
        // An open transaction follows the end: committed records may come after it.
        if (clock.monotonic() - begin > stableTimeoutMs) {
          const problem = `${at.topic}/${at.partition} has an open transaction at ${seen} that does not end`;
          throw new MillraceError('LOG_UNREACHABLE', { brokers, problem });
        }
      } else if (clock.monotonic() - begin > timeoutMs + stableTimeoutMs) {
        const problem = `nothing came of ${at.topic}/${at.partition} from offset ${from} on`;
        this.#release(at);
        throw new MillraceError('LOG_UNREACHABLE', { brokers, problem });
      }
      if (!this.#pump.has(at)) {
        await this.#take(at, from);
        begin = clock.monotonic();
      }
      await this.#newsOr(lookMs * (end ? 4 : 1));
    }
  }

  /** The available records of a partition that is read continuously. */
  async follow(at: TopicPartition, from: number, limits: ReadLimits): Promise<Fetched> {
    if (!this.#pump.has(at)) await this.#take(at, from);
    return this.#pump.fetch(at, from, limits);
  }

  /** The high watermark: the end of all records, committed or not. */
  async endOffset(at: TopicPartition): Promise<number> {
    return (await this.watermarks(at)).high;
  }

  /** The same for several partitions, in one request if the transport supports it. */
  async endOffsets(partitions: readonly TopicPartition[]): Promise<readonly number[]> {
    const { probe, transport, calls } = this.#options;
    if (partitions.length === 0) return [];
    if (transport.admin === undefined) {
      return Promise.all(partitions.map((at) => this.endOffset(at)));
    }
    try {
      const ends = await transport.admin(probe).endOffsets(partitions, calls.timeoutMs);
      const byName = new Map(ends.map((end) => [keyOf(end), end.offset]));
      return partitions.map((at) => byName.get(keyOf(at)) ?? 0);
    } catch (error) {
      if (!isPassingOfLeader(error)) {
        throw calls.errorOf({ what: 'ask for the ends of partitions' }, error);
      }
    }
    // The client used outdated leaders: single requests look them up again.
    const timeoutMs = Math.min(calls.timeoutMs, leaderMs);
    const found = await Promise.all(partitions.map((at) => this.watermarks(at, timeoutMs)));
    return found.map(({ high }) => high);
  }

  async watermarks(
    at: TopicPartition,
    timeoutMs = this.#options.calls.timeoutMs,
  ): Promise<{ low: number; high: number }> {
    const { probe, calls } = this.#options;
    const { topic, partition } = at;
    const what = `ask for the end of ${topic}/${partition}`;
    const { lowOffset, highOffset } = await calls.askedOfLeader<Watermarks>(
      { what, topic },
      (done) => probe.queryWatermarkOffsets(topic, partition, timeoutMs / 2, done),
      timeoutMs,
    );
    return { low: lowOffset, high: highOffset };
  }

  async close(): Promise<void> {
    await this.#pump.stop();
  }

  async #take(at: TopicPartition, from: number): Promise<void> {
    await this.#learn(at.topic);
    if (this.#pump.has(at)) return;
    for (const unused of this.#pump.unused(unusedMs)) this.#release(unused);
    this.#pump.add({ ...at, offset: from });
    try {
      this.#options.client.incrementalAssign([{ ...at, offset: from }]);
      this.#pump.assigned();
    } catch (error) {
      this.#pump.remove(at);
      const what = `read ${at.topic}/${at.partition}`;
      throw this.#options.calls.errorOf({ what, topic: at.topic }, error);
    }
  }

  /** Looks up the leaders of a topic; on its own, the client does so once a second. */
  async #learn(topic: string): Promise<void> {
    const { client, calls } = this.#options;
    if (this.#topics.has(topic)) return;
    const what = `ask for the partitions of ${topic}`;
    await calls.asked<unknown>({ what, topic }, (done) =>
      client.getMetadata({ topic, timeout: calls.timeoutMs / 2 }, done as never),
    );
    this.#topics.add(topic);
  }

  #release(at: TopicPartition): void {
    if (!this.#pump.has(at)) return;
    this.#pump.remove(at);
    try {
      this.#options.client.incrementalUnassign([at]);
    } catch {
      // It is no longer assigned: nothing to remove.
    }
  }

  #newsOr(ms: number): Promise<void> {
    const { scheduler } = this.#options.calls.timing;
    return new Promise((resolve) => {
      const wake = () => {
        callOff();
        this.#waiting.delete(wake);
        resolve();
      };
      const callOff = after(scheduler, ms, wake);
      this.#waiting.add(wake);
    });
  }
}
