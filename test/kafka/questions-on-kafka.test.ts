/**
 * What an application on Kafka is asked by command: whole listings, also of topics with gaps,
 * aborted records and marks of transactions, and state from the changelogs; after the run, while it
 * runs, and from a folder where nothing ran.
 */
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import { type KafkaLog, openKafkaLog } from '../../engine/log/kafka/adapter/kafka-log.ts';
import { loadRdkafka } from '../../engine/log/kafka/rdkafka/rdkafka.ts';
import { defaultKafkaSettings } from '../../engine/log/kafka/settings/kafka-settings.ts';
import { BatchBuilder } from '../../engine/record/batch.ts';
import { emptyFolder, launch } from '../process/millrace.ts';
import { kafkaAvailable, sharedBroker } from './shared.ts';

const partitions = 3;

describe.skipIf(!(await kafkaAvailable()))('questions on Kafka', () => {
  let brokers: string;
  let log: KafkaLog;
  beforeAll(async () => {
    brokers = (await sharedBroker()).address;
    const settings = { ...defaultKafkaSettings, brokers };
    log = await openKafkaLog({ settings, application: 'questions-witness' });
  }, 300_000);
  afterAll(() => log?.close());

  const asked = (...args: readonly string[]) =>
    launch('topologies/app/main.ts', args, { MILLRACE_TEST_JOB: 'questions' }).ended;

  async function write(topic: string, partition: number, values: readonly string[]) {
    const writer = await log.openWriter(`${topic}-feeder`);
    const builder = new BatchBuilder();
    for (const value of values) builder.append(Buffer.from(value), Buffer.from(value), Date.now());
    const appends = [{ topic, partition, batch: builder.finishAt(0) }];
    await writer.commit({ appends, offsets: [], commitId: 1 });
    await writer.close();
  }

  /** Records that no reader may see, and a mark behind them. */
  async function abort(topic: string, partition: number, values: readonly string[]) {
    const rdkafka = loadRdkafka();
    const producer = new rdkafka.Producer(
      { 'metadata.broker.list': brokers, 'transactional.id': `${topic}-aborter` } as never,
      {},
    );
    const done = (start: (end: (error: unknown) => void) => void) =>
      new Promise<void>((resolve, reject) => start((e) => (e ? reject(e) : resolve())));
    await done((end) => producer.connect({}, (error) => end(error)));
    await done((end) => producer.initTransactions(20_000, end as never));
    await done((end) => producer.beginTransaction(end as never));
    for (const value of values) producer.produce(topic, partition, Buffer.from(value));
    await done((end) => producer.flush(20_000, end as never));
    await done((end) => producer.abortTransaction(20_000, end as never));
    await done((end) => producer.disconnect(() => end(null)));
  }

  test('a listing is whole, whatever lies between the records', { timeout: 600_000 }, async () => {
    const topic = 'questions-listing';
    await log.createTopics([
      { name: topic, partitions, settings: {} },
      { name: 'questions-kept', partitions: 1, settings: { cleanup: 'compact' } },
    ]);
    for (let round = 0; round < 4; round++) {
      await write(topic, 0, [`a${round}`, `b${round}`]);
      await abort(topic, 0, ['never', 'seen']);
    }
    await abort(topic, 2, ['only', 'aborted']);
    await write(topic, 2, ['last']);
    const data = await emptyFolder();
    const on = ['--brokers', brokers, '--data', data];
    const read = async (...more: readonly string[]) => {
      const { code, stdout, stderr } = await asked(
        'topics',
        'read',
        topic,
        '--json',
        ...on,
        ...more,
      );
      const rows = JSON.parse(stdout) as { partition: number; offset: number; value: string }[];
      return { code, stderr, values: rows.map((r) => `${r.partition} ${r.value}`), rows };
    };
    const all = [0, 1, 2, 3].flatMap((round) => [`0 a${round}`, `0 b${round}`]);
    const whole = await read();
    expect(whole).toMatchObject({ code: 0, stderr: '', values: [...all, '2 last'] });
    const from = whole.rows[5]?.offset ?? 0;
    expect((await read('--partition', '0', '--from', String(from))).values).toEqual(all.slice(5));
    const cut = await read('--limit', '3');
    expect(cut.values).toEqual(all.slice(0, 3));
    expect(cut.stderr).toMatch(/there are more/);
    const { stdout } = await asked('topics', '--json', ...on);
    const cleanup = new Map(
      (JSON.parse(stdout) as { topic: string; cleanup: string }[]).map((t) => [t.topic, t.cleanup]),
    );
    expect([cleanup.get(topic), cleanup.get('questions-kept')]).toEqual(['delete', 'compact']);
  });

  test('state and listings of an application, after the run and while it runs', {
    timeout: 300_000,
  }, async () => {
    await log.createTopics([{ name: 'questions-words', partitions, settings: {} }]);
    await write('questions-words', 0, ['ash', 'birch', 'ash']);
    await write('questions-words', 1, ['cedar', 'ash']);
    const data = await emptyFolder();
    const run = (...more: readonly string[]) =>
      launch(
        'topologies/app/main.ts',
        [
          ...['run', 'test/kafka/fault-job.ts', '--brokers', brokers, '--data', data],
          ...['--application', 'questions', '--partitions', '3', '--threads', '0', ...more],
        ],
        { MILLRACE_TEST_JOB: 'questions' },
      );
    expect(await run('--until-caught-up').ended).toMatchObject({ code: 0 });
    const counts = async () => {
      const { code, stdout, stderr } = await asked('query', 'words', '--json', '--data', data);
      expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
      const rows = JSON.parse(stdout) as { key: string; value: number }[];
      return Object.fromEntries(rows.map(({ key, value }) => [key, value]));
    };
    const expected = { ash: 3, birch: 1, cedar: 1 };
    expect(await counts()).toEqual(expected);
    // No folder of state is needed for it.
    await rm(join(data, 'state'), { recursive: true, force: true });
    expect(await counts()).toEqual(expected);
    const one = await asked('query', 'words', 'ash', '--data', data);
    expect(one.stdout).toMatch(/^ash .* 3\n$/);
    const running = run('--log-level', 'info');
    onTestFinished(() => void running.child.kill('SIGKILL'));
    await running.says('"task":"1_2"');
    expect(await counts()).toEqual(expected);
    const letters = await asked('dead-letters', '--data', data);
    expect(letters).toMatchObject({ code: 0, stdout: 'no dead letters\n' });
    running.child.kill('SIGTERM');
    expect(await running.ended).toMatchObject({ code: 0 });
  });
});
