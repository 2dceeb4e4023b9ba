/** How far the time of each source is outlives a restart, by whichever calls Kafka is reached. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { count, topic, topology, tumbling, utf8 } from 'millrace';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type KafkaLog, openKafkaLog } from '../../engine/log/kafka/adapter/kafka-log.ts';
import { defaultKafkaSettings } from '../../engine/log/kafka/settings/kafka-settings.ts';
import { BatchBuilder } from '../../engine/record/batch.ts';
import { Runtime } from '../../engine/runtime/runtime.ts';
import { rocksBackends } from '../../engine/storage/rocksdb.ts';
import { TaskHost } from '../../engine/task/task-host.ts';
import { kafkaAvailable, sharedBroker } from './shared.ts';

const all = { key: utf8, value: utf8 };

function jobOf(name: string) {
  const input = topic<string, string>(`${name}-input`, { value: utf8, partitions: 2 });
  const out = topic<string, string>(`${name}-out`, { value: utf8, partitions: 1 });
  const built = topology(name, (t) => {
    t.stream(input)
      .keyBy('by-value', (v) => v)
      .window(tumbling({ size: 10, grace: 0 }))
      .aggregate('counts', count(), { emit: 'close' })
      .changes()
      .map((n, { key, start }) => `${key}@${start}=${n}`)
      .keyBy('out', () => 'all', all)
      .to(out);
  });
  return { input, out, built };
}

describe.skipIf(!(await kafkaAvailable()))('times outlive a restart', () => {
  let brokers: string;
  let folder: string;
  let witness: KafkaLog;

  const open = (application: string, transport: 'direct' | 'packed' | 'plain') =>
    openKafkaLog({ settings: { ...defaultKafkaSettings, brokers, transport }, application });

  beforeAll(async () => {
    brokers = (await sharedBroker()).address;
    folder = await mkdtemp(join(tmpdir(), 'millrace-restarted-'));
    witness = await open('restarted-witness', 'direct');
  }, 300_000);
  afterAll(async () => {
    await witness?.close();
    await rm(folder, { recursive: true, force: true, maxRetries: 5 });
  });

  /** Takes in what was fed, and goes; answers what was dropped. */
  async function run(name: string, transport: 'direct' | 'packed' | 'plain') {
    const { built } = jobOf(name);
    const log = await open(name, transport);
    const runtime = await Runtime.start({
      ...{ topology: built, application: name, log, stateDirectory: join(folder, name) },
      startHosts: async (config) => [new TaskHost(built, config, rocksBackends)],
    });
    try {
      await runtime.runUntilCaughtUp();
      return runtime.summary.counters.drops;
    } finally {
      await runtime.close();
      await log.close();
    }
  }

  async function feed(name: string, ...times: readonly (readonly number[])[]): Promise<void> {
    const writer = await witness.openWriter(`${name}-feeder`);
    const appends = times.map((list, partition) => {
      const builder = new BatchBuilder();
      for (const at of list) builder.append(Buffer.from('k'), Buffer.from('x'), at);
      return { topic: `${name}-input`, partition, batch: builder.finishAt(0) };
    });
    const written = appends.filter(({ batch }) => batch.count > 0);
    await writer.commit({ appends: written, offsets: [], commitId: 1 });
    await writer.close();
  }

  async function told(name: string): Promise<string[]> {
    const batch = await witness.read({ topic: `${name}-out`, partition: 0 }, 0, { records: 100 });
    return Array.from({ length: batch?.count ?? 0 }, (_, i) => String(batch?.value(i)));
  }

  test.each(['direct', 'packed', 'plain'] as const)(
    'by the %s transport',
    { timeout: 180_000 },
    async (transport) => {
      const name = `restarted-${transport}`;
      await witness.createTopics([{ name: `${name}-input`, partitions: 2, settings: {} }]);
      await feed(name, [5, 25], [3]);
      expect(await run(name, transport)).toEqual({});
      // Partition 0 had come to 25, so its 7 is late, although the window waits for partition 1.
      await feed(name, [7], [12]);
      expect(await run(name, transport)).toEqual({ 'counts|late': 1 });
      expect(await told(name)).toEqual(['x@0=2']);
      // Nothing new comes of partition 0: what it has promised is known all the same.
      await feed(name, [], [40]);
      expect(await run(name, transport)).toEqual({});
      expect(await told(name)).toEqual(['x@0=2', 'x@10=1']);
      // A start without news changes nothing.
      expect(await run(name, transport)).toEqual({});
      expect(await told(name)).toHaveLength(2);
    },
  );
});
