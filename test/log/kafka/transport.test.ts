/**
 * The laws of a message transport, on a real broker: the native helper and node-rdkafka's own calls
 * must give the same answers.
 */
import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { systemTiming } from '../../../engine/base/timing.ts';
import { chooseTransport } from '../../../engine/log/kafka/adapter/transport-choice.ts';
import type {
  MessageConsumer,
  MessageProducer,
  MessageTransport,
  Polled,
} from '../../../engine/log/kafka/rdkafka/messages.ts';
import {
  type KafkaConsumer,
  loadRdkafka,
  type Producer,
  type RdkafkaModule,
} from '../../../engine/log/kafka/rdkafka/rdkafka.ts';
import { defaultKafkaSettings } from '../../../engine/log/kafka/settings/kafka-settings.ts';
import { BatchBuilder, type PackedBatch } from '../../../engine/record/batch.ts';
import { decodeHeaders, encodeHeaders } from '../../../engine/record/headers.ts';
import { kafkaAvailable, sharedBroker } from '../../kafka/shared.ts';

const available = await kafkaAvailable();
const at = Date.UTC(2026, 0, 1);

interface Seen {
  readonly topic: string;
  readonly partition: number;
  readonly offset: number;
  readonly key: string | null;
  readonly value: string | null;
  readonly timestamp: number;
  readonly headers: Readonly<Record<string, string>>;
}

