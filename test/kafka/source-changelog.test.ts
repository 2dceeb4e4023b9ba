/**
 * A table whose topic is its changelog, on a real broker: restored up to what the group has
 * committed.
 */
import { topic, topology, utf8 } from 'millrace';
import { describe, expect, test } from 'vitest';
import type { TelemetryEvents } from '../../engine/base/events.ts';
import { type KafkaLog, openKafkaLog } from '../../engine/log/kafka/adapter/kafka-log.ts';
import { defaultKafkaSettings } from '../../engine/log/kafka/settings/kafka-settings.ts';
import { BatchBuilder } from '../../engine/record/batch.ts';
import { Runtime } from '../../engine/runtime/runtime.ts';
import { MemoryBackends } from '../../engine/storage/memory-backend.ts';
import { TaskHost } from '../../engine/task/task-host.ts';
import { kafkaAvailable, sharedBroker } from './shared.ts';

const application = 'source-changelog';
const rates = topic<string, string>(`${application}-rates`, {
  value: utf8,
  cleanup: 'compact',
  partitions: 2,
});

const built = topology(application, (t) => {
  t.table('rate-of', rates, { changelog: 'source' })
    .changes()
    .to(topic<string, string>(`${application}-out`, { value: utf8, partitions: 2 }));
  return {};
});

describe.skipIf(!(await kafkaAvailable()))('a table restored from its topic', () => {
  test('has the same rows, and no changelog', { timeout: 600_000 }, async () => {
    const { address: brokers } = await sharedBroker();
    const log = await openKafkaLog({
      settings: { ...defaultKafkaSettings, brokers },
      application,
    });
    const first = await start(log);
    await first.runUntilCaughtUp();
    const written = { EUR: '1', USD: '2', GBP: '3', CHF: '4' };
    // Each transaction leaves its mark, so offsets have gaps.
    for (const [i, commit] of [{ ...written, USD: 'old' }, { JPY: '5' }, written].entries()) {
      await write(log, commit, i + 1);
      await first.runUntilCaughtUp();
    }
    await write(log, { JPY: null }, 4);
    await first.runUntilCaughtUp();
    const rows = await rowsOf(first);
    expect(rows).toEqual(written);
    await first.close();
    // What nobody has consumed yet is not restored, but comes.
    await write(log, { EUR: 'new' }, 5);
    let restored = 0;
    const second = await start(log, (records) => {
      restored += records;
    });
    await second.runUntilCaughtUp();
    expect(await rowsOf(second)).toEqual({ ...written, EUR: 'new' });
    expect(restored).toBe(10);
    await second.close();
    const names = (await log.topics()).map(({ name }) => name);
    expect(names).toContain(rates.name);
    expect(names).not.toContain(`${application}-rate-of-changelog`);
    await log.close();
  });
});

/** With state that is empty, as on a new machine. */
function start(log: KafkaLog, onRestored: (records: number) => void = () => {}): Promise<Runtime> {
  const backends = new MemoryBackends();
  return Runtime.start({
    topology: built,
    application,
    log,
    stateDirectory: 'state',
    observer: {
      on: (name, event) => {
        if (name === 'taskOpened')
          onRestored((event as TelemetryEvents['taskOpened']).restoredRecords);
      },
    },
    startHosts: async (config) => [new TaskHost(built, config, backends)],
  });
}

async function rowsOf(runtime: Runtime): Promise<Record<string, unknown>> {
  const rows = await runtime.query('rate-of');
  return Object.fromEntries(rows.map(({ key, value }) => [String(key), value]));
}

async function write(
  log: KafkaLog,
  records: Readonly<Record<string, string | null>>,
  commitId: number,
): Promise<void> {
  const builder = new BatchBuilder();
  for (const [key, value] of Object.entries(records)) {
    const bytes = value === null ? null : Buffer.from(value);
    builder.append(Buffer.from(key), bytes, 1_700_000_000_000);
  }
  const writer = await log.openWriter(`${application}-feeder`);
  const appends = [{ topic: rates.name, partition: 1, batch: builder.finishAt(0) }];
  await writer.commit({ appends, offsets: [], commitId });
  await writer.close();
}
