/**
 * The transport with the native helper (native/poll.cc): batches cross as one buffer, half a
 * microsecond per message.
 */
import { nativeHelper } from '../../../base/native-helper.ts';
import type { Scheduler } from '../../../base/scheduler.ts';
import { PackedBatch } from '../../../record/batch.ts';
import type { GroupOffset } from '../../log.ts';
import { recordsPerBatch } from '../direct/unpacking.ts';
import type { PartitionError } from '../wire/error-codes.ts';
import type { Membership } from '../wire/transaction-requests.ts';
import { answered, type Callback, graceMs } from './client-calls.ts';
import type {
  Delivered,
  MessageConsumer,
  MessageProducer,
  MessageTransport,
  PartitionAdmin,
  PartitionEnd,
} from './messages.ts';
import type { KafkaConsumer } from './rdkafka.ts';

/** node-rdkafka's own object inside a client; the helper unwraps it. */
type Native = unknown;

interface Place {
  readonly topic: string;
  readonly partition: number;
}

interface NativePolled {
  readonly batches: readonly (Place & { readonly image: ArrayBuffer })[];
  readonly ends: readonly PartitionEnd[];
  readonly errors: readonly PartitionError[];
}

interface Addon {
  poll(client: Native, max: number, waitMs: number, done: Callback<NativePolled>): void;
  watch(client: Native): void;
  release(client: Native): void;
  produce(
    client: Native,
    topic: string,
    partition: number,
    image: ArrayBuffer,
    from: number,
  ): number;
  flush(client: Native, timeoutMs: number, done: Callback<Delivered>): void;
  sendOffsets(
    client: Native,
    consumer: Native,
    offsets: readonly GroupOffset[],
    timeoutMs: number,
    done: Callback<unknown>,
  ): void;
  committed: NativeQuestion<Place & { offset: number; metadata: string }>;
  endOffsets: NativeQuestion<PartitionEnd>;
  deleteRecords: NativeQuestion<PartitionEnd>;
  unpack(
    records: Buffer,
    bytes: number,
    from: number,
    aborted: readonly number[],
    recordsMax: number,
    done: Callback<ArrayBuffer[]>,
  ): void;
  pack(image: ArrayBuffer, bytesMax: number, done: Callback<ArrayBuffer[]>): void;
  membership(client: Native, done: Callback<Membership>): void;
}

type NativeQuestion<Answer> = (
  client: Native,
  places: readonly Place[],
  timeoutMs: number,
  done: Callback<readonly Answer[]>,
) => void;

/**
 * Loads the helper; node-rdkafka must be loaded before, because the helper uses its library. Throws
 * if the helper is missing.
 */
export function loadPacked(scheduler: Scheduler): MessageTransport {
  const addon = nativeHelper<Addon>('engine/log/kafka/native', 'packed');
  return {
    kind: 'packed',
    consumer: (client) => new PackedConsumer(addon, client.getClient(), scheduler),
    producer: (client) => new PackedProducer(addon, client.getClient(), scheduler),
    admin: (client) => adminOf(addon, client.getClient(), scheduler),
    direct: {
      unpack: (records, bytes, from, aborted) =>
        worked((done) => addon.unpack(records, bytes, from, aborted, recordsPerBatch, done)),
      pack: (image, bytesMax) => worked((done) => addon.pack(image, bytesMax, done)),
      membership: (client) => worked((done) => addon.membership(client.getClient(), done)),
    },
  };
}

/** Work in libuv's pool, which always ends. */
function worked<T>(start: (done: Callback<T>) => void): Promise<T> {
  return new Promise((resolve, reject) => {
    start((error, value) => (error ? reject(error) : resolve(value as T)));
  });
}

class PackedConsumer implements MessageConsumer {
  readonly #addon: Addon;
  readonly #client: Native;
  readonly #scheduler: Scheduler;

  constructor(addon: Addon, client: Native, scheduler: Scheduler) {
    this.#addon = addon;
    this.#client = client;
    this.#scheduler = scheduler;
  }

  async poll(max: number, waitMs: number) {
    const { batches, ends, errors } = await worked<NativePolled>((done) =>
      this.#addon.poll(this.#client, max, waitMs, done),
    );
    const fetched = batches.map(({ topic, partition, image }) => ({
      topic,
      partition,
      batch: new PackedBatch(image),
    }));
    return { batches: fetched, ends, errors };
  }

  async committed(partitions: readonly Place[], timeoutMs: number) {
    const found = await answered<readonly (Place & { offset: number; metadata: string })[]>(
      this.#scheduler,
      timeoutMs + graceMs,
      (done) => this.#addon.committed(this.#client, partitions, timeoutMs, done),
    );
    return found.map(({ topic, partition, offset, metadata }) => ({
      topic,
      partition,
      offset: offset < 0 ? undefined : offset,
      metadata,
    }));
  }
}

class PackedProducer implements MessageProducer {
  readonly #addon: Addon;
  readonly #client: Native;
  readonly #scheduler: Scheduler;

  constructor(addon: Addon, client: Native, scheduler: Scheduler) {
    this.#addon = addon;
    this.#client = client;
    this.#scheduler = scheduler;
    addon.watch(client);
  }

  produce(topic: string, partition: number, batch: PackedBatch, from: number): number {
    return this.#addon.produce(this.#client, topic, partition, batch.image, from);
  }

  flush(timeoutMs: number): Promise<Delivered> {
    return answered(this.#scheduler, timeoutMs + graceMs, (done) =>
      this.#addon.flush(this.#client, timeoutMs, done),
    );
  }

  async sendOffsets(consumer: KafkaConsumer, offsets: readonly GroupOffset[], timeoutMs: number) {
    const member: Native = consumer.getClient();
    await answered(this.#scheduler, timeoutMs + graceMs, (done) =>
      this.#addon.sendOffsets(this.#client, member, offsets, timeoutMs, done),
    );
  }

  release(): void {
    this.#addon.release(this.#client);
  }
}

function adminOf(addon: Addon, client: Native, scheduler: Scheduler): PartitionAdmin {
  return {
    endOffsets: (partitions, timeoutMs) =>
      answered(scheduler, timeoutMs + graceMs, (done) =>
        addon.endOffsets(client, partitions, timeoutMs, done),
      ),
    deleteRecords: async (before, timeoutMs) => {
      await answered(scheduler, timeoutMs + graceMs, (done) =>
        addon.deleteRecords(client, before, timeoutMs, done),
      );
    },
  };
}
