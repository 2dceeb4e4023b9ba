/** The laws of the Log port on a real broker. Offsets may have gaps there: transactions leave marks. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { systemScheduler } from '../../engine/base/scheduler.ts';
import { defaultKafkaSettings } from '../../engine/log/kafka/config.ts';
import { type KafkaLog, openKafkaLog } from '../../engine/log/kafka/log.ts';
import type { TopicPartition } from '../../engine/log/log.ts';
import { BatchBuilder } from '../../engine/record/batch.ts';
import { decodeHeaders, encodeHeaders } from '../../engine/record/headers.ts';
import { append, rowsOf } from '../log/laws.ts';
import { kafkaAvailable, sharedBroker } from './shared.ts';

const all = { records: 1_000 };

describe.skipIf(!(await kafkaAvailable())).each(['direct', 'packed', 'plain'] as const)(
  'Kafka log, %s',
  (transport) => {
    let log: KafkaLog;
    const open = async () => {
      const { address: brokers } = await sharedBroker();
      const settings = { ...defaultKafkaSettings, brokers, transport };
      return openKafkaLog({ settings, application: `laws-${transport}` });
    };
    beforeAll(async () => {
      log = await open();
    });
    afterAll(() => log?.close());

    let made = 0;
    /** A topic of two partitions for one law. */
    async function fresh(): Promise<string> {
      made++;
      const name = `law-${transport}-${made}`;
      await log.createTopics([{ name, partitions: 2, settings: {} }]);
      return name;
    }
    const partition0 = (topic: string): TopicPartition => ({ topic, partition: 0 });

    test('records come back in order, with null keys, tombstones, times and headers', async () => {
      const topic = await fresh();
      const writer = await log.openWriter(`${topic}-w`);
      const builder = new BatchBuilder();
      builder.append(Buffer.from('k'), null, 5, encodeHeaders({ why: 'x' }));
      const appends = [
        append(topic, 0, [
          ['a', '1', 7],
          [null, '2', 1],
          ['e', ''],
        ]),
        { ...partition0(topic), batch: builder.finishAt(9) },
      ];
      const { ends } = await writer.commit({ appends, offsets: [], commitId: 1 });
      expect(ends).toEqual([{ ...partition0(topic), offset: 4 }]);
      const batch = await log.read(partition0(topic), 0, all);
      expect(rowsOf(batch)).toEqual(['0:a=1', '1:null=2', '2:e=', '3:k=null']);
      expect([batch?.timestamps[0], batch?.timestamps[3]]).toEqual([7, 5]);
      expect(decodeHeaders(batch?.headerBytes(3) ?? Buffer.alloc(0))).toEqual({ why: 'x' });
      expect(await log.endOffset({ topic, partition: 1 })).toBe(0);
      await writer.close();
    });

    test('a read begins anywhere, keeps its limit, and is empty at the end', async () => {
      const topic = await fresh();
      const writer = await log.openWriter(`${topic}-w`);
      for (let i = 0; i < 3; i++) {
        const appends = [
          append(topic, 0, [
            [`k${i}`, 'x'],
            [`l${i}`, 'y'],
          ]),
        ];
        await writer.commit({ appends, offsets: [], commitId: i + 1 });
      }
      const keys: string[] = [];
      for (let from = 0; ; ) {
        const batch = await log.read(partition0(topic), from, { records: 1 });
        if (batch === undefined) break;
        expect(batch.count).toBe(1);
        keys.push(String(batch.key(0)));
        from = batch.nextOffset;
      }
      expect(keys).toEqual(['k0', 'l0', 'k1', 'l1', 'k2', 'l2']);
      expect(String((await log.read(partition0(topic), 1, all))?.key(0))).toBe('l0');
      const end = await log.endOffset(partition0(topic));
      expect(await log.read(partition0(topic), end, all)).toBeUndefined();
      await expect(log.read(partition0(topic), end + 1, all)).rejects.toMatchObject({
        code: 'OFFSET_OUT_OF_RANGE',
      });
      await writer.close();
    });

    test('a commit with a topic that is not there leaves nothing', async () => {
      const topic = await fresh();
      const writer = await log.openWriter(`${topic}-w`);
      const appends = [append(topic, 0, [['a', '1']]), append(`${topic}-missing`, 0, [['b', '2']])];
      await expect(writer.commit({ appends, offsets: [], commitId: 1 })).rejects.toThrow();
      await writer.commit({ appends: [append(topic, 0, [['c', '3']])], offsets: [], commitId: 2 });
      const batch = await log.read(partition0(topic), 0, all);
      expect(rowsOf(batch).map((row) => row.split(':')[1])).toEqual(['c=3']);
      await writer.close();
    });

    test('a newer writer of the same id fences the older; others go on', async () => {
      const topic = await fresh();
      const [old, other] = [await log.openWriter(`${topic}-w`), await log.openWriter(`${topic}-v`)];
      const commit = { appends: [append(topic, 0, [['a', '1']])], offsets: [], commitId: 1 };
      await old.commit(commit);
      const newer = await log.openWriter(`${topic}-w`);
      await expect(old.commit(commit)).rejects.toMatchObject({ code: 'LOG_FENCED' });
      await newer.commit(commit);
      await other.commit(commit);
      expect((await log.read(partition0(topic), 0, all))?.count).toBeGreaterThanOrEqual(1);
      await Promise.all([old, newer, other].map((writer) => writer.close()));
    });

    test('a topic is created once, and cannot change its partitions', async () => {
      const name = await fresh();
      await log.createTopics([{ name, partitions: 2, settings: {} }]);
      expect((await log.topics()).find((topic) => topic.name === name)?.partitions).toBe(2);
      const changed = [{ name, partitions: 3, settings: {} }];
      await expect(log.createTopics(changed)).rejects.toMatchObject({ code: 'TOPIC_MISMATCH' });
      await expect(log.endOffset(partition0(`${name}-none`))).rejects.toMatchObject({
        code: 'TOPIC_UNKNOWN',
      });
    });

    test('a member commits offsets with what it writes, and finds them after the log is opened anew', async () => {
      const topic = await fresh();
      const group = `${topic}-group`;
      const partitions = [partition0(topic), { topic, partition: 1 }];
      const member = await log.join({ group, partitions, scheduler: systemScheduler });
      const writer = await log.openWriter(group, () => member);
      expect(await log.committed(group, partition0(topic))).toBeUndefined();
      for (let assigned = false; !assigned; ) {
        const change = member.takeChange();
        if (change === undefined) await member.wait(50);
        else {
          await change.answer(change.partitions.map((at) => ({ ...at, offset: 0 })));
          assigned = change.partitions.length === 2;
        }
      }
      const offsets = [{ ...partition0(topic), offset: 0, metadata: 'kept beside' }];
      await writer.commit({ appends: [append(topic, 0, [['a', '1']])], offsets, commitId: 1 });
      let seen = await member.fetch(partition0(topic), 0, all);
      while (seen.batches.length === 0 || !seen.end) {
        await member.wait(20);
        seen = await member.fetch(partition0(topic), 0, all);
      }
      expect(seen.batches.flatMap(rowsOf)).toEqual(['0:a=1']);
      expect(await member.lag([{ ...partition0(topic), offset: 1 }])).toEqual([0]);
      await writer.close();
      await member.leave();
      const again = await open();
      // node-rdkafka's own call drops the metadata.
      expect(await again.committed(group, partition0(topic))).toEqual(
        transport !== 'plain' ? { offset: 0, metadata: 'kept beside' } : { offset: 0 },
      );
      await again.close();
    });
  },
);
