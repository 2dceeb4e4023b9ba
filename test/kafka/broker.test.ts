/**
 * The harness itself: a broker that keeps what it was told through any end, and ends with its
 * owner.
 */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, test } from 'vitest';
import { emptyFolder, launch } from '../process/millrace.ts';
import { type Broker, startBroker } from './broker.ts';
import { kafkaAvailable, sharedBroker } from './shared.ts';

const topicCommand = 'org.apache.kafka.tools.TopicCommand';
const consoleProducer = 'org.apache.kafka.tools.ConsoleProducer';

async function createTopic(broker: Pick<Broker, 'tool'>, topic: string): Promise<void> {
  const args = ['--create', '--topic', topic, '--partitions', '2'];
  const { code, stderr } = await broker.tool(topicCommand, args);
  expect({ code, stderr }).toMatchObject({ code: 0 });
}

function produce(broker: Pick<Broker, 'tool'>, topic: string, lines: readonly string[]) {
  const parse = ['parse.headers=true', 'parse.key=true', 'null.marker=NULL'];
  const args = ['--topic', topic, ...parse.flatMap((one) => ['--property', one])];
  return broker.tool(consoleProducer, args, `${lines.join('\n')}\n`);
}

describe.skipIf(!(await kafkaAvailable()))('the broker of the tests', () => {
  test('an independent reader sees keys, values, headers, tombstones, in the order of a partition', async () => {
    const broker = await sharedBroker();
    await createTopic(broker, 'harness-reader');
    const lines = ['a:1,b:two\tann\tfirst', 'NULL\tann\tNULL', 'NULL\tbob\tgrüße | more'];
    await produce(broker, 'harness-reader', lines);
    const seen = await broker.readCommitted('harness-reader');
    const of = (key: string) =>
      seen
        .filter((record) => record.key?.toString() === key)
        .map(({ value, headers, offset }) => [value?.toString() ?? null, headers, offset]);
    expect(of('ann')).toEqual([
      ['first', 'a:1,b:two', 0],
      [null, '', 1],
    ]);
    expect(of('bob').map(([value]) => value)).toEqual(['grüße | more']);
    expect(seen.every(({ timestamp }) => timestamp > Date.UTC(2020, 0, 1))).toBe(true);
  });

  test('what was acknowledged outlives SIGKILL; a broker held still goes on', async () => {
    const broker = await startBroker({ directory: await emptyFolder() });
    try {
      await createTopic(broker, 'kept');
      await produce(broker, 'kept', ['NULL\tk\tone']);
      await broker.kill();
      await broker.start();
      broker.pause();
      const late = produce(broker, 'kept', ['NULL\tk\ttwo']);
      await sleep(500);
      broker.resume();
      await late;
      const values = (await broker.readCommitted('kept')).map(({ value }) => value?.toString());
      expect(values).toEqual(['one', 'two']);
    } finally {
      await broker.stop();
    }
  });

  test('a broker ends with the process that started it, also when that is killed', async () => {
    const owner = launch('test/kafka/broker-owner.ts', []);
    await owner.says('broker ');
    const [, pid = '', directory = ''] = /broker (\d+) (.*)/.exec(owner.said()) ?? [];
    expect(alive(Number(pid))).toBe(true);
    owner.child.kill('SIGKILL');
    await owner.ended;
    while (alive(Number(pid))) await sleep(50);
    await expect(gone(directory)).resolves.toBe(true);
  });
});

function alive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}

async function gone(directory: string): Promise<boolean> {
  for (;;) {
    try {
      await readFile(join(directory, 'server.properties'));
    } catch {
      return true;
    }
    await sleep(50);
  }
}
