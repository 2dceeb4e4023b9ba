/**
 * Every recorded case through real topics of a real broker, all of them in one topology. Cases of
 * one topic are fed at once; those of two step by step, the next when all is read and committed,
 * because there the order of arrival counts.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { topology } from 'millrace';
import { describe, expect, test } from 'vitest';
import { type KafkaLog, openKafkaLog } from '../../engine/log/kafka/adapter/kafka-log.ts';
import { defaultKafkaSettings } from '../../engine/log/kafka/settings/kafka-settings.ts';
import type { Append } from '../../engine/log/log.ts';
import { BatchBuilder } from '../../engine/record/batch.ts';
import { Runtime } from '../../engine/runtime/runtime.ts';
import { MemoryBackends } from '../../engine/storage/memory-backend.ts';
import { TaskHost } from '../../engine/task/task-host.ts';
import { addCase, asCaseRecord, type CaseFile, topicOf } from '../conformance/case.ts';
import { caseTopics } from '../conformance/join-cases.ts';
import { kafkaAvailable, sharedBroker } from './shared.ts';

const folder = new URL('../conformance/fixtures/', import.meta.url);
const cases = readdirSync(folder)
  .filter((name) => name.endsWith('.json'))
  .map((name) => JSON.parse(readFileSync(new URL(name, folder), 'utf8')) as CaseFile)
  .filter(({ pipeline }) => pipeline.stages === undefined)
  .map((file, i) => ({ file, topics: caseTopics(`c${i}-`) }));

describe.skipIf(!(await kafkaAvailable()))('recorded cases through real topics', () => {
  const [joins, others] = [cases.filter(isJoin), cases.filter((one) => !isJoin(one))];

  test(`${others.length} of one topic`, { timeout: 600_000 }, async () => {
    const appends = others.map((one) => appendOf(one, one.file.steps));
    expect(await differences('one-topic', others, [appends])).toEqual([]);
  });

  test(`${joins.length} of two topics, step by step`, { timeout: 600_000 }, async () => {
    const steps = Math.max(...joins.map(({ file }) => file.steps.length));
    const feeds = Array.from({ length: steps }, (_, step) =>
      joins.flatMap((one) => {
        const records = one.file.steps.slice(step, step + 1);
        return records.length === 0 ? [] : appendOf(one, records);
      }),
    );
    expect(await differences('two-topics', joins, feeds)).toEqual([]);
  });
});

/**
 * Feeds one transaction after the other, each when the one before is done; answers what differs.
 */
async function differences(
  application: string,
  some: readonly Case[],
  feeds: readonly (readonly Append[])[],
): Promise<string[]> {
  const all = topology('cases', (t) => some.map(({ file, topics }) => addCase(t, topics, file)));
  const { address: brokers } = await sharedBroker();
  // Only packed calls can write a time of 0, which some cases have.
  const settings = { ...defaultKafkaSettings, brokers, transport: 'direct' as const };
  const log = await openKafkaLog({ settings, application });
  const backends = new MemoryBackends();
  const runtime = await Runtime.start({
    topology: all,
    application,
    log,
    stateDirectory: 'state',
    partitions: 1,
    startHosts: async (config) => [new TaskHost(all, config, backends)],
  });
  await runtime.runUntilCaughtUp();
  const writer = await log.openWriter(`${application}-feeder`);
  for (const [i, appends] of feeds.entries()) {
    await writer.commit({ appends, offsets: [], commitId: i + 1 });
    await runtime.runUntilCaughtUp();
  }
  const wrong: string[] = [];
  for (const [i, { file }] of some.entries()) {
    const output = all.exports[i] as ReturnType<typeof addCase>;
    const actual = JSON.stringify(await recordsOf(log, output));
    const expected = JSON.stringify(file.steps.flatMap(({ out }) => out));
    if (actual !== expected) wrong.push(`${file.name}\n  expected ${expected}\n  actual ${actual}`);
  }
  await writer.close();
  await runtime.close();
  await log.close();
  return wrong;
}

type Case = (typeof cases)[number];

function isJoin({ file }: Case): boolean {
  return file.steps.some(({ topic }) => topic === 'right');
}

/** The records of some steps, which all go to one topic. */
function appendOf({ topics }: Case, steps: CaseFile['steps']): Append {
  const builder = new BatchBuilder(Math.max(1, steps.length));
  for (const { key, value, timestamp } of steps) {
    builder.append(bytesOf(key), bytesOf(value), timestamp);
  }
  const { name: topic } = topicOf(topics, steps[0] ?? {});
  return { topic, partition: 0, batch: builder.finishAt(0) };
}

function bytesOf(text: string | null): Buffer | null {
  return text === null ? null : Buffer.from(text);
}

async function recordsOf(log: KafkaLog, output: ReturnType<typeof addCase>) {
  const at = { topic: output.name, partition: 0 };
  const records = [];
  for (let from = 0; ; ) {
    const batch = await log.read(at, from, { records: 1_000 });
    if (batch === undefined) return records;
    from = batch.nextOffset;
    for (let i = 0; i < batch.count; i++) {
      const [key, value] = [batch.key(i), batch.value(i)];
      records.push(
        asCaseRecord({
          key: key && output.key.decode(key, 0, key.byteLength),
          value: value && output.value.decode(value, 0, value.byteLength),
          timestamp: batch.timestamps[i] as number,
        }),
      );
    }
  }
}
