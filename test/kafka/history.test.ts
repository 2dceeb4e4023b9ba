/** History in perfect order on Kafka: nothing is late, whatever processes come, go and die. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type KafkaLog, openKafkaLog } from '../../engine/log/kafka/adapter/kafka-log.ts';
import { defaultKafkaSettings } from '../../engine/log/kafka/settings/kafka-settings.ts';
import type { Append } from '../../engine/log/log.ts';
import { BatchBuilder } from '../../engine/record/batch.ts';
import { partitionOf } from '../../engine/record/partitioner.ts';
import { launch, type Running } from '../process/millrace.ts';
import { history } from '../time/history-jobs.ts';
import { historyTopics } from '../time/history-module.ts';
import { differing } from '../time/widths.ts';
import { type Broker, startBroker } from './broker.ts';
import { kafkaAvailable } from './shared.ts';

const partitions = 4;

const transports = ['direct', 'plain'] as const;

describe.skipIf(!(await kafkaAvailable())).each(transports)(
  'history in order, by the %s transport',
  (transport) => {
    let broker: Broker;
    let log: KafkaLog;
    let folder: string;

    beforeAll(async () => {
      folder = await mkdtemp(join(tmpdir(), 'millrace-history-'));
      broker = await startBroker();
      const settings = { ...defaultKafkaSettings, brokers: broker.address };
      log = await openKafkaLog({ settings, application: 'history-witness' });
    });
    afterAll(async () => {
      await log?.close();
      await broker?.stop('SIGKILL');
      await rm(folder, { recursive: true, force: true, maxRetries: 5 });
    });

    async function job(prefix: string) {
      const { name } = historyTopics(prefix).orders;
      await log.createTopics([{ name, partitions, settings: {} }]);
      return {
        /** Writes orders `from` to `to` (exclusive). */
        async feed(from: number, to: number): Promise<void> {
          const builders = Array.from({ length: partitions }, () => new BatchBuilder());
          for (const { key, value, timestamp } of history.slice(from, to)) {
            const bytes = Buffer.from(key);
            builders[partitionOf(bytes, partitions)]?.append(bytes, Buffer.from(value), timestamp);
          }
          const appends = builders.flatMap((builder, partition): Append[] =>
            builder.count === 0 ? [] : [{ topic: name, partition, batch: builder.finishAt(0) }],
          );
          const writer = await log.openWriter(`${prefix}feeder`);
          await writer.commit({ appends, offsets: [], commitId: 1 });
          await writer.close();
        },
        async member(instance: string, until: 'ever' | 'close'): Promise<Running> {
          const state = join(folder, prefix, instance);
          const args = [broker.address, state, prefix, instance, until, transport];
          const running = launch('test/kafka/history-child.ts', args);
          await running.says('started');
          return running;
        },
      };
    }

    /** Nothing was dropped or refused. */
    async function endsWell({ ended }: Running): Promise<void> {
      const { code, stdout, stderr } = await ended;
      expect([code, stdout, stderr]).toEqual([0, '{}', expect.any(String)]);
    }

    test('one process', { timeout: 180_000 }, async () => {
      const { feed, member } = await job('one-');
      await feed(0, history.length);
      await endsWell(await member('alone', 'close'));
      expect(await differing(log, 'one-')).toBeUndefined();
    });

    test('three processes, and one is killed in the middle', { timeout: 180_000 }, async () => {
      const { feed, member } = await job('three-');
      const half = history.length / 2;
      const members = await Promise.all(['a', 'b', 'c'].map((name) => member(name, 'ever')));
      await Promise.all(members.map((one) => one.says('"opening":0')));
      await feed(0, half);
      const [first, ...others] = members;
      await first?.says('"open":');
      first?.child.kill('SIGKILL');
      await feed(half, history.length);
      // Those who are left take over; then one alone goes on to the end, and closes it.
      await Promise.all(others.map((one) => one.says('"open":')));
      for (const { child } of others) child.kill('SIGTERM');
      for (const other of others) await endsWell(other);
      await endsWell(await member('last', 'close'));
      expect(await differing(log, 'three-')).toBeUndefined();
    });
  },
);