describe.skipIf(!available).each(['plain', 'packed'] as const)('%s transport', (kind) => {
  let rdkafka: RdkafkaModule;
  let transport: MessageTransport;
  let brokers: string;
  const open: (KafkaConsumer | Producer)[] = [];
  const releases = new Map<KafkaConsumer | Producer, () => void>();

  beforeAll(async () => {
    rdkafka = loadRdkafka();
    brokers = (await sharedBroker()).address;
    ({ transport } = chooseTransport(
      { ...defaultKafkaSettings, brokers, transport: kind },
      systemTiming,
    ));
  });
  afterAll(async () => {
    for (const client of open) {
      releases.get(client)?.();
      await disconnected(client);
    }
  });

  async function topicOf(
    partitions = 1,
    config: Readonly<Record<string, string>> = {},
  ): Promise<string> {
    const name = `transport-${kind}-${randomUUID()}`;
    const admin = rdkafka.AdminClient.create({ 'metadata.broker.list': brokers });
    await new Promise<void>((done, fail) =>
      admin.createTopic(
        { topic: name, num_partitions: partitions, replication_factor: 1, config: config as never },
        20_000,
        (error) => (error ? fail(error) : done()),
      ),
    );
    admin.disconnect();
    return name;
  }

  async function consumerOf(options: object = {}): Promise<[KafkaConsumer, MessageConsumer]> {
    const client = new rdkafka.KafkaConsumer(
      {
        'metadata.broker.list': brokers,
        'group.id': `group-${randomUUID()}`,
        'enable.auto.commit': false,
        'enable.partition.eof': true,
        'fetch.wait.max.ms': 20,
        'isolation.level': 'read_committed',
        ...options,
      },
      {},
    );
    await connected(client);
    open.push(client);
    return [client, transport.consumer(client)];
  }

  async function producerOf(options: object = {}): Promise<[Producer, MessageProducer]> {
    const client = new rdkafka.Producer(
      {
        'metadata.broker.list': brokers,
        'linger.ms': 5,
        'message.max.bytes': 1_000_000,
        dr_cb: kind === 'plain',
        ...options,
      },
      {},
    );
    // Outcomes are watched from before the connection.
    const messages = transport.producer(client);
    await connected(client);
    open.push(client);
    releases.set(client, () => messages.release());
    return [client, messages];
  }

  async function reading(topic: string, partitions = 1) {
    const [client, messages] = await consumerOf();
    client.assign(
      Array.from({ length: partitions }, (_, partition) => ({ topic, partition, offset: 0 })),
    );
    return { client, messages };
  }

  it('gives back keys, values, headers and timestamps; null is not empty', async () => {
    const topic = await topicOf();
    const [, producer] = await producerOf();
    const twice = Buffer.concat([encodeHeaders({ a: '1', ü: '' }), encodeHeaders({ a: '2' })]);
    const builder = new BatchBuilder();
    for (const key of [null, '', 'k']) {
      for (const value of [null, '', 'v']) {
        builder.append(bytesOf(key), bytesOf(value), at + builder.count);
      }
    }
    builder.append(bytesOf('h'), bytesOf('with headers'), at, twice);
    builder.append(bytesOf('h'), null, at, encodeHeaders({ gone: 'yes' }));
    const batch = builder.finishAt(0);
    expect(producer.produce(topic, 0, batch, 0)).toBe(batch.count);
    expect(await producer.flush(20_000)).toEqual({
      ends: [{ topic, partition: 0, offset: batch.count }],
      delivered: batch.count,
      failures: [],
    });
    const { messages } = await reading(topic);
    const { batches, ends } = await untilEnd(messages, 1);
    expect(ends).toEqual([{ topic, partition: 0, offset: batch.count }]);
    expect(batches.flatMap((fetched) => seenIn(topic, 0, fetched.batch))).toEqual(
      seenIn(topic, 0, batch),
    );
    const headers = batches.flatMap(({ batch: got }) =>
      Array.from({ length: got.count }, (_, i) => got.headerBytes(i).toString('hex')),
    );
    expect(headers[9]).toBe(twice.toString('hex'));
  });

  it('carries several topics and partitions, from one byte to 900 KB a value', async () => {
    const topics = [await topicOf(2), await topicOf(2)];
    const [, producer] = await producerOf();
    const sizes = [1, 900_000, 70_000, 1_000, 256, 3];
    const sent: Seen[] = [];
    for (const [t, topic] of topics.entries()) {
      for (const partition of [0, 1]) {
        const builder = new BatchBuilder();
        for (const [i, size] of sizes.entries()) {
          builder.append(bytesOf(`k${i}`), Buffer.alloc(size, 65 + t * 2 + partition + i), at + i);
        }
        const batch = builder.finishAt(0);
        expect(producer.produce(topic, partition, batch, 0)).toBe(sizes.length);
        sent.push(...seenIn(topic, partition, batch));
      }
    }
    const { ends, delivered } = await producer.flush(20_000);
    expect(delivered).toBe(24);
    expect(ends.map(({ offset }) => offset)).toEqual([6, 6, 6, 6]);
    const [client, messages] = await consumerOf();
    client.assign(
      topics.flatMap((topic) => [0, 1].map((partition) => ({ topic, partition, offset: 0 }))),
    );
    const polled = await untilEnd(messages, 4);
    const seen = polled.batches.flatMap((b) => seenIn(b.topic, b.partition, b.batch));
    const order = (a: Seen, b: Seen) =>
      topics.indexOf(a.topic) - topics.indexOf(b.topic) ||
      a.partition - b.partition ||
      a.offset - b.offset;
    expect(seen.sort(order)).toEqual(sent);
  });

  it('tells the end beyond markers and aborted records, and skips those', async () => {
    const topic = await topicOf();
    const [client, producer] = await producerOf({ 'transactional.id': randomUUID() });
    await answer((done) => client.initTransactions(20_000, done));
    for (const [value, commits] of [
      ['kept', true],
      ['aborted', false],
      ['also kept', true],
      ['aborted too', false],
    ] as const) {
      await answer((done) => client.beginTransaction(done));
      producer.produce(topic, 0, batchOf([value]), 0);
      expect((await producer.flush(20_000)).delivered).toBe(1);
      await answer((done) =>
        commits ? client.commitTransaction(20_000, done) : client.abortTransaction(20_000, done),
      );
    }
    const { messages } = await reading(topic);
    const { batches, ends } = await untilEnd(messages, 1);
    const seen = batches.flatMap(({ batch }) => seenIn(topic, 0, batch));
    expect(seen.map(({ value, offset }) => [value, offset])).toEqual([
      ['kept', 0],
      ['also kept', 4],
    ]);
    expect(ends).toEqual([{ topic, partition: 0, offset: 8 }]);
  });

  it('skips nothing when a partition is paused and resumed at its end', async () => {
    const topic = await topicOf();
    const [, producer] = await producerOf();
    producer.produce(topic, 0, batchOf(['0', '1']), 0);
    await producer.flush(20_000);
    const { client, messages } = await reading(topic);
    await untilEnd(messages, 1);
    client.pause([{ topic, partition: 0 }]);
    await messages.poll(100, 20);
    producer.produce(topic, 0, batchOf(['2', '3']), 0);
    await producer.flush(20_000);
    client.resume([{ topic, partition: 0 }]);
    const { batches } = await untilCount(messages, 2);
    const seen = batches.flatMap(({ batch }) => seenIn(topic, 0, batch));
    expect(seen.map(({ value }) => value)).toEqual(['2', '3']);
  });

  it('names what the broker refuses, and delivers the rest', async () => {
    const topic = await topicOf(2, { 'max.message.bytes': '2000' });
    const [, producer] = await producerOf({ 'batch.num.messages': 1 });
    const builder = new BatchBuilder();
    builder.append(bytesOf('a'), bytesOf('good'), at);
    builder.append(bytesOf('b'), Buffer.alloc(50_000, 1), at);
    builder.append(bytesOf('c'), bytesOf('of the far future'), Date.UTC(2200, 0, 1));
    builder.append(bytesOf('d'), bytesOf('good again'), at);
    producer.produce(topic, 1, builder.finishAt(0), 0);
    const { delivered, failures, ends } = await producer.flush(20_000);
    expect(delivered).toBe(2);
    expect(ends).toEqual([{ topic, partition: 1, offset: 2 }]);
    expect(new Set(failures.map((f) => `${f.topic}/${f.partition}`))).toEqual(
      new Set([`${topic}/1`]),
    );
    expect(failures.map((f) => f.code).sort()).toEqual(expect.arrayContaining([10, 32]));
    expect(await producer.flush(20_000)).toEqual({ ends: [], delivered: 0, failures: [] });
  });

  it('counts nothing of a request as delivered when the broker refuses several of its records', async () => {
    const topic = await topicOf();
    const [, producer] = await producerOf({ 'linger.ms': 200 });
    const builder = new BatchBuilder();
    builder.append(bytesOf('a'), bytesOf('good'), at);
    for (const key of ['b', 'c', 'd']) builder.append(bytesOf(key), null, Date.UTC(2200, 0, 1));
    producer.produce(topic, 0, builder.finishAt(0), 0);
    const { delivered, failures, ends } = await producer.flush(20_000);
    expect({ delivered, ends }).toEqual({ delivered: 0, ends: [] });
    expect(failures.length).toBeGreaterThan(0);
  });

  it('stops at a full queue and goes on from there', async () => {
    const topic = await topicOf();
    const [client, producer] = await producerOf({ 'queue.buffering.max.messages': 100 });
    const batch = batchOf(Array.from({ length: 1_000 }, (_, i) => String(i)));
    let fulls = 0;
    for (let from = 0; from < batch.count; ) {
      from = producer.produce(topic, 0, batch, from);
      if (from === batch.count) break;
      fulls++;
      client.poll();
      await sleep(2);
    }
    expect(fulls).toBeGreaterThan(0);
    expect(await producer.flush(20_000)).toEqual({
      ends: [{ topic, partition: 0, offset: 1_000 }],
      delivered: 1_000,
      failures: [],
    });
  });

  it('reads on from where it is sought', async () => {
    const topic = await topicOf();
    const [, producer] = await producerOf();
    producer.produce(topic, 0, batchOf(Array.from({ length: 500 }, (_, i) => `v${i}`)), 0);
    await producer.flush(20_000);
    const { client, messages } = await reading(topic);
    await untilEnd(messages, 1);
    // A seek while a poll waits: batches stay ascending, and everything from there comes.
    const pending = messages.poll(1_000, 50);
    await answer((done) => client.seek({ topic, partition: 0, offset: 100 }, 10_000, done));
    const first = await pending;
    const rest = await untilEnd(messages, first.ends.length > 0 ? 0 : 1);
    const batches = [...first.batches, ...rest.batches];
    for (const { batch } of batches) {
      for (let i = 1; i < batch.count; i++) {
        expect(batch.offsets[i]).toBeGreaterThan(batch.offsets[i - 1] as number);
      }
    }
    const offsets = batches.flatMap(({ batch }) => [...batch.offsets]);
    expect(offsets).toEqual(Array.from({ length: 400 }, (_, i) => 100 + i));
  });

  it('lets rebalance callbacks through while it polls', async () => {
    const topic = await topicOf(2);
    const [, producer] = await producerOf();
    for (const partition of [0, 1]) producer.produce(topic, partition, batchOf(['a', 'b']), 0);
    await producer.flush(20_000);
    const calls: number[] = [];
    let client: KafkaConsumer | undefined;
    const [made, messages] = await consumerOf({
      rebalance_cb: (error: { code: number }, list: { topic: string; partition: number }[]) => {
        calls.push(error.code);
        if (error.code === -175) client?.assign(list.map((one) => ({ ...one, offset: 0 })));
        else client?.unassign();
      },
    });
    client = made;
    client.subscribe([topic]);
    const { batches } = await untilCount(messages, 4);
    expect(calls).toEqual([-175]);
    expect(new Set(batches.map(({ partition }) => partition))).toEqual(new Set([0, 1]));
    client.commitSync([{ topic, partition: 0, offset: 1 }]);
    const committed = await messages.committed(
      [0, 1].map((partition) => ({ topic, partition })),
      10_000,
    );
    expect(committed.map(({ offset }) => offset)).toEqual([1, undefined]);
    if (kind === 'packed') expect(committed[0]?.metadata).toBe('');
  });

  it('survives a disconnect while a poll waits, and refuses what comes after', async () => {
    const topic = await topicOf();
    const { client, messages } = await reading(topic);
    await untilEnd(messages, 1);
    if (kind === 'plain') return;
    const pending = messages.poll(100, 300).then(
      () => 'answered',
      (error: { code: number }) => error.code,
    );
    await disconnected(client);
    expect(['answered', -172]).toContain(await pending);
    await expect(messages.poll(100, 20)).rejects.toMatchObject({ code: -172 });
    const [gone, producer] = await producerOf();
    producer.release();
    await disconnected(gone);
    expect(() => producer.produce(topic, 0, batchOf(['x']), 0)).toThrow(/disconnected/);
    await expect(producer.flush(1_000)).rejects.toMatchObject({ code: -172 });
  });
});

