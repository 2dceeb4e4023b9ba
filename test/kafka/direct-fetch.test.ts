/**
 * Records that librdkafka's producer wrote, in every codec that it has: all come, past the client.
 */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type KafkaLog, openKafkaLog } from '../../engine/log/kafka/adapter/kafka-log.ts';
import { loadRdkafka, type Producer } from '../../engine/log/kafka/rdkafka/rdkafka.ts';
import { defaultKafkaSettings } from '../../engine/log/kafka/settings/kafka-settings.ts';
import { kafkaAvailable, sharedBroker } from './shared.ts';

const count = 20_000;
const textOf = (i: number) => JSON.stringify({ i, text: 'some words that come again and again' });

describe.skipIf(!(await kafkaAvailable()))('fetching past the client', () => {
  let brokers = '';
  let log: KafkaLog;
  const handedBack: string[] = [];

  beforeAll(async () => {
    brokers = (await sharedBroker()).address;
    log = await openKafkaLog({
      settings: { ...defaultKafkaSettings, brokers, transport: 'direct' },
      application: 'direct-fetch',
      onHandedBack: ({ topic }, reason) => handedBack.push(`${topic}: ${reason}`),
    });
  });
  afterAll(() => log?.close());

  async function written(topic: string, codec: string): Promise<void> {
    await log.createTopics([{ name: topic, partitions: 1, settings: {} }]);
    const rdkafka = loadRdkafka();
    const options = {
      'metadata.broker.list': brokers,
      'compression.codec': codec,
      'linger.ms': 50,
      'enable.idempotence': true,
    };
    const producer: Producer = new rdkafka.Producer(options as never, {});
    await new Promise((done, fail) =>
      producer.connect({}, (error) => (error ? fail(error) : done(undefined))),
    );
    for (let i = 0; i < count; i++) {
      producer.produce(topic, 0, Buffer.from(textOf(i)), `k${i}`, 1_700_000_000_000 + i);
    }
    await new Promise((done, fail) =>
      producer.flush(20_000, (error) => (error ? fail(error) : done(undefined))),
    );
    await new Promise((done) => producer.disconnect(done));
  }

  test.each(['none', 'lz4', 'gzip', 'snappy'])('%s', { timeout: 600_000 }, async (codec) => {
    const topic = `direct-fetch-${codec}`;
    await written(topic, codec);
    let next = 0;
    for (let from = 0; ; ) {
      const batch = await log.read({ topic, partition: 0 }, from, { records: 3_000 });
      if (batch === undefined) break;
      for (let i = 0; i < batch.count; i++) {
        // One assertion a record would take longer than the reading.
        if (String(batch.value(i)) === textOf(next) && batch.offsets[i] === next) next++;
        else expect(String(batch.value(i))).toBe(textOf(next));
      }
      expect([batch.key(0)?.toString(), batch.timestamps[0]]).toEqual([
        `k${from}`,
        1_700_000_000_000 + from,
      ]);
      from = batch.nextOffset;
    }
    expect(next).toBe(count);
    expect(handedBack).toEqual([]);
  });
});
