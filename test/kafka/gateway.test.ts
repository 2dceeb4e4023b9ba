/**
 * Two gateways beside one application on Kafka: what they have acknowledged is there and counts
 * once, however often they are killed; and they take no more while the application is too far
 * behind.
 */
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import { type KafkaLog, openKafkaLog } from '../../engine/log/kafka/adapter/kafka-log.ts';
import { defaultKafkaSettings } from '../../engine/log/kafka/settings/kafka-settings.ts';
import { events } from '../../topologies/event.ts';
import { builtPersonalisation } from '../built.ts';
import { emptyFolder, launch, type Running } from '../process/millrace.ts';
import { kafkaAvailable, sharedBroker } from './shared.ts';

const application = 'gateways';
const partitions = 3;
/** `MILLRACE_GATEWAY_REQUESTS=10000 MILLRACE_GATEWAY_KILLS=10` for the long run. */
const kills = Number(process.env['MILLRACE_GATEWAY_KILLS'] ?? 4);
const requests = Number(process.env['MILLRACE_GATEWAY_REQUESTS'] ?? 160);

describe.skipIf(!(await kafkaAvailable()))('gateways on Kafka', () => {
  let brokers: string;
  let log: KafkaLog;
  beforeAll(async () => {
    brokers = (await sharedBroker()).address;
    log = await openKafkaLog({ settings: { ...defaultKafkaSettings, brokers }, application });
  }, 300_000);
  afterAll(() => log?.close());

  const main = (...args: readonly string[]): Running => {
    const running = launch('topologies/app/main.ts', [...args, '--brokers', brokers]);
    onTestFinished(() => void running.child.kill('SIGKILL'));
    return running;
  };
  const runApplication = async (data: string) => {
    const running = main(
      ...['run', builtPersonalisation, '--application', application, '--data', data],
      ...['--partitions', String(partitions), '--threads', '0', '--http', '0'],
    );
    return { ...running, url: await addressOf(running) };
  };
  const gateway = async (instance: string, ...more: readonly string[]) => {
    const running = main(
      ...['gateway', '--application', application, '--http', '0', '--instance-id', instance],
      ...more,
    );
    const url = await addressOf(running);
    while ((await fetch(`${url}/ready`)).status !== 200) await sleep(50);
    return { ...running, url };
  };

  async function idsInLog(): Promise<string[]> {
    const ids: string[] = [];
    for (let partition = 0; partition < partitions; partition++) {
      for (let from = 0; ; ) {
        const at = { topic: events.name, partition };
        const batch = await log.read(at, from, { records: 10_000 });
        if (batch === undefined) break;
        from = batch.nextOffset;
        for (let i = 0; i < batch.count; i++) {
          const bytes = batch.value(i) as Buffer;
          ids.push(events.valueDecoder.decode(bytes, 0, bytes.byteLength).id);
        }
      }
    }
    return ids;
  }

  test('acknowledged events are there once after kills of two gateways', {
    timeout: 1_200_000,
  }, async () => {
    const data = join(await emptyFolder(), 'data');
    const running = await runApplication(data);
    const acknowledged = new Set<string>();
    const sent = new Set<string>();
    let [next, answered] = [0, 0];
    const gateways = await Promise.all([gateway('a'), gateway('b')]);
    const sender = async (n: number) => {
      while (next < requests) {
        const request = next++;
        const ids = Array.from({ length: 5 }, (_, i) => `e${request}-${i}`);
        for (const id of ids) sent.add(id);
        // Sent again until somebody has acknowledged it, as clients do; one of a hundred once more.
        for (let left = request % 100 === 0 ? 2 : 1; left > 0; ) {
          const { url } = gateways[(n + left) % 2] as { url: string };
          const status = await send(url, ids).catch(() => 0);
          if (status === 202) left--;
          else await sleep(20);
          if (status === 202) for (const id of ids) acknowledged.add(id);
        }
        answered++;
      }
    };
    const killer = async () => {
      for (let kill = 1; kill <= kills; kill++) {
        while (answered < (kill * requests) / (kills + 1)) await sleep(5);
        const [which, name] = kill % 2 === 0 ? [0, 'a'] : [1, 'b'];
        gateways[which]?.child.kill('SIGKILL');
        await gateways[which]?.ended;
        gateways[which] = await gateway(name);
      }
    };
    await Promise.all([killer(), ...[0, 1, 2, 3].map(sender)]);
    for (const { child } of gateways) child.kill('SIGTERM');
    for (const { ended } of gateways) expect(await ended).toMatchObject({ code: 0 });
    expect(acknowledged.size).toBe(requests * 5);
    const ids = await idsInLog();
    const there = new Set(ids);
    expect([...acknowledged].filter((id) => !there.has(id))).toEqual([]);
    expect([...there].filter((id) => !sent.has(id))).toEqual([]);
    // The application has read all, and what was there again was a duplicate to it.
    const metric = async (name: RegExp) => {
      const text = await (await fetch(`${running.url}/metrics`)).text();
      return [...text.matchAll(name)].reduce((sum, [, value]) => sum + Number(value), 0);
    };
    while ((await metric(/^millrace_records_in_total (\d+)/gm)) < ids.length) await sleep(100);
    const duplicates = /^millrace_records_dropped_total\{.*reason="duplicate".*\} (\d+)/gm;
    expect(await metric(duplicates)).toBe(ids.length - there.size);
    expect(ids.length).toBeGreaterThan(there.size);
    running.child.kill('SIGTERM');
    expect(await running.ended).toMatchObject({ code: 0 });
    const verified = await main('verify', '--data', data, '--json', '--sample', '1000').ended;
    expect(verified).toMatchObject({ code: 0 });
  });

  test('429 while the application is too far behind, until it is not', {
    timeout: 300_000,
  }, async () => {
    const folder = await emptyFolder();
    const config = join(folder, 'gateway.json');
    await writeFile(config, JSON.stringify({ limits: { backlog: 40 } }));
    const first = await runApplication(join(folder, 'data'));
    const { url } = await gateway('c', '--gateway', config);
    // It has read what the test before wrote, so nothing is behind.
    while ((await send(url, ['first'])) !== 202) await sleep(200);
    first.child.kill('SIGTERM');
    await first.ended;
    let [answer, accepted] = [await post(url, ['x0']), 0];
    for (let i = 1; answer.status === 202; i++) {
      accepted++;
      await sleep(50);
      answer = await post(
        url,
        [0, 1, 2, 3].map((n) => `x${i}-${n}`),
      );
    }
    expect(answer.status).toBe(429);
    expect(answer.headers.get('retry-after')).toBe('5');
    expect(await answer.json()).toEqual({ problem: expect.stringMatching(/\d+ records behind/) });
    expect(accepted).toBeGreaterThan(5);
    await runApplication(join(folder, 'data'));
    while ((await send(url, ['last'])) !== 202) await sleep(200);
  });

  test('serve begins in an empty folder, and goes on in another', {
    timeout: 240_000,
  }, async () => {
    const folder = await emptyFolder();
    for (const data of ['one', 'other']) {
      const flags = ['--data', join(folder, data), '--http', '0', '--instance-id', 'serving'];
      const serving = main('serve', ...flags);
      const url = await addressOf(serving);
      while ((await send(url, ['served1'])) !== 202) await sleep(200);
      const explained = async () => (await fetch(`${url}/score/explain?subject=s1`)).text();
      await expect.poll(explained, { timeout: 120_000 }).toContain('email_open');
      serving.child.kill('SIGTERM');
      expect(await serving.ended).toMatchObject({ code: 0 });
    }
  });

  test('without brokers it says where to go', async () => {
    const { code, stderr } = await launch('topologies/app/main.ts', ['gateway']).ended;
    expect(code).toBe(2);
    expect(stderr).toMatch(/--brokers.*`serve`/);
  });
});

async function addressOf(running: Running): Promise<string> {
  await running.says(' on http://');
  return /on (http:\/\/\S+)/.exec(running.said())?.[1] ?? '';
}

function post(url: string, ids: readonly string[]): Promise<Response> {
  const rows = ids.map((id) => ({
    id,
    // Of each request one: what is kept of a subject grows with its events.
    subject: `s${/\d+/.exec(id)?.[0] ?? ''}`,
    class: 'email_open',
    item: id,
    time: '2026-01-01T10:00:00Z',
  }));
  return fetch(`${url}/v1/events?mapping=sample`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(rows),
  });
}

async function send(url: string, ids: readonly string[]): Promise<number> {
  const answer = await post(url, ids);
  await answer.arrayBuffer();
  return answer.status;
}
