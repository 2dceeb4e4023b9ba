/** What goes wrong between a running job and its broker: one clear message, and nothing is lost. */
import { randomBytes } from 'node:crypto';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import { type KafkaLog, openKafkaLog } from '../../engine/log/kafka/adapter/kafka-log.ts';
import { defaultKafkaSettings } from '../../engine/log/kafka/settings/kafka-settings.ts';
import type { TopicPartition } from '../../engine/log/log.ts';
import { BatchBuilder } from '../../engine/record/batch.ts';
import { type Ended, emptyFolder, launch, type Running } from '../process/millrace.ts';
import { type BrokerClient, startBroker } from './broker.ts';
import { kafkaAvailable, sharedBroker } from './shared.ts';

const partitions = 2;
const all = { records: 10_000 };
const recently = () => Date.now() - 1_000;

describe.skipIf(!(await kafkaAvailable()))('faults', () => {
  let broker: BrokerClient;
  let log: KafkaLog;
  let folder: string;
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'millrace-faults-'));
    broker = await sharedBroker();
    const settings = { ...defaultKafkaSettings, brokers: broker.address };
    log = await openKafkaLog({ settings, application: 'faults-witness' });
  });
  afterAll(async () => {
    await log?.close();
    await rm(folder, { recursive: true, force: true, maxRetries: 5 });
  });

  /** A job with topics of its own. */
  async function job(name: string, env: Readonly<Record<string, string>> = {}) {
    const words = `${name}-words`;
    await log.createTopics([{ name: words, partitions, settings: {} }]);
    const start = (...args: readonly string[]): Running => {
      const running = launch(
        'topologies/app/main.ts',
        [
          ...['run', 'test/kafka/fault-job.ts', '--brokers', broker.address],
          ...['--application', name, '--partitions', String(partitions), '--threads', '0'],
          ...['--data', join(folder, name), '--log-level', 'info', ...args],
        ],
        {
          MILLRACE_TEST_JOB: name,
          MILLRACE_KAFKA_OPTION_TOPIC_METADATA_REFRESH_INTERVAL_MS: '1000',
          ...env,
        },
      );
      onTestFinished(() => void running.child.kill('SIGKILL'));
      return running;
    };
    return {
      words,
      start,
      finish: (...args: readonly string[]) => start('--until-caught-up', ...args).ended,
      copies: () => valuesOf(`${name}-copies`),
    };
  }

  async function write(topic: string, values: readonly string[], at = recently()): Promise<void> {
    const writer = await log.openWriter('faults-feeder');
    const appends = values.map((value, i) => {
      const builder = new BatchBuilder();
      builder.append(Buffer.from(`key-${i}`), Buffer.from(value), at);
      return { topic, partition: i % partitions, batch: builder.finishAt(0) };
    });
    await writer.commit({ appends, offsets: [], commitId: 1 });
    await writer.close();
  }

  async function valuesOf(topic: string): Promise<string[]> {
    const values: string[] = [];
    for (let partition = 0; partition < partitions; partition++) {
      for (let from = 0; ; ) {
        const batch = await log.read({ topic, partition }, from, all);
        if (batch === undefined) break;
        from = batch.nextOffset;
        for (let i = 0; i < batch.count; i++) values.push(String(batch.value(i)));
      }
    }
    return values.sort();
  }

  async function configure(topic: string, ...settings: readonly string[]): Promise<void> {
    const where = ['--alter', '--entity-type', 'topics', '--entity-name', topic];
    const { code, stderr } = await broker.tool('kafka.admin.ConfigCommand', [
      ...where,
      ...settings,
    ]);
    expect({ code, stderr }).toMatchObject({ code: 0 });
  }

  function expectFailure({ code, stderr }: Ended, ...said: readonly (string | RegExp)[]): void {
    expect(code).not.toBe(0);
    for (const text of said) expect(stderr).toMatch(text);
  }

  test('a record that is too large for its topic', { timeout: 600_000 }, async () => {
    const { words, finish, copies } = await job('large');
    await log.createTopics([{ name: 'large-copies', partitions, settings: {} }]);
    await configure('large-copies', '--add-config', 'max.message.bytes=1000');
    // Random: it is compressed on its way.
    const big = randomBytes(4_000).toString('base64');
    await write(words, ['small', big]);
    expectFailure(await finish(), 'RECORD_REFUSED', 'large-copies', 'max.message.bytes');
    await configure('large-copies', '--delete-config', 'max.message.bytes');
    expect(await finish()).toMatchObject({ code: 0 });
    expect(await copies()).toEqual([big, 'small'].sort());
  });

  test('a time that the topic does not take', { timeout: 600_000 }, async () => {
    const { words, finish, copies } = await job('old');
    await log.createTopics([{ name: 'old-copies', partitions, settings: {} }]);
    await configure('old-copies', '--add-config', 'message.timestamp.before.max.ms=60000');
    await write(words, ['yesterday'], Date.now() - 86_400_000);
    expectFailure(await finish(), 'RECORD_REFUSED', 'old-copies', 'message.timestamp');
    await configure('old-copies', '--delete-config', 'message.timestamp.before.max.ms');
    expect(await finish()).toMatchObject({ code: 0 });
    expect(await copies()).toEqual(['yesterday']);
  });

  test('a source with more partitions while it runs', { timeout: 600_000 }, async () => {
    const { words, start } = await job('grown');
    await write(words, ['before']);
    const running = start();
    await running.says('"task":"1_1"');
    const args = ['--alter', '--topic', words, '--partitions', '3'];
    await broker.tool('org.apache.kafka.tools.TopicCommand', args);
    expectFailure(await running.ended, 'TOPIC_GREW', words, 'new application name');
  });

  test('a source that is deleted while it runs, and made anew', { timeout: 600_000 }, async () => {
    const { words, start, finish, copies } = await job('gone');
    await write(words, ['a', 'b', 'c', 'd']);
    expect(await finish()).toMatchObject({ code: 0 });
    const running = start();
    await running.says('"task":"1_1"');
    const args = ['--delete', '--topic', words];
    await broker.tool('org.apache.kafka.tools.TopicCommand', args);
    expectFailure(await running.ended, 'TOPIC_DELETED', words);
    await log.createTopics([{ name: words, partitions, settings: {} }]);
    await write(words, ['e']);
    expect(await finish()).toMatchObject({ code: 0 });
    expect(await copies()).toEqual(['a', 'b', 'c', 'd', 'e']);
  });

  test.each(['direct', 'packed'])(
    'a source that is made anew while it runs is not gone on in at the old offset, by the %s transport',
    { timeout: 600_000 },
    async (transport) => {
      const { words, start, finish, copies } = await job(`anew-${transport}`, {
        MILLRACE_KAFKA_TRANSPORT: transport,
        // The group does not see that the topic is away for a moment.
        MILLRACE_KAFKA_OPTION_TOPIC_METADATA_REFRESH_INTERVAL_MS: '300000',
      });
      await write(words, ['a', 'b']);
      const running = start();
      await running.says('"task":"1_1"');
      while ((await copies()).length < 2) await sleep(100);
      // The next of both are asked for at offset 2.
      await broker.tool('org.apache.kafka.tools.TopicCommand', ['--delete', '--topic', words]);
      await log.createTopics([{ name: words, partitions, settings: {} }]);
      const anew = ['c', 'd', 'e', 'f', 'g', 'h', 'i', 'j'];
      await write(words, anew);
      const { code, stderr } = await running.ended;
      // It may be met while it is away, too.
      expect(code).toBeGreaterThan(1);
      expect(stderr).toMatch(/TOPIC_REMADE|TOPIC_DELETED|OFFSET_LOST/);
      if (transport === 'packed') return;
      expect(stderr).toMatch(/TOPIC_REMADE|TOPIC_DELETED/);
      expect(await finish()).toMatchObject({ code: 0 });
      expect(await copies()).toEqual(['a', 'b', ...anew]);
    },
  );

  test('an output, and a changelog, that are deleted while it runs', {
    timeout: 600_000,
  }, async () => {
    for (const [name, gone] of [
      ['out', 'out-copies'],
      ['state', 'state-words-changelog'],
    ] as const) {
      const { words, start, copies } = await job(name);
      await write(words, ['a', 'b']);
      const running = start();
      await running.says('"task":"1_1"');
      while ((await copies()).length < 2) await sleep(100);
      await broker.tool('org.apache.kafka.tools.TopicCommand', ['--delete', '--topic', gone]);
      await write(words, ['c', 'd']);
      expectFailure(await running.ended, 'TOPIC_DELETED', gone);
    }
  });

  test('records deleted before they were read', { timeout: 600_000 }, async () => {
    const { words, finish, copies } = await job('lost');
    await write(words, ['a', 'b']);
    expect(await finish()).toMatchObject({ code: 0 });
    await write(words, ['lost', 'c', 'd', 'e']);
    await deleteBefore({ topic: words, partition: 0 }, 3);
    expectFailure(await finish(), 'OFFSET_LOST', words, '--on-offset-lost');
    expect(await copies()).toEqual(['a', 'b']);
    expect(await finish('--on-offset-lost', 'earliest')).toMatchObject({ code: 0 });
    expect(await copies()).toEqual(['a', 'b', 'c', 'd', 'e']);
  });

  test('offsets of the group that the brokers deleted', { timeout: 600_000 }, async () => {
    const { words, finish, copies } = await job('expired');
    await write(words, ['a', 'b']);
    expect(await finish()).toMatchObject({ code: 0 });
    const args = ['--delete', '--group', 'expired'];
    const tool = 'org.apache.kafka.tools.consumer.group.ConsumerGroupCommand';
    const { code, stdout, stderr } = await broker.tool(tool, args);
    expect({ code, stdout, stderr }).toMatchObject({ code: 0 });
    await write(words, ['c', 'd']);
    expectFailure(await finish(), 'OFFSETS_MISSING', 'expired-by-word', '--on-offset-lost');
    expect(await copies()).toEqual(['a', 'b']);
    const { code: ended, stderr: said } = await finish('--on-offset-lost', 'earliest');
    expect(ended).toBe(0);
    expect(said).toContain('the group has lost the offsets of a task');
    expect(await copies()).toEqual(['a', 'a', 'b', 'b', 'c', 'd']);
  });

  async function deleteBefore({ topic, partition }: TopicPartition, offset: number): Promise<void> {
    const file = join(folder, 'delete.json');
    await writeFile(
      file,
      JSON.stringify({ partitions: [{ topic, partition, offset }], version: 1 }),
    );
    const args = ['--offset-json-file', file];
    const { code, stderr } = await broker.tool('org.apache.kafka.tools.DeleteRecordsCommand', args);
    expect({ code, stderr }).toMatchObject({ code: 0 });
  }
});

