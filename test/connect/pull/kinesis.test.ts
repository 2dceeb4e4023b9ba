/**
 * The records of a stream: shards, resharding, kills. Nothing lost, nothing twice, keys in order.
 */
import { createHash } from 'node:crypto';
import type { AddressInfo } from 'node:net';
import { gzipSync } from 'node:zlib';
import {
  CreateStreamCommand,
  DescribeStreamCommand,
  KinesisClient,
  ListShardsCommand,
  MergeShardsCommand,
  PutRecordsCommand,
  SplitShardCommand,
} from '@aws-sdk/client-kinesis';
import { NodeHttpHandler } from '@smithy/node-http-handler';
import fc from 'fast-check';
import kinesalite from 'kinesalite';
import protobuf from 'protobufjs';
import { beforeAll, expect, test } from 'vitest';
import { systemClock } from '../../../engine/base/clock.ts';
import { KinesisPuller } from '../../../engine/connect/pull/kinesis/kinesis.ts';
import type { KinesisSpec } from '../../../engine/connect/pull/kinesis/kinesis-spec.ts';
import { recordRows } from '../../../engine/connect/pull/record-rows.ts';
import { noSecrets, nothing, type Pulled, pull } from './pulling.ts';

let endpoint = '';
let client: KinesisClient;
const secrets = { ...noSecrets, env: { ID: 'a', SECRET: 'b' } };

beforeAll(async () => {
  const server = kinesalite({ createStreamMs: 0, updateStreamMs: 0, shardLimit: 100 });
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
  endpoint = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const credentials = { accessKeyId: 'a', secretAccessKey: 'b' };
  const requestHandler = new NodeHttpHandler();
  client = new KinesisClient({ endpoint, region: 'us-east-1', credentials, requestHandler });
  return () => {
    client.destroy();
    server.close();
  };
});

const warnings: string[] = [];
const source = (stream: string, more: Partial<KinesisSpec> = {}) => {
  const credentials = { accessKeyId: { env: 'ID' }, secretAccessKey: { env: 'SECRET' } };
  const spec: KinesisSpec = { kind: 'kinesis', stream, endpoint, credentials, ...more };
  // Without the pace that Amazon asks for.
  const scheduler = { sleep: async () => {}, yieldNow: async () => {} };
  const warn = (text: string) => void warnings.push(text);
  const ports = { clock: systemClock, scheduler };
  return { puller: new KinesisPuller({ name: 'clicks', spec, secrets, warn, ...ports }) };
};
const next = ({ cursor }: Pulled): Pulled => nothing(cursor);

async function active(StreamName: string): Promise<void> {
  for (;;) {
    const { StreamDescription } = await client.send(new DescribeStreamCommand({ StreamName }));
    if (StreamDescription?.StreamStatus === 'ACTIVE') return;
    await new Promise((done) => setTimeout(done, 10));
  }
}

async function create(StreamName: string, ShardCount: number): Promise<void> {
  await client.send(new CreateStreamCommand({ StreamName, ShardCount }));
  await active(StreamName);
}

let n = 0;
/** Records of the keys k0 to k9, each with a number that rises. */
async function put(StreamName: string, count: number): Promise<string[]> {
  const told = Array.from({ length: count }, () => ({ id: `k${n % 10}`, value: n++ }));
  const Records = told.map((value) => ({
    Data: Buffer.from(JSON.stringify(value)),
    PartitionKey: value.id,
  }));
  await client.send(new PutRecordsCommand({ StreamName, Records }));
  return told.map(({ id, value }) => `${id} ${value}`);
}

const openShards = async (StreamName: string) => {
  const { Shards = [] } = await client.send(new ListShardsCommand({ StreamName }));
  return Shards.filter(({ SequenceNumberRange }) => !SequenceNumberRange?.EndingSequenceNumber);
};

async function split(StreamName: string): Promise<void> {
  const [shard] = await openShards(StreamName);
  const { StartingHashKey = '', EndingHashKey = '' } = shard?.HashKeyRange ?? {};
  const NewStartingHashKey = String((BigInt(StartingHashKey) + BigInt(EndingHashKey)) / 2n);
  const ShardToSplit = shard?.ShardId ?? '';
  await client.send(new SplitShardCommand({ StreamName, ShardToSplit, NewStartingHashKey }));
  await active(StreamName);
}

