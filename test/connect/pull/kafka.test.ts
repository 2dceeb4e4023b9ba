/** Records of a topic that others write: each once, from committed offsets. */
import { expect, test } from 'vitest';
import { KafkaPuller } from '../../../engine/connect/pull/kafka/kafka.ts';
import type { KafkaSpec } from '../../../engine/connect/pull/kafka/kafka-spec.ts';
import type { Log } from '../../../engine/log/log.ts';
import { MemoryLog } from '../../../engine/log/memory-log.ts';
import { BatchBuilder } from '../../../engine/record/batch.ts';
import { unpacker } from '../../../topologies/ingest/unpack.ts';
import { nothing, type Pulled, pull } from './pulling.ts';

const orders = 'shop.public.orders';
let commits = 0;

async function write(log: MemoryLog, partition: number, values: readonly unknown[]): Promise<void> {
  const builder = new BatchBuilder();
  for (const value of values) {
    const bytes = value === null ? null : Buffer.from(JSON.stringify(value));
    builder.append(Buffer.from('key'), bytes, 1);
  }
  const writer = await log.openWriter('debezium');
  const appends = [{ topic: orders, partition, batch: builder.finishAt(0) }];
  await writer.commit({ appends, offsets: [], commitId: ++commits });
  await writer.close();
}

async function logOf(partitions: number): Promise<MemoryLog> {
  const log = new MemoryLog();
  await log.createTopics([{ name: orders, partitions, settings: { cleanup: 'delete' } }]);
  return log;
}

type Read = Pick<Log, 'topics' | 'startOffset' | 'endOffset' | 'read'>;

/** The log is in memory: it outlives those that read it. */
const readOnly = (log: Read): Log =>
  ({
    topics: () => log.topics(),
    startOffset: (at) => log.startOffset(at),
    endOffset: (at) => log.endOffset(at),
    read: (at, from, limits) => log.read(at, from, limits),
    close: async () => {},
  }) satisfies Read & Pick<Log, 'close'> as unknown as Log;

const source = (log: Read, more: Partial<KafkaSpec> = {}, warn = (_: string) => {}) => ({
  puller: new KafkaPuller({
    name: 'orders',
    spec: { kind: 'kafka', brokers: 'none', from: orders, ...more },
    openLog: async () => readOnly(log),
    unpack: unpacker({ envelope: 'debezium' }),
    warn,
  }),
});
const next = ({ cursor }: Pulled): Pulled => nothing(cursor);
const change = (id: string, value: number) => ({ op: 'c', before: null, after: { id, value } });

test('change events of all partitions, tombstones apart; then what comes after', async () => {
  const log = await logOf(2);
  await write(log, 0, [
    change('a', 1),
    { op: 'd', before: { id: 'a', value: 1 }, after: null },
    null,
  ]);
  await write(log, 1, [change('b', 1)]);
  const first = await pull(source(log));
  expect(first.records).toEqual(['a 1', 'a 1', 'b 1']);
  expect(first.skipped).toEqual({ 'no value: a tombstone': 1 });
  await write(log, 1, [change('b', 2), 'text']);
  const second = await pull(source(log), next(first));
  expect(second.records).toEqual(['b 2']);
  expect(second.deadLetters).toMatchObject([{ text: '"text"', from: `kafka:${orders}/1` }]);
});

test('killed at each chunk: every record once', async () => {
  const log = await logOf(3);
  const all: string[] = [];
  for (let partition = 0; partition < 3; partition++) {
    const events = Array.from({ length: 1_200 }, (_, i) => change(`p${partition}`, i));
    await write(log, partition, events);
    all.push(...events.map(({ after: { id, value } }) => `${id} ${value}`));
  }
  for (let killAfter = 1; killAfter <= 6; killAfter++) {
    const killed = await pull(source(log), nothing(), { killAfter });
    expect((await pull(source(log), killed)).records).toEqual(all);
  }
});

test('from now on: what comes between two processes is read', async () => {
  const log = await logOf(1);
  await write(log, 0, [change('old', 1)]);
  const first = await pull(source(log, { start: 'latest' }));
  expect(first.records).toEqual([]);
  await write(log, 0, [change('new', 1)]);
  const second = await pull(source(log, { start: 'latest' }), next(first));
  expect(second.records).toEqual(['new 1']);
});

test('records that were deleted before they were read are told of; a missing topic is named', async () => {
  const log = await logOf(1);
  await write(log, 0, [change('a', 1), change('a', 2)]);
  const { records, cursor } = await pull(source(log));
  expect(records).toHaveLength(2);
  const warnings: string[] = [];
  const shorter = { ...readOnly(log), startOffset: async () => 2 };
  await write(log, 0, [change('a', 3)]);
  const behind = structuredClone(cursor) as { position: { offsets: Record<string, number> } };
  behind.position.offsets['0'] = 0;
  const late = await pull(
    source(shorter, {}, (text) => void warnings.push(text)),
    nothing(behind),
  );
  expect(late.records).toEqual(['a 3']);
  expect(warnings).toEqual([
    `source orders: 2 offsets of ${orders} partition 0 were deleted before they were read`,
  ]);
  await expect(pull(source(log, { from: 'none' }))).rejects.toThrow('there is no topic none');
});
