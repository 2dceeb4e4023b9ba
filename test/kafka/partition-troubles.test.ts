/**
 * One partition of a topic cannot be read while the others can, on real brokers: its leader is
 * gone, a batch is damaged on the broker's disk, the right to read is taken away. The log, the
 * health and the metrics say so, or the run ends with an error that names it; nothing stands still
 * in silence.
 */
import { open, readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, onTestFailed, onTestFinished, test } from 'vitest';
import { type KafkaLog, openKafkaLog } from '../../engine/log/kafka/adapter/kafka-log.ts';
import { defaultKafkaSettings } from '../../engine/log/kafka/settings/kafka-settings.ts';
import { BatchBuilder } from '../../engine/record/batch.ts';
import { emptyFolder, launch, type Running } from '../process/millrace.ts';
import { type Broker, startBroker } from './broker.ts';
import { kafkaAvailable } from './shared.ts';

const partitions = 2;

interface Health {
  readonly status: string;
  readonly stalled: readonly { readonly topic: string; readonly partition: number }[];
}

describe.skipIf(!(await kafkaAvailable()))('a partition that cannot be read', () => {
  let broker: Broker;
  let log: KafkaLog;
  beforeAll(async () => {
    broker = await startBroker();
    const settings = { ...defaultKafkaSettings, brokers: broker.address };
    log = await openKafkaLog({ settings, application: 'troubles-witness' });
  }, 300_000);
  afterAll(async () => {
    await log?.close();
    await broker?.stop('SIGKILL');
  });

  async function job(name: string, env: Readonly<Record<string, string>> = {}) {
    const words = `${name}-words`;
    await log.createTopics([{ name: words, partitions, settings: {} }]);
    const data = await emptyFolder();
    const start = (...args: readonly string[]): Running => {
      const running = launch(
        'topologies/app/main.ts',
        [
          ...['run', 'test/kafka/fault-job.ts', '--brokers', broker.address, '--data', data],
          ...['--application', name, '--partitions', `${partitions}`, '--threads', '0'],
          ...['--log-level', 'info', ...args],
        ],
        { MILLRACE_TEST_JOB: name, ...env },
      );
      onTestFailed(() => console.error(`${name} said:\n${running.said()}`));
      onTestFinished(() => void running.child.kill('SIGKILL'));
      return running;
    };
    return { words, start };
  }

  async function write(topic: string, partition: number, ...values: string[]): Promise<void> {
    const writer = await log.openWriter('troubles-feeder');
    const builder = new BatchBuilder();
    for (const value of values) {
      builder.append(Buffer.from(value), Buffer.from(value), Date.now() - 1_000);
    }
    const appends = [{ topic, partition, batch: builder.finishAt(0) }];
    await writer.commit({ appends, offsets: [], commitId: 1 });
    await writer.close();
  }

  /** Until both partitions together hold so many copies. */
  async function copied(name: string, count: number): Promise<string[]> {
    for (;;) {
      const values: string[] = [];
      for (let partition = 0; partition < partitions; partition++) {
        for (let from = 0; ; ) {
          const at = { topic: `${name}-copies`, partition };
          const batch = await log.read(at, from, { records: 1_000 });
          if (batch === undefined) break;
          from = batch.nextOffset;
          for (let i = 0; i < batch.count; i++) values.push(String(batch.value(i)));
        }
      }
      if (values.length >= count) return values.sort();
      await sleep(100);
    }
  }

  test.each(['direct', 'packed'])(
    'a batch is damaged on the disk of the broker: an error with its place, by the %s transport',
    { timeout: 300_000 },
    async (transport) => {
      const name = `damaged-${transport}`;
      const { words, start } = await job(name, { MILLRACE_KAFKA_TRANSPORT: transport });
      await write(words, 1, 'first');
      await write(words, 1, 'second', 'Quartz jackdaws');
      const folder = join(broker.directory, 'log', `${words}-1`);
      const [segment = ''] = (await readdir(folder)).filter((file) => file.endsWith('.log'));
      await changeIn(join(folder, segment), 'Quartz jack', 'q');
      const { code, stderr } = await start('--until-caught-up').ended;
      expect([code, stderr]).toEqual([3, expect.stringContaining('RECORDS_UNREADABLE')]);
      expect(stderr).toMatch(new RegExp(`${words}[^\\n]*\\b1\\b`));
      // Nothing was skipped: when the batch is whole again, all of it is taken.
      await changeIn(join(folder, segment), 'quartz jack', 'Q');
      expect(await start('--until-caught-up').ended).toMatchObject({ code: 0 });
      expect(await copied(name, 3)).toEqual(['Quartz jackdaws', 'first', 'second']);
    },
  );

  /** Changes the first letter of `text` in a file. */
  async function changeIn(path: string, text: string, letter: string): Promise<void> {
    const at = (await readFile(path)).indexOf(text);
    expect(at).toBeGreaterThan(0);
    const file = await open(path, 'r+');
    await file.write(Buffer.from(letter), 0, 1, at);
    await file.close();
  }

  // The last one: topics that are made from here on may lie on a broker that is gone.
  test('its leader is gone: said, and the others go on; then it goes on', {
    timeout: 600_000,
  }, async () => {
    const name = 'leader';
    const { words, start } = await job(name);
    // All topics of the job lie on the first broker; then one partition of its source goes to the
    // second.
    await write(words, 1, 'a');
    expect(await start('--until-caught-up').ended).toMatchObject({ code: 0 });
    const second = await startBroker({ joins: broker });
    onTestFinished(() => second.stop('SIGKILL'));
    await moveTo(2, { topic: words, partition: 1 });
    const running = start('--http', '0');
    await running.says('"msg":"running"');
    await write(words, 1, 'b');
    expect(await copied(name, 2)).toEqual(['a', 'b']);

    const address = /http:\S+/.exec(running.said())?.[0];
    const health = async () => (await (await fetch(`${address}/health`)).json()) as Health;
    const metrics = async () => (await fetch(`${address}/metrics`)).text();
    const stalled = (is: 0 | 1) =>
      new RegExp(`^millrace_partition_stalled{.*topic="${words}",partition="1".*} ${is}$`, 'm');
    await second.kill();
    const begin = performance.now();
    await running.says('the partition cannot be read, trying again');
    console.log(`said after ${Math.round(performance.now() - begin)} ms`);
    expect(running.said()).toMatch(new RegExp(`"topic":"${words}","partition":1`));
    expect(await health()).toMatchObject({
      status: 'waiting',
      stalled: [{ topic: words, partition: 1 }],
    });
    expect(await metrics()).toMatch(stalled(1));
    await write(words, 0, 'c');
    expect(await copied(name, 3)).toEqual(['a', 'b', 'c']);

    await second.start();
    await write(words, 1, 'd');
    expect(await copied(name, 4)).toEqual(['a', 'b', 'c', 'd']);
    while ((await health()).status !== 'running') await sleep(100);
    expect(await metrics()).toMatch(stalled(0));
    running.child.kill('SIGTERM');
    expect(await running.ended).toMatchObject({ code: 0 });
  });

  async function moveTo(node: number, at: { topic: string; partition: number }): Promise<void> {
    const file = join(await emptyFolder(), 'moves.json');
    await writeFile(
      file,
      JSON.stringify({ version: 1, partitions: [{ ...at, replicas: [node] }] }),
    );
    const tool = 'org.apache.kafka.tools.reassign.ReassignPartitionsCommand';
    const args = ['--reassignment-json-file', file];
    const { code, stdout, stderr } = await broker.tool(tool, [...args, '--execute']);
    expect({ code, stdout, stderr }).toMatchObject({ code: 0 });
    for (;;) {
      const { stdout: found } = await broker.tool(tool, [...args, '--verify']);
      if (/is complete/.test(String(found))) return;
      await sleep(300);
    }
  }
});
