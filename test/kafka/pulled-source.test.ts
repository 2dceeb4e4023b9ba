/**
 * A source that an application on Kafka pulls from: every row once, however often its processes are
 * killed and whatever folder they go on in; a pause and a reset by command.
 */
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import { type KafkaLog, openKafkaLog } from '../../engine/log/kafka/adapter/kafka-log.ts';
import { defaultKafkaSettings } from '../../engine/log/kafka/settings/kafka-settings.ts';
import { startShop } from '../connect/pull/shop.ts';
import { emptyFolder, launch, millrace } from '../process/millrace.ts';
import { kafkaAvailable, sharedBroker } from './shared.ts';

const application = 'pulled-job';
const topic = 'pulled-orders';
const order = (n: number) => ({
  id: `o${n}`,
  kind: `kind ${n % 3}`,
  updated: new Date(Date.UTC(2026, 0, 1, 0, n)).toISOString(),
});

describe.skipIf(!(await kafkaAvailable()))('a pulled source on Kafka', () => {
  let brokers: string;
  let log: KafkaLog;
  beforeAll(async () => {
    brokers = (await sharedBroker()).address;
    log = await openKafkaLog({ settings: { ...defaultKafkaSettings, brokers }, application });
  }, 300_000);
  afterAll(() => log?.close());

  async function idsInLog(): Promise<string[]> {
    const found = (await log.topics()).find(({ name }) => name === topic);
    const ids: string[] = [];
    for (let partition = 0; partition < (found?.partitions ?? 0); partition++) {
      for (let from = 0; ; ) {
        const batch = await log.read({ topic, partition }, from, { records: 10_000 });
        if (batch === undefined) break;
        for (let i = 0; i < batch.count; i++) ids.push(String(batch.key(i)));
        from = batch.nextOffset;
      }
    }
    return ids.sort();
  }

  test('killed in the middle, in another folder, paused, reset: every row once', {
    timeout: 480_000,
  }, async () => {
    const shop = await startShop('cursor');
    const folder = await emptyFolder();
    const file = join(folder, 'sources.json');
    const source = {
      kind: 'rest',
      url: `${shop.url}/orders`,
      rows: 'data.orders',
      id: 'id',
      paging: { type: 'cursor', from: 'paging.next', parameter: 'after' },
      incremental: { field: 'updated', parameter: 'since' },
      topic,
      key: 'id',
      time: 'updated',
      timeFormat: 'iso',
      everySeconds: 0.2,
    };
    await writeFile(file, JSON.stringify({ sources: { shop: source } }));
    const started = (data: string) => {
      const running = launch('topologies/app/main.ts', [
        ...['run', 'test/kafka/pulled-job.ts', '--brokers', brokers, '--sources', file],
        ...['--data', join(folder, data), '--threads', '0', '--partitions', '2', '--http', '0'],
        // A name of its own: who was killed is not waited for.
        ...['--instance-id', 'pulled-one'],
      ]);
      onTestFinished(() => void running.child.kill('SIGKILL'));
      return running;
    };
    const command = (...args: readonly string[]) =>
      millrace(...args, '--brokers', brokers, '--application', application);
    const metric = async (running: ReturnType<typeof started>, line: string) => {
      const [, url] = /(http:\/\/127\.0\.0\.1:\d+)/.exec(running.said()) ?? [];
      if (url === undefined) return false;
      return (await (await fetch(`${url}/metrics`)).text()).includes(`${line}\n`);
    };
    const ids = (count: number) => Array.from({ length: count }, (_, n) => order(n).id).sort();

    shop.orders = Array.from({ length: 40 }, (_, n) => order(n));
    // Each dies while a page is under way; the next one has another folder.
    for (const [round, dieAfter] of [4, 7].entries()) {
      let asked = 0;
      const dying = started(`data${round}`);
      shop.fault = () => {
        if (++asked >= dieAfter) dying.child.kill('SIGKILL');
        return undefined;
      };
      expect(await dying.ended).toMatchObject({ signal: 'SIGKILL' });
    }
    shop.fault = () => undefined;
    let running = started('data2');
    await expect.poll(idsInLog, { timeout: 120_000 }).toEqual(ids(40));

    expect(await command('pause', '--source', 'shop')).toMatchObject({
      code: 0,
      stdout: expect.stringContaining('source shop'),
    });
    const isPaused = () => metric(running, 'millrace_paused{what="sources"} 1');
    await expect.poll(isPaused, { timeout: 60_000 }).toBe(true);
    shop.orders = [...shop.orders, order(40), order(41)];
    running.child.kill('SIGKILL');
    await running.ended;
    running = started('data3');
    await expect.poll(isPaused, { timeout: 120_000 }).toBe(true);
    expect(await idsInLog()).toEqual(ids(40));
    expect(await command('resume', '--source', 'shop')).toMatchObject({ code: 0 });
    await expect.poll(idsInLog, { timeout: 120_000 }).toEqual(ids(42));
    running.child.kill('SIGTERM');
    expect(await running.ended).toMatchObject({ code: 0 });

    // The rows are in the topic: they are counted anew, and not fetched anew.
    // By its name the process stays a member for a while after it has ended.
    const reset = () => command('reset', '--yes', '--data', join(folder, 'data3'));
    await expect
      .poll(async () => (await reset()).code, { timeout: 120_000, interval: 3_000 })
      .toBe(0);
    shop.orders = [...shop.orders, order(42)];
    running = started('data3');
    await expect.poll(idsInLog, { timeout: 120_000 }).toEqual(ids(43));
    const counts = async () => {
      const query = await millrace('query', 'kinds', '--json', '--data', join(folder, 'data3'));
      return (JSON.parse(query.stdout || '[]') as { value: number }[])
        .map(({ value }) => value)
        .sort();
    };
    await expect.poll(counts, { timeout: 120_000, interval: 1_000 }).toEqual([14, 14, 15]);
    running.child.kill('SIGTERM');
    expect(await running.ended).toMatchObject({ code: 0 });
  });
});
