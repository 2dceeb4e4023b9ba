/**
 * Records that others compressed, by every codec of Kafka's own producer, on every path that reads:
 * each comes once, whichever way it is read, also where the client was built without the codec.
 */
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import { openKafkaLog } from '../../engine/log/kafka/adapter/kafka-log.ts';
import {
  defaultKafkaSettings,
  type KafkaSettings,
} from '../../engine/log/kafka/settings/kafka-settings.ts';
import { emptyFolder, launch } from '../process/millrace.ts';
import { type Broker, type BrokerClient, startBroker } from './broker.ts';
import { kafkaAvailable, sharedBroker } from './shared.ts';

const codecs = ['gzip', 'snappy', 'lz4', 'zstd'] as const;
const mixed = 'codecs-mixed';
const transports = ['direct', 'packed', 'plain'] as const;
const count = 4_000;
const textOf = (i: number) => `value ${i}: some words that come again and again`;

async function produce(
  broker: BrokerClient,
  topic: string,
  codec: string,
  lines: readonly string[],
): Promise<void> {
  const { code, stderr } = await broker.tool(
    'org.apache.kafka.tools.ConsoleProducer',
    [
      ...['--topic', topic, '--compression-codec', codec, '--batch-size', '2000'],
      ...['--property', 'parse.key=true', '--property', 'key.separator=|'],
    ],
    `${lines.join('\n')}\n`,
  );
  expect({ code, stderr }).toMatchObject({ code: 0 });
}

describe.skipIf(!(await kafkaAvailable()))("a topic in every codec of Java's producer", () => {
  let broker: BrokerClient;
  beforeAll(async () => {
    broker = await sharedBroker();
    const log = await logBy('direct');
    await log.createTopics([{ name: mixed, partitions: 1, settings: {} }]);
    await log.close();
    const lines = Array.from({ length: count }, (_, i) => `k${i}|${textOf(i)}`);
    const share = count / codecs.length;
    for (const [i, codec] of codecs.entries()) {
      await produce(broker, mixed, codec, lines.slice(i * share, (i + 1) * share));
    }
  }, 300_000);

  function logBy(transport: KafkaSettings['transport']) {
    const settings = { ...defaultKafkaSettings, brokers: broker.address, transport };
    return openKafkaLog({ settings, application: 'codecs' });
  }

  test.each(transports)('is read whole by the %s transport', { timeout: 300_000 }, async (by) => {
    const log = await logBy(by);
    onTestFinished(() => log.close());
    const at = { topic: mixed, partition: 0 };
    const seen: string[] = [];
    for (let from = 0; ; ) {
      const batch = await log.read(at, from, { records: 700 });
      if (batch === undefined) break;
      for (let i = 0; i < batch.count; i++) {
        seen.push(`${batch.offsets[i]} ${batch.key(i)} ${batch.value(i)}`);
      }
      from = batch.nextOffset;
    }
    expect(seen).toEqual(Array.from({ length: count }, (_, i) => `${i} k${i} ${textOf(i)}`));
  });
});

describe.skipIf(!(await kafkaAvailable()))('a cluster that keeps every topic as zstd', () => {
  let broker: Broker;
  beforeAll(async () => {
    broker = await startBroker({ settings: { 'compression.type': 'zstd' } });
  }, 600_000);
  afterAll(() => broker?.stop('SIGKILL'));

  test.each(transports)(
    'source, repartition, changelog, global table and command line, by the %s transport',
    {
      timeout: 600_000,
    },
    async (transport) => {
      const words = ['ash', 'birch', 'cedar'];
      const [input, names] = [`${transport}-words`, `${transport}-names`];
      const settings = { ...defaultKafkaSettings, brokers: broker.address };
      const log = await openKafkaLog({ settings, application: 'codecs' });
      onTestFinished(() => log.close());
      await log.createTopics([
        { name: input, partitions: 2, settings: {} },
        { name: names, partitions: 1, settings: { cleanup: 'compact' } },
      ]);
      await produce(
        broker,
        names,
        'zstd',
        words.map((word) => `${word}|the ${word}`),
      );
      const feed = (rounds: number) =>
        produce(
          broker,
          input,
          'zstd',
          Array.from({ length: rounds * 3 }, (_, i) => `e${i}|${words[i % 3]}`),
        );
      const data = await emptyFolder();
      const on = ['--brokers', broker.address, '--data', data];
      const env = { MILLRACE_TEST_JOB: transport, MILLRACE_KAFKA_TRANSPORT: transport };
      const run = () =>
        launch(
          'topologies/app/main.ts',
          [
            ...['run', 'test/kafka/codec-job.ts', '--until-caught-up', '--threads', '0'],
            ...['--application', transport, '--partitions', '2', ...on],
          ],
          env,
        ).ended;
      await feed(100);
      expect(await run()).toMatchObject({ code: 0 });
      // All state comes from changelogs then.
      await rm(join(data, 'state'), { recursive: true, force: true });
      await feed(1);
      expect(await run()).toMatchObject({ code: 0 });
      const read = await launch(
        'topologies/app/main.ts',
        [
          ...['topics', 'read', `${transport}-counts`, '--json', '--limit', '1000', ...on],
          ...['--module', 'test/kafka/codec-job.ts'],
        ],
        env,
      ).ended;
      expect(read.stderr).toBe('');
      const last = new Map(
        (JSON.parse(read.stdout) as { key: string; value: string }[]).map((r) => [r.key, r.value]),
      );
      expect(Object.fromEntries(last)).toEqual(
        Object.fromEntries(words.map((word) => [word, `the ${word} 101`])),
      );
    },
  );
});
