/**
 * A topic of a real broker as a source: committed records, from the offsets that its cursor has.
 */
import { describe, expect, test } from 'vitest';
import { KafkaPuller } from '../../engine/connect/pull/kafka/kafka.ts';
import { openKafkaLog } from '../../engine/log/kafka/adapter/kafka-log.ts';
import { defaultKafkaSettings } from '../../engine/log/kafka/settings/kafka-settings.ts';
import { BatchBuilder } from '../../engine/record/batch.ts';
import { nothing, pull } from '../connect/pull/pulling.ts';
import { kafkaAvailable, sharedBroker } from './shared.ts';

const from = 'pulled-topic-changes';

describe.skipIf(!(await kafkaAvailable()))('a topic that others write', () => {
  test('is read from where it was left, and waited for', async () => {
    const { address: brokers } = await sharedBroker();
    const settings = { ...defaultKafkaSettings, brokers };
    const log = await openKafkaLog({ settings, application: 'pulled-topic-writer' });
    try {
      await log.createTopics([{ name: from, partitions: 2, settings: { cleanup: 'delete' } }]);
      const writer = await log.openWriter('pulled-topic-writer');
      let commitId = 0;
      const write = async (partition: number, ids: readonly string[]) => {
        const builder = new BatchBuilder();
        for (const id of ids)
          builder.append(null, Buffer.from(JSON.stringify({ id, value: 1 })), 1);
        const appends = [{ topic: from, partition, batch: builder.finishAt(0) }];
        await writer.commit({ appends, offsets: [], commitId: ++commitId });
      };
      const source = () => ({
        puller: new KafkaPuller({
          name: 'changes',
          spec: { kind: 'kafka', brokers, from },
          openLog: () => openKafkaLog({ settings, application: 'pulled-topic' }),
          warn: () => {},
        }),
      });
      await write(0, ['a', 'b']);
      await write(1, ['c']);
      const first = await pull(source());
      expect(first.records.sort()).toEqual(['a 1', 'b 1', 'c 1']);
      // Behind the marks of transactions.
      await write(0, ['d']);
      const second = await pull(source(), nothing(first.cursor));
      expect(second.records).toEqual(['d 1']);
      expect((await pull(source(), nothing(second.cursor))).records).toEqual([]);
      await writer.close();
    } finally {
      await log.close();
    }
  });
});