function bytesOf(text: string | null): Buffer | null {
  return text === null ? null : Buffer.from(text);
}

function batchOf(values: readonly string[]): PackedBatch {
  const builder = new BatchBuilder();
  for (const [i, value] of values.entries()) builder.append(bytesOf('k'), bytesOf(value), at + i);
  return builder.finishAt(0);
}

function seenIn(topic: string, partition: number, batch: PackedBatch): Seen[] {
  return Array.from({ length: batch.count }, (_, i) => ({
    topic,
    partition,
    offset: batch.offsets[i] as number,
    key: batch.key(i)?.toString() ?? null,
    value: batch.value(i)?.toString() ?? null,
    timestamp: batch.timestamps[i] as number,
    headers: decodeHeaders(batch.headerBytes(i)),
  }));
}

/** Polls until so many partitions have told their end. */
async function untilEnd(messages: MessageConsumer, partitions: number): Promise<Polled> {
  return pollUntil(messages, ({ ends }) => ends.length >= partitions);
}

async function untilCount(messages: MessageConsumer, records: number): Promise<Polled> {
  return pollUntil(
    messages,
    ({ batches }) => batches.reduce((sum, { batch }) => sum + batch.count, 0) >= records,
  );
}

async function pollUntil(
  messages: MessageConsumer,
  enough: (polled: Polled) => boolean,
): Promise<Polled> {
  let all: Polled = { batches: [], ends: [], errors: [] };
  for (let polls = 0; !enough(all); polls++) {
    if (polls === 400) throw new Error(`polled in vain: ${JSON.stringify(all.errors)}`);
    const { batches, ends, errors } = await messages.poll(1_000, 50);
    const told = [...all.ends, ...ends].map(
      (end) => [`${end.topic}/${end.partition}`, end] as const,
    );
    all = {
      batches: [...all.batches, ...batches],
      ends: [...new Map(told).values()],
      errors: [...all.errors, ...errors],
    };
  }
  return all;
}

function answer(start: (done: (error: unknown) => void) => void): Promise<void> {
  return new Promise((done, fail) => start((error) => (error ? fail(error) : done())));
}

function connected(client: KafkaConsumer | Producer): Promise<void> {
  return new Promise((done, fail) =>
    client.connect({ timeout: 20_000 }, (error) => (error ? fail(error) : done())),
  );
}

function disconnected(client: KafkaConsumer | Producer): Promise<void> {
  if (!client.isConnected()) return Promise.resolve();
  return new Promise((done) => client.disconnect(() => done()));
}
