/**
 * The transport with node-rdkafka's own calls: several microseconds per message, and nothing to
 * compile.
 */
import type { Scheduler } from '../../../base/scheduler.ts';
import { BatchBuilder, type PackedBatch } from '../../../record/batch.ts';
import type { GroupOffset } from '../../log.ts';
import { keyOf } from '../../partition-key.ts';
import type { PartitionError } from '../wire/error-codes.ts';
import { kafkaCodes } from '../wire/error-codes.ts';
import { answered, graceMs } from './client-calls.ts';
import { codeOf } from './client-errors.ts';
import type {
  CommittedEntry,
  Delivered,
  FetchedBatch,
  MessageConsumer,
  MessageProducer,
  MessageTransport,
  PartitionEnd,
  Polled,
} from './messages.ts';
import { headerBytesOf, headersOf } from './plain-headers.ts';
import type { KafkaConsumer, LibrdKafkaError, Producer } from './rdkafka.ts';

/** A message of `consume`'s callback. */
interface Message {
  readonly topic: string;
  readonly partition: number;
  readonly offset: number;
  readonly key?: Buffer | string | null | undefined;
  readonly value: Buffer | null;
  readonly timestamp?: number;
  readonly headers?: readonly Readonly<Record<string, string | Buffer>>[];
}

export function plainTransport(scheduler: Scheduler): MessageTransport {
  return {
    kind: 'plain',
    consumer: (client) => new PlainConsumer(client, scheduler),
    producer: (client) => new PlainProducer(client, scheduler),
  };
}

class PlainConsumer implements MessageConsumer {
  readonly #client: KafkaConsumer;
  readonly #scheduler: Scheduler;
  #open = new Map<string, { topic: string; partition: number; builder: BatchBuilder }>();
  #ends = new Map<string, PartitionEnd>();

  constructor(client: KafkaConsumer, scheduler: Scheduler) {
    this.#client = client;
    this.#scheduler = scheduler;
    client.on('data', (message) => this.#take(message as Message));
    client.on('partition.eof', (end) => {
      const { topic, partition, offset } = end;
      this.#ends.set(keyOf(end), { topic, partition, offset });
    });
  }

  async poll(max: number, waitMs: number): Promise<Polled> {
    const errors: PartitionError[] = [];
    // The timeout applies to each message: so wait for one, then take the rest without waiting.
    for (const [count, wait] of [
      [1, waitMs],
      [max - 1, 0],
    ] as const) {
      this.#client.setDefaultConsumeTimeout(wait);
      const problem = await this.#consume(count);
      if (problem !== undefined) errors.push(problem);
      if (this.#open.size === 0 && this.#ends.size === 0) break;
    }
    const batches: FetchedBatch[] = [...this.#open.values()].map(
      ({ topic, partition, builder }) => ({ topic, partition, batch: builder.finishAt(null) }),
    );
    const ends = [...this.#ends.values()];
    this.#open = new Map();
    this.#ends = new Map();
    return { batches, ends, errors };
  }

  async committed(
    partitions: readonly { topic: string; partition: number }[],
    timeoutMs: number,
  ): Promise<readonly CommittedEntry[]> {
    type Entry = { topic: string; partition: number; offset?: number };
    const found = await answered<Entry[]>(this.#scheduler, timeoutMs, (done) =>
      this.#client.committed([...partitions], timeoutMs / 2, done as never),
    );
    return found.map(({ topic, partition, offset }) => ({ topic, partition, offset }));
  }

  #consume(count: number): Promise<PartitionError | undefined> {
    return new Promise((resolve) => {
      this.#client.consume(count, (error) => {
        if (!error || error.code === kafkaCodes.timedOut) resolve(undefined);
        else resolve({ code: Number(error.code), message: error.message });
      });
    });
  }

  #take({ topic, partition, offset, key, value, timestamp, headers }: Message): void {
    const at = keyOf({ topic, partition });
    this.#ends.delete(at);
    let open = this.#open.get(at);
    if (open === undefined) {
      open = { topic, partition, builder: new BatchBuilder() };
      this.#open.set(at, open);
    }
    const keyBytes = typeof key === 'string' ? Buffer.from(key) : (key ?? null);
    open.builder.append(keyBytes, value, timestamp ?? 0, headerBytesOf(headers ?? []), offset);
  }
}

class PlainProducer implements MessageProducer {
  readonly #client: Producer;
  readonly #scheduler: Scheduler;
  #ends = new Map<string, PartitionEnd>();
  #failures: PartitionError[] = [];
  #delivered = 0;
  /** Messages passed since the last flush. */
  #handed = 0;
  #refused = 0;

  constructor(client: Producer, scheduler: Scheduler) {
    this.#client = client;
    this.#scheduler = scheduler;
    client.on('delivery-report', (error: LibrdKafkaError | null, report) => {
      const { topic, partition, offset } = report;
      if (error) {
        this.#refused++;
        this.#failures.push({
          code: codeOf(error),
          message: error.message,
          topic,
          partition,
        });
        return;
      }
      this.#delivered++;
      const at = keyOf({ topic, partition });
      if (offset + 1 > (this.#ends.get(at)?.offset ?? 0)) {
        this.#ends.set(at, { topic, partition, offset: offset + 1 });
      }
    });
  }

  produce(topic: string, partition: number, batch: PackedBatch, from: number): number {
    for (let i = from; i < batch.count; i++) {
      const [key, value] = [batch.key(i), batch.value(i)];
      const headers = headersOf(batch.headerBytes(i));
      try {
        this.#client.produce(
          topic,
          partition,
          value,
          key,
          batch.timestamps[i] as number,
          undefined,
          headers.length === 0 ? undefined : headers,
        );
        this.#handed++;
      } catch (error) {
        const { code, message } = error as LibrdKafkaError;
        if (Number(code) === kafkaCodes.queueFull) return i;
        this.#failures.push({ code: Number(code), message, topic, partition });
      }
    }
    return batch.count;
  }

  async flush(timeoutMs: number): Promise<Delivered> {
    await answered<void>(this.#scheduler, timeoutMs, (done) =>
      this.#client.flush(timeoutMs / 2, done),
    );
    // Every message has an outcome now; the reports arrive gradually.
    while (this.#delivered + this.#refused < this.#handed) {
      this.#client.poll();
      await this.#scheduler.yieldNow();
    }
    const delivered = {
      ends: [...this.#ends.values()],
      delivered: this.#delivered,
      failures: this.#failures,
    };
    this.#ends = new Map();
    this.#failures = [];
    this.#delivered = 0;
    this.#refused = 0;
    this.#handed = 0;
    return delivered;
  }

  sendOffsets(consumer: KafkaConsumer, offsets: readonly GroupOffset[], timeoutMs: number) {
    const list = offsets.map((offset) => ({ ...offset }));
    return answered<void>(this.#scheduler, timeoutMs + graceMs, (done) =>
      this.#client.sendOffsetsToTransaction(list, consumer, timeoutMs, (error) => done(error)),
    );
  }

  release(): void {}
}