async function merge(StreamName: string): Promise<void> {
  const shards = await openShards(StreamName);
  shards.sort((a, b) =>
    BigInt(a.HashKeyRange?.StartingHashKey ?? 0) < BigInt(b.HashKeyRange?.StartingHashKey ?? 0)
      ? -1
      : 1,
  );
  const [one, other] = shards.map(({ ShardId = '' }) => ShardId);
  await client.send(
    new MergeShardsCommand({ StreamName, ShardToMerge: one, AdjacentShardToMerge: other }),
  );
  await active(StreamName);
}

/** All records once, and those of a key in the order in which they were put. */
function expectAll(records: readonly string[], put: readonly string[]): void {
  expect([...records].sort()).toEqual([...put].sort());
  const ofKey = (key: string) => (one: string) => one.startsWith(`${key} `);
  for (let i = 0; i < 10; i++) {
    expect(records.filter(ofKey(`k${i}`))).toEqual(put.filter(ofKey(`k${i}`)));
  }
}

test('all shards, then what comes after', async () => {
  await create('plain', 3);
  const told = await put('plain', 50);
  const first = await pull(source('plain', { recordsMax: 7 }));
  expectAll(first.records, told);
  const more = await put('plain', 20);
  const second = await pull(source('plain'), next(first));
  expectAll(second.records, more);
  expect((await pull(source('plain'), next(second))).records).toEqual([]);
});

test('shards that are split and merged: parents before children, keys in order', async () => {
  await create('resharded', 1);
  const told = await put('resharded', 30);
  let pulled = await pull(source('resharded', { recordsMax: 4 }));
  await split('resharded');
  told.push(...(await put('resharded', 30)));
  await split('resharded');
  told.push(...(await put('resharded', 30)));
  await merge('resharded');
  told.push(...(await put('resharded', 30)));
  // From the position before the resharding, and from the start.
  pulled = await pull(source('resharded', { recordsMax: 4 }), pulled);
  expectAll(pulled.records, told);
  expectAll((await pull(source('resharded'))).records, told);
});

test('killed at each chunk, while shards are split: every record once', async () => {
  await create('kills', 1);
  const told = await put('kills', 20);
  await split('kills');
  told.push(...(await put('kills', 20)));
  const few = { recordsMax: 6 };
  for (let killAfter = 1; killAfter <= 8; killAfter++) {
    let pulled = await pull(source('kills', few), nothing(), { killAfter });
    pulled = await pull(source('kills', few), pulled, { killAfter: 2 });
    pulled = await pull(source('kills', few), pulled);
    expectAll(pulled.records, told);
  }
});

test('from an instant on, or from the instant of the first start', async () => {
  await create('start', 2);
  await put('start', 10);
  await new Promise((done) => setTimeout(done, 1_100));
  const at = Math.floor(Date.now() / 1_000) * 1_000;
  const told = await put('start', 40);
  const instant = new Date(at).toISOString();
  expectAll((await pull(source('start', { start: instant }))).records, told);
  // 'latest' is kept as an instant: what came before anything was read is read by a later start.
  const kept = nothing({ kind: 'test', position: { from: at }, eventTime: null });
  expectAll((await pull(source('start', { start: 'latest' }), kept)).records, told);
  const { records } = await pull(source('start', { start: '2026-01-01T00:00:00Z' }));
  expect(records).toHaveLength(50);
});

test('a stream that is not there is named', async () => {
  await expect(pull(source('none'))).rejects.toThrow(/cannot be read: ResourceNotFoundException/);
});

/**
 * As the Kinesis Producer Library does: its message, in the documented format, by another encoder.
 */
function aggregated(parts: readonly (string | Buffer)[], more: object = {}): Buffer {
  const { root } = protobuf.parse(`syntax = "proto2";
    message AggregatedRecord {
      repeated string partition_key_table = 1;
      repeated string explicit_hash_key_table = 2;
      repeated Record records = 3;
    }
    message Tag { required string key = 1; optional string value = 2; }
    message Record {
      required uint64 partition_key_index = 1;
      optional uint64 explicit_hash_key_index = 2;
      required bytes data = 3;
      repeated Tag tags = 4;
    }`);
  const type = root.lookupType('AggregatedRecord');
  const records = parts.map((data, i) => ({
    ...{ partitionKeyIndex: i, data: Buffer.from(data as string), ...more },
  }));
  const keys = parts.map((_, i) => `key ${i}`);
  const message = type
    .encode(type.create({ partitionKeyTable: keys, explicitHashKeyTable: ['1'], records }))
    .finish();
  const digest = createHash('md5').update(message).digest();
  return Buffer.concat([Buffer.from([0xf3, 0x89, 0x9a, 0xc2]), message, digest]);
}

