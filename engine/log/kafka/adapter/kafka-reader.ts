/**
 * Reads partitions outside the group: changelogs to be restored, cursors, global tables, whatever is
 * inspected. A consumer without a group's assignment takes up a partition when it is asked for, and
 * lets go of it when nobody asks any more.
 */
import type { Clock } from '../../../base/clock.ts';
import { MillraceError } from '../../../base/errors.ts';
import type { PackedBatch } from '../../../record/batch.ts';
import type { ReadLimits, TopicPartition } from '../../log.ts';
import type { Fetched } from '../../member.ts';
import { keyOf } from '../../partition-key.ts';
import { checkOffset, mergeBatches } from '../../partition-reader.ts';
import { asked } from '../rdkafka/client-calls.ts';
import { codeOf, kafkaError, readError } from '../rdkafka/client-errors.ts';
import { askedOfLeader } from '../rdkafka/leader-calls.ts';
import type { MessageTransport } from '../rdkafka/messages.ts';
import type { KafkaConsumer, LibrdKafkaError } from '../rdkafka/rdkafka.ts';
import { leaderErrorsThatPass } from '../wire/error-codes.ts';
import { Pump, type Reading } from './pump.ts';

/** A partition that was not asked for so long is let go, ms. */
const unusedMs = 3_000;
const lookMs = 5;
/** For how long leaders are looked for when the ends of many partitions are asked for: metrics wait for it, ms. */
const leaderMs = 2_000;

export interface KafkaReaderOptions {
  /** A connected consumer that reads committed records. */
  readonly client: KafkaConsumer;
  /** A connected consumer that sees uncommitted ones: its ends are high watermarks. */
  readonly probe: KafkaConsumer;
  readonly transport: MessageTransport;
  readonly reading: Reading;
  readonly brokers: string;
  readonly bufferBytes: number;
  readonly callTimeoutMs: number;
  /** How long another's open transaction is waited for, ms. */
  readonly stableTimeoutMs: number;
  readonly clock: Clock;
}

/** As the client calls them. */
interface Watermarks {
  readonly lowOffset: number;
  readonly highOffset: number;
}

export class KafkaReader {
  onNews: () => void = () => {};
  readonly #options: KafkaReaderOptions;
  readonly #pump: Pump;
  /** Topics whose leaders the client knows. */
  readonly #topics = new Set<string>();
  #waiting: (() => void)[] = [];

  constructor(options: KafkaReaderOptions) {
    this.#options = options;
    const { client, transport, reading, clock, bufferBytes, brokers } = options;
    this.#pump = new Pump({
      ...reading,
      client,
      messages: transport.consumer(client),
      clock,
      bufferBytes,
      idleStopMs: Number.POSITIVE_INFINITY,
      onError: (error) => readError(brokers, error, 'TOPIC_UNKNOWN'),
      onNews: () => {
        for (const wake of this.#waiting.splice(0)) wake();
        this.onNews();
      },
    });
    this.#pump.start();
  }

  /** As Log.read: waits until there is something, or the partition is read to its high watermark. */
  async read(
    at: TopicPartition,
    from: number,
    limits: ReadLimits,
  ): Promise<PackedBatch | undefined> {
    const { clock, stableTimeoutMs, callTimeoutMs, brokers } = this.#options;
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
        // Behind the end stands a transaction that is still open: what is committed may lie above it.
        if (clock.monotonic() - begin > stableTimeoutMs) {
          const problem = `${at.topic}/${at.partition} has an open transaction at ${seen} that does not end`;
          throw new MillraceError('LOG_UNREACHABLE', { brokers, problem });
        }
      } else if (clock.monotonic() - begin > callTimeoutMs + stableTimeoutMs) {
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

  /** What is there now of a partition that is read on and on. */
  async follow(at: TopicPartition, from: number, limits: ReadLimits): Promise<Fetched> {
    if (!this.#pump.has(at)) await this.#take(at, from);
    return this.#pump.fetch(at, from, limits);
  }

  /** The high watermark: the end of what is written, committed or not. */
  async endOffset(at: TopicPartition): Promise<number> {
    return (await this.watermarks(at)).high;
  }

  /** The same of several partitions, in one question where the transport can. */
  async endOffsets(partitions: readonly TopicPartition[]): Promise<readonly number[]> {
    const { probe, transport, brokers, callTimeoutMs } = this.#options;
    if (partitions.length === 0) return [];
    if (transport.admin === undefined) {
      return Promise.all(partitions.map((at) => this.endOffset(at)));
    }
    try {
      const ends = await transport.admin(probe).endOffsets(partitions, callTimeoutMs);
      const byName = new Map(ends.map((end) => [keyOf(end), end.offset]));
      return partitions.map((at) => byName.get(keyOf(at)) ?? 0);
    } catch (error) {
      if (!leaderErrorsThatPass.includes(codeOf(error as LibrdKafkaError))) {
        throw kafkaError({ brokers, what: 'ask for the ends of partitions' }, error as Error);
      }
    }
    // The client asked by what it knows of leaders, which has changed: asked one by one, they are looked for anew.
    const timeoutMs = Math.min(callTimeoutMs, leaderMs);
    const found = await Promise.all(partitions.map((at) => this.watermarks(at, timeoutMs)));
    return found.map(({ high }) => high);
  }

  async watermarks(
    at: TopicPartition,
    timeoutMs = this.#options.callTimeoutMs,
  ): Promise<{ low: number; high: number }> {
    const { probe, brokers, clock } = this.#options;
    const { topic, partition } = at;
    const what = `ask for the end of ${topic}/${partition}`;
    const { lowOffset, highOffset } = await askedOfLeader<Watermarks>(
      { brokers, what, topic },
      timeoutMs,
      clock,
      (done) => probe.queryWatermarkOffsets(topic, partition, timeoutMs / 2, done),
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
      const { brokers } = this.#options;
      const what = `read ${at.topic}/${at.partition}`;
      throw kafkaError({ brokers, what, topic: at.topic }, error as Error);
    }
  }

  /** Asks for the leaders of a topic: on its own the client looks for them once a second. */
  async #learn(topic: string): Promise<void> {
    const { client, brokers, callTimeoutMs } = this.#options;
    if (this.#topics.has(topic)) return;
    const what = `ask for the partitions of ${topic}`;
    await asked<unknown>({ brokers, what, topic }, callTimeoutMs, (done) =>
      client.getMetadata({ topic, timeout: callTimeoutMs / 2 }, done as never),
    );
    this.#topics.add(topic);
  }

  #release(at: TopicPartition): void {
    if (!this.#pump.has(at)) return;
    this.#pump.remove(at);
    try {
      this.#options.client.incrementalUnassign([at]);
    } catch {
      // It is no longer assigned: nothing to let go.
    }
  }

  #newsOr(ms: number): Promise<void> {
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, ms);
      this.#waiting.push(() => {
        clearTimeout(timer);
        resolve();
      });
    });
  }
}
