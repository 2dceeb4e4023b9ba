/**
 * How messages cross to and from the Kafka client, plain and packed, and how they come past it
 * (direct), in one run on one broker: A B B A. Argument: messages of a round. Prints a table; see
 * README.md.
 */

import { systemScheduler } from '../engine/base/scheduler.ts';
import { systemTiming } from '../engine/base/timing.ts';
import { table } from '../engine/cli/output.ts';
import { chooseTransport } from '../engine/log/kafka/adapter/transport-choice.ts';
import { answered } from '../engine/log/kafka/rdkafka/client-calls.ts';
import type { MessageTransport } from '../engine/log/kafka/rdkafka/messages.ts';
import { loadPacked } from '../engine/log/kafka/rdkafka/packed-messages.ts';
import { plainTransport } from '../engine/log/kafka/rdkafka/plain-messages.ts';
import {
  type KafkaConsumer,
  loadRdkafka,
  type Producer,
} from '../engine/log/kafka/rdkafka/rdkafka.ts';
import {
  adminOptions,
  plainProducerOptions,
  readerOptions,
} from '../engine/log/kafka/settings/client-configs.ts';
import { defaultKafkaSettings } from '../engine/log/kafka/settings/kafka-settings.ts';
import { BatchBuilder } from '../engine/record/batch.ts';
import { startBroker } from '../test/kafka/broker.ts';

const messages = Number(process.argv[2] ?? 300_000);
const valueBytes = 170;
const perBatch = 5_000;
const timeoutMs = 60_000;

interface Cost {
  readonly seconds: number;
  readonly cpuSeconds: number;
}

const rdkafka = loadRdkafka();
const transports: readonly MessageTransport[] = [
  plainTransport(systemScheduler),
  loadPacked(systemScheduler),
];
const broker = await startBroker();
const settings = { ...defaultKafkaSettings, brokers: broker.address };

async function connected<T extends KafkaConsumer | Producer>(client: T): Promise<T> {
  await answered<unknown>(systemScheduler, timeoutMs, (done) =>
    client.connect({ timeout: timeoutMs }, done as never),
  );
  return client;
}

async function cost(work: () => Promise<void>): Promise<Cost> {
  const [begin, cpu] = [performance.now(), process.cpuUsage()];
  await work();
  const { user, system } = process.cpuUsage(cpu);
  return { seconds: (performance.now() - begin) / 1_000, cpuSeconds: (user + system) / 1e6 };
}

async function produce(transport: MessageTransport, topic: string): Promise<Cost> {
  const reports = transport.kind === 'plain' ? { dr_cb: true } : {};
  const client = new rdkafka.Producer(
    { ...plainProducerOptions(settings), ...reports } as never,
    {},
  );
  const producer = transport.producer(client);
  await connected(client);
  const builder = new BatchBuilder(perBatch, valueBytes + 20);
  const value = Buffer.alloc(valueBytes, 'x');
  for (let i = 0; i < perBatch; i++)
    builder.append(Buffer.from(`key-${i}`), value, 1_700_000_000_000 + i);
  const batch = builder.finishAt(0);
  const result = await cost(async () => {
    for (let sent = 0; sent < messages; sent += perBatch) {
      for (let from = 0; from < perBatch; ) {
        from = producer.produce(topic, 0, batch, from);
        if (from < perBatch) {
          client.poll();
          await new Promise((done) => setTimeout(done, 1));
        }
      }
    }
    const { delivered, failures } = await producer.flush(timeoutMs);
    if (delivered !== messages || failures.length > 0) throw new Error(`${delivered} delivered`);
  });
  producer.release();
  await answered<unknown>(systemScheduler, timeoutMs, (done) => client.disconnect(done as never));
  return result;
}

async function consume(transport: MessageTransport, topic: string): Promise<Cost> {
  const client = new rdkafka.KafkaConsumer(
    readerOptions(settings, `bench-${transport.kind}`) as never,
    {},
  );
  const consumer = transport.consumer(client);
  await connected(client);
  client.assign([{ topic, partition: 0, offset: 0 }]);
  let seen = 0;
  const take = async () => {
    for (const { batch } of (await consumer.poll(10_000, 100)).batches) seen += batch.count;
  };
  // The client's way to the first message is not what is measured.
  while (seen === 0) await take();
  const before = seen;
  const { seconds, cpuSeconds } = await cost(async () => {
    while (seen < messages) await take();
  });
  await answered<unknown>(systemScheduler, timeoutMs, (done) => client.disconnect(done as never));
  const scale = messages / (messages - before);
  return { seconds: seconds * scale, cpuSeconds: cpuSeconds * scale };
}

/** Past the client, whose own fetching is what it is measured beside. */
async function fetchDirect(topic: string): Promise<Cost> {
  const { fetcher: make } = chooseTransport({ ...settings, transport: 'direct' }, systemTiming);
  let seen = 0;
  let news = () => {};
  const fetcher = make?.({
    onFetched: (_, batches) => {
      for (const { count } of batches) seen += count;
      news();
    },
    onHandedBack: (_, reason) => {
      throw new Error(reason);
    },
    onFailed: (_, { message }) => {
      throw new Error(message);
    },
    onTrouble: () => {},
    onWell: () => {},
  });
  fetcher?.add({ topic, partition: 0, offset: 0 });
  const until = async (count: number) => {
    while (seen < count) {
      await new Promise<void>((done) => {
        news = done;
      });
    }
  };
  await until(1);
  const before = seen;
  const { seconds, cpuSeconds } = await cost(() => until(messages));
  fetcher?.close();
  const scale = messages / (messages - before);
  return { seconds: seconds * scale, cpuSeconds: cpuSeconds * scale };
}

const admin = rdkafka.AdminClient.create({ ...adminOptions(settings) } as never);
const rows: (string | number)[][] = [];
for (const [round, order] of [transports, [...transports].reverse()].entries()) {
  for (const transport of order) {
    const topic = `${transport.kind}-${round}`;
    const config = { topic, num_partitions: 1, replication_factor: 1 };
    await answered<void>(systemScheduler, timeoutMs, (done) =>
      admin.createTopic(config, timeoutMs, done),
    );
    const note = (what: string, calls: string, { seconds, cpuSeconds }: Cost) => {
      const micros = ((cpuSeconds * 1e6) / messages).toFixed(2);
      rows.push([what, calls, round + 1, Math.round(messages / seconds), micros]);
    };
    note('produce + flush', transport.kind, await produce(transport, topic));
    note('consume', transport.kind, await consume(transport, topic));
    if (transport.kind === 'packed') note('consume', 'direct', await fetchDirect(topic));
  }
}
admin.disconnect();
await broker.stop('SIGKILL');
rows.sort(([a, b], [c, d]) => `${a}${b}`.localeCompare(`${c}${d}`));
console.log(table(['what', 'calls', 'round', 'messages/s', 'CPU us/message'], rows));
process.exit(0);
