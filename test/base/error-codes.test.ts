/** Each error of the catalogue is met by a test or a law, by its code; some are met here. */

import { readdirSync, readFileSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { topic, topology, utf8 } from 'millrace';
import { expect, test } from 'vitest';
import { commitIdOf } from '../../engine/base/commit-id.ts';
import { errorCatalogue } from '../../engine/base/errors.ts';
import { optionalPackage } from '../../engine/base/optional-package.ts';
import { schemaCheck } from '../../engine/cli/schema-command.ts';
import type { StoreSpec } from '../../engine/graph/store-spec.ts';
import { readableTable } from '../../engine/graph/view.ts';
import { processRoutes } from '../../engine/http/processes.ts';
import type { Route } from '../../engine/http/routes.ts';
import { append } from '../../engine/laws/index.ts';
import { kafkaError } from '../../engine/log/kafka/rdkafka/client-errors.ts';
import { kafkaCodes } from '../../engine/log/kafka/wire/error-codes.ts';
import { MemoryLog } from '../../engine/log/memory-log.ts';
import { BatchBuilder } from '../../engine/record/batch.ts';
import { Owners } from '../../engine/runtime/owners.ts';
import { Runtime } from '../../engine/runtime/runtime.ts';
import { plan } from '../../engine/runtime/start-plan.ts';
import { TaskState } from '../../engine/state/task-state.ts';
import { MemoryBackend, MemoryBackends, MemoryStore } from '../../engine/storage/memory-backend.ts';
import { defaultErrorPolicy } from '../../engine/task/error-policy.ts';
import { TaskHost } from '../../engine/task/task-host.ts';
import { plainOf } from '../../engine/testing/golden/plain-values.ts';
import { emptyFolder, launch } from '../process/millrace.ts';

const words = topic<string, string>('words', { value: utf8 });
const counts = topology('counts', (t) => ({
  counted: t
    .stream(words)
    .keyBy('by-word', (word) => word)
    .count('counted'),
}));

const [store] = counts.nodes.flatMap((node) => (node.type === 'step' ? node.step.stores : []));
const openState = (values: MemoryStore) =>
  TaskState.open({
    task: '0_0',
    directory: 'state',
    specs: [store as StoreSpec<unknown, unknown>],
    backend: new MemoryBackend(values),
    cacheBytes: 1_000_000,
  });

const met: Readonly<Record<string, () => unknown>> = {
  TOPIC_MISMATCH: async () => {
    const log = new MemoryLog();
    await log.createTopics([{ name: 'words', partitions: 2, settings: {} }]);
    await log.createTopics([{ name: 'words', partitions: 3, settings: {} }]);
  },
  PARTITIONS_CHANGED: () => {
    const existing = [
      { name: 'words', partitions: 4, settings: {} },
      { name: 'a-by-word-repartition', partitions: 5, settings: {} },
      { name: 'a-counted-changelog', partitions: 3, settings: {} },
    ];
    return plan({ application: 'a', topology: counts, existing, written: [] });
  },
  PACKAGE_MISSING: () =>
    optionalPackage('nowhere', 'no-such-package', () => Promise.reject(new Error('not found'))),
  GOLDEN_VALUE: () => plainOf({ call: () => 1 }, 'value'),
  TABLE_NOT_KEPT: () => {
    const told = topology('told', (t) => ({
      table: t.stream(words).count('kept').suppress('told', { untilCommit: true }),
    }));
    return readableTable(told, 'table');
  },
  CHANGELOG_CORRUPT: async () => {
    const state = await openState(new MemoryStore());
    const records = new BatchBuilder(1, 64);
    records.append(Buffer.from([250, 1]), Buffer.from('?'), 0);
    await state.restore('counted', records.finishAt(0), 0);
  },
  STATE_AHEAD: async () => {
    const backends = new MemoryBackends();
    const first = await started(await logOf(3), backends);
    await first.runUntilCaughtUp();
    await first.close();
    const second = await started(await logOf(0), backends);
    await second.close();
  },
  NOT_OURS: async () => {
    const log = await logOf(1);
    const runtime = await started(log, new MemoryBackends());
    await runtime.close();
    const [route] = processRoutes({
      ...{ local: runtime.tasks, owners: new Owners(log, 'all') },
      lag: () => runtime.lag(),
    });
    const [query, other] = [new URLSearchParams(), 'Bearer of-another-application'];
    const body = { task: '0_0', question: {} };
    await (route as Route).answer(query, body, new AbortController().signal, other);
  },
  CYCLE_REPEATED: async () => {
    const config = {
      ...{ application: 'failing', stateDirectory: 'state', partitionsOf: {} },
      ...{ cacheBytes: 1_000_000, dirtyBytesMax: 1_000_000, onError: defaultErrorPolicy },
    };
    const host = new TaskHost(failing, config, new MemoryBackends());
    const positions = [{ topic: 'words', offset: 0 }];
    await host.open({ taskId: '0_0', subTopology: 0, partition: 0, positions });
    const records = new BatchBuilder();
    records.append(words.key.encode('bad'), words.value.encode('w'), 0);
    await host.process({
      ...{ taskId: '0_0', commitId: commitIdOf(1), caughtUp: ['words'] },
      batches: [{ topic: 'words', image: records.finishAt(0).image }],
    });
  },
  KAFKA_REJECTED: () => {
    const refusal = { code: kafkaCodes.invalidReplicationFactor, message: 'too few brokers' };
    throw kafkaError({ brokers: 'b:9092', what: 'create topic words' }, refusal);
  },
  SCHEMA_REFUSED: async () => {
    const folder = await emptyFolder();
    const [before, after] = [join(folder, 'before.avsc'), join(folder, 'after.avsc')];
    const schema = (fields: readonly object[]) =>
      JSON.stringify({ type: 'record', name: 'Order', fields });
    await writeFile(before, schema([{ name: 'id', type: 'string' }]));
    await writeFile(after, schema([{ name: 'amount', type: 'long' }]));
    await schemaCheck(after, { against: [before], level: 'backward' });
  },
  STATE_CORRUPT: async () => {
    const values = new MemoryStore();
    const state = await openState(values);
    await state.prefetch(['w'], 0);
    state.keyText = 'w';
    state.cells({ name: 'counted' }).put(7);
    state.seal(1);
    await state.commit(1, new Map([['counted', 1]]), 10_000);
    await state.close();
    for (const [key, value] of values.values) {
      const damaged = Buffer.from(value);
      damaged.writeUInt8(damaged.readUInt8(0) ^ 1, 0);
      values.values.set(key, damaged);
    }
    await openState(values);
  },
};

/** Counts, and then fails at a word: the count has changed already. */
const failing = topology('failing', (t) => {
  t.stream(words)
    .count('seen')
    .changes()
    .peek((_, key) => {
      if (key === 'bad') throw new Error('not this one');
    });
});

/** A job whose state outlives its log. */
const job = topology('all', (t) => {
  t.stream(words).count('all');
});

async function started(log: MemoryLog, backends: MemoryBackends): Promise<Runtime> {
  return Runtime.start({
    topology: job,
    application: 'all',
    log,
    stateDirectory: 'state',
    partitions: 1,
    startHosts: async (config) => [new TaskHost(job, config, backends)],
  });
}

async function logOf(records: number): Promise<MemoryLog> {
  const log = new MemoryLog();
  await log.createTopics([{ name: 'words', partitions: 1, settings: {} }]);
  const rows = Array.from({ length: records }, (): [string, string] => ['k', 'w']);
  const writer = await log.openWriter('feed');
  const appends = records === 0 ? [] : [append('words', 0, rows)];
  await writer.commit({ appends, offsets: [], commitId: 1 });
  return log;
}

test.each(Object.entries(met))('%s', async (code, meet) => {
  await expect(Promise.resolve().then(meet)).rejects.toMatchObject({ code });
});

const ofPackages = {
  'rocksdb-native': 'BACKEND_MISSING',
  'node-rdkafka': 'KAFKA_CLIENT_MISSING',
  'node-sqlite3-wasm': 'TOOL_MISSING',
};

test('packages that are not installed are named with what installs them', async () => {
  const { code, stdout, stderr } = await launch('test/base/missing-packages-child.ts', []).ended;
  expect({ code, stderr }).toMatchObject({ code: 0 });
  expect(JSON.parse(stdout)).toEqual(ofPackages);
});

test('a module that makes another graph in a thread is TOPOLOGY_CHANGED', async () => {
  const module = 'test/process/changing-module.ts';
  const args = ['run', module, '--data', await emptyFolder(), '--threads', '1'];
  const { code, stderr } = await launch('topologies/app/main.ts', args).ended;
  expect(stderr).toMatch(/^error TOPOLOGY_CHANGED: the topology in the worker/m);
  expect(code).toBe(2);
});

test('every error is met by a test', () => {
  const root = resolve(import.meta.dirname, '../..');
  const texts = ['test', 'engine/laws'].flatMap((folder) =>
    readdirSync(join(root, folder), { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile() && /\.(ts|json)$/.test(entry.name))
      .filter((entry) => join(entry.parentPath, entry.name) !== import.meta.filename)
      .map((entry) => readFileSync(join(entry.parentPath, entry.name), 'utf8')),
  );
  const all = [
    ...texts,
    ...Object.keys(met),
    ...Object.values(ofPackages),
    'TOPOLOGY_CHANGED',
  ].join('\n');
  const missing = Object.keys(errorCatalogue).filter(
    (code) => !new RegExp(`\\b${code}\\b`).test(all),
  );
  expect(missing.sort()).toEqual([]);
});