test('what a producer has put together is taken apart, and in order', async () => {
  const rows = (data: Buffer) =>
    recordRows(data, undefined).map(({ fields, problem, skip }) => fields ?? problem ?? skip);
  const more = { explicitHashKeyIndex: 0, tags: [{ key: 'a', value: 'b' }] };
  for (const record of [{}, more]) {
    const all = aggregated(['{"id":1}', gzipSync('{"id":2}'), 'no', '{"id":3}\n{"id":4}'], record);
    const problem = expect.stringContaining('is not JSON');
    expect(rows(all)).toEqual([{ id: 1 }, { id: 2 }, problem, { id: 3 }, { id: 4 }]);
  }
  const large = Array.from({ length: 300 }, (_, i) => JSON.stringify({ i, text: 'x'.repeat(i) }));
  expect(rows(aggregated(large))).toHaveLength(300);
  expect(rows(aggregated([]))).toEqual(['an empty list']);
  expect(rows(aggregated([aggregated(['{}'])]))).toEqual(['it is aggregated twice']);
  const whole = aggregated(['{"id":1}', '{"id":2}']);
  // Each byte that is another, and each end that is missing, is noticed.
  for (let i = 4; i < whole.length; i++) {
    const wrong = Buffer.from(whole);
    wrong[i] = (wrong[i] as number) ^ 1;
    expect([i, rows(wrong)]).toEqual([i, [expect.stringContaining('damaged')]]);
    expect(rows(whole.subarray(0, i))).toEqual([expect.stringContaining('damaged')]);
  }
  // Nor does a message that is no protobuf, whose MD5 fits, do harm.
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 60 }), (message) => {
      const digest = createHash('md5').update(message).digest();
      const record = Buffer.concat([Buffer.from([0xf3, 0x89, 0x9a, 0xc2]), message, digest]);
      expect(Array.isArray(rows(record))).toBe(true);
    }),
    { numRuns: 2_000, seed: 6 },
  );

  await create('aggregated', 2);
  const told = Array.from({ length: 60 }, () => ({ id: `k${n % 10}`, value: n++ }));
  const Records = told
    .map((value, i) => ({ value, i }))
    .filter(({ i }) => i % 3 === 0)
    .map(({ i }) => ({
      Data: aggregated(told.slice(i, i + 3).map((one) => JSON.stringify(one))),
      PartitionKey: 'one',
    }));
  await client.send(new PutRecordsCommand({ StreamName: 'aggregated', Records }));
  const { records } = await pull(source('aggregated', { recordsMax: 7 }));
  expect(records).toEqual(told.map(({ id, value }) => `${id} ${value}`));
});

test('what a record holds: a value, lines, gzip; what is none is told', () => {
  const rows = (data: string | Buffer) =>
    recordRows(Buffer.from(data as string), undefined).map(
      ({ fields, problem }) => fields ?? problem,
    );
  expect(rows('{"id":1}')).toEqual([{ id: 1 }]);
  expect(rows('{"id":1}\n{"id":2}\n')).toEqual([{ id: 1 }, { id: 2 }]);
  expect(rows(gzipSync('{"id":1}\nno'))).toEqual([
    { id: 1 },
    expect.stringContaining('is not JSON'),
  ]);
  expect(rows('7')).toEqual(['it is not a JSON object']);
  expect(rows(Buffer.from([0xff, 0xfe]))).toEqual(['it is not UTF-8 text']);
  expect(rows(Buffer.from([0x1f, 0x8b, 1]))[0]).toContain('cannot be unzipped');
  expect(rows(Buffer.from([0xf3, 0x89, 0x9a, 0xc2, 1]))[0]).toContain('damaged');
  expect(rows(gzipSync(Buffer.alloc(20 * 2 ** 20)))[0]).toContain('cannot be unzipped');
});