describe.skipIf(!(await kafkaAvailable()))('brokers that do not answer', () => {
  test('at the start, for good: an error that names them, after the time allowed', async () => {
    const nobody = '127.0.0.1:9';
    const ended = await launch('topologies/app/main.ts', runAt(nobody, await emptyFolder()), {
      MILLRACE_KAFKA_CONNECT_TIMEOUT_MS: '2000',
    }).ended;
    expect(ended).toMatchObject({ code: 1 });
    expect(ended.stderr).toMatch(/LOG_UNREACHABLE: the brokers at 127.0.0.1:9 do not answer/);
  });

  test('at the start: it says so long before it gives up', async () => {
    const args = [...runAt('127.0.0.1:9', await emptyFolder())];
    const running = launch('topologies/app/main.ts', args, {
      MILLRACE_KAFKA_CONNECT_TIMEOUT_MS: '600000',
    });
    onTestFinished(() => void running.child.kill('SIGKILL'));
    await running.says('no broker answers, waiting');
    await running.says('127.0.0.1:9: no answer since the start');
  });

  test.each<NodeJS.Signals>(['SIGTERM', 'SIGINT'])(
    'at the start: %s ends it within seconds, as a stop that is done',
    async (signal) => {
      const running = launch('topologies/app/main.ts', runAt('127.0.0.1:9', await emptyFolder()), {
        MILLRACE_KAFKA_CONNECT_TIMEOUT_MS: '600000',
      });
      onTestFinished(() => void running.child.kill('SIGKILL'));
      await running.says('no broker answers, waiting');
      running.child.kill(signal);
      // Within the deadline of a stop, 20 s, it was left with code 130.
      const { code, stderr } = await running.ended;
      expect([code, stderr]).toEqual([0, expect.stringContaining('stopped while it was starting')]);
    },
  );

  test('while nothing comes: it says so, its health tells, and it goes on', {
    timeout: 600_000,
  }, async () => {
    const broker = await startBroker();
    onTestFinished(() => broker.stop('SIGKILL'));
    const args = [...runAt(broker.address, await emptyFolder()), '--http', '0'];
    const running = launch('topologies/app/main.ts', args, { MILLRACE_TEST_JOB: 'away' });
    onTestFinished(() => void running.child.kill('SIGKILL'));
    await running.says('"task":"1_0"');
    await running.says('http:');
    const address = /http:\S+/.exec(running.said())?.[0];
    const health = async () => {
      const response = await fetch(`${address}/health`);
      const { status } = (await response.json()) as { status: string };
      return `${response.status} ${status}`;
    };
    expect(await health()).toBe('200 running');
    await broker.kill();
    await running.says('no broker answers, waiting');
    expect(await health()).toBe('503 waiting');
    await broker.start();
    await running.says('a broker answers again');
    // A commit that was under way is in doubt, or the group assigns anew: the tasks may be opened
    // once more.
    while ((await health()) !== '200 running') await sleep(100);
    await broker.kill();
    await sleep(3_000);
    running.child.kill('SIGTERM');
    expect(await running.ended).toMatchObject({ code: 0 });
  });

  function runAt(brokers: string, folder: string): string[] {
    const job = ['run', 'test/kafka/fault-job.ts', '--partitions', '1', '--threads', '0'];
    return [...job, '--brokers', brokers, '--data', folder, '--log-level', 'info'];
  }
});
