/** What the gateway has acknowledged is there once, however often its process is killed. */
import { spawn } from 'node:child_process';
import { writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { expect, test } from 'vitest';
import { builtCommandLine } from '../built.ts';
import { emptyFolder, millrace } from './millrace.ts';

const root = resolve(import.meta.dirname, '../..');
const port = 20_000 + (process.pid % 20_000);

/** Starts `serve` and resolves when it takes events. */
async function serve(data: string) {
  const args = ['serve', '--data', data, '--threads', '0', '--http', String(port)];
  const child = spawn(process.execPath, [builtCommandLine, ...args], {
    cwd: root,
    stdio: 'ignore',
  });
  const ended = new Promise((done) => child.once('exit', done));
  for (;;) {
    const ready = await fetch(`http://127.0.0.1:${port}/ready`).catch(() => undefined);
    if (ready?.status === 200) break;
    await new Promise((done) => setTimeout(done, 50));
  }
  return { child, ended };
}

/** Resolves when the application has processed every record of its topics. */
async function caughtUp(): Promise<void> {
  for (;;) {
    const text = await (await fetch(`http://127.0.0.1:${port}/metrics`)).text();
    const lags = [...text.matchAll(/^millrace_lag_records\{[^}]*\} (\d+)/gm)];
    if (lags.length > 0 && lags.every(([, lag]) => lag === '0')) return;
    await new Promise((done) => setTimeout(done, 100));
  }
}

/** `MILLRACE_GATEWAY_REQUESTS=10000 MILLRACE_GATEWAY_KILLS=10` for the long run. */
const requests = Number(process.env['MILLRACE_GATEWAY_REQUESTS'] ?? 600);
const kills = Number(process.env['MILLRACE_GATEWAY_KILLS'] ?? 3);
const eventsOfRequest = 2;
const senders = 8;

/** All ids in the log, as often as they are there. */
async function idsInLog(data: string): Promise<string[]> {
  const { stdout } = await millrace('topics', 'read', 'events', '--json', '--data', data);
  return (JSON.parse(stdout) as { value: string }[]).map(
    ({ value }) => (JSON.parse(value) as { id: string }).id,
  );
}

test('acknowledged events are there once after kills and repeats, and no others', async () => {
  const folder = await emptyFolder();
  const data = join(folder, 'data');
  const input = join(folder, 'first.jsonl');
  const time = '2026-01-01T10:00:00Z';
  const row = { id: 'first', subject: 'ann', class: 'email_open', item: 'm', time };
  await writeFile(input, `${JSON.stringify(row)}\n`);
  const from = ['--input', input, '--mapping', 'sample', '--threads', '0'];
  expect((await millrace('start', '--data', data, ...from)).code).toBe(0);
  const acknowledged = new Set<string>();
  const sent = new Set<string>();
  let [next, answered, repeated] = [0, 0, 0];
  let server = await serve(data);
  const send = async (request: number): Promise<boolean> => {
    const ids = Array.from({ length: eventsOfRequest }, (_, i) => `e${request}-${i}`);
    const events = ids.map((id) => ({ ...row, id, item: id, subject: `s${request % 97}` }));
    for (const id of ids) sent.add(id);
    try {
      const answer = await fetch(`http://127.0.0.1:${port}/v1/events`, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify(events),
      });
      await answer.arrayBuffer();
      if (answer.status !== 202) return false;
      for (const id of ids) acknowledged.add(id);
      return true;
    } catch {
      return false;
    }
  };
  const sender = async () => {
    while (next < requests) {
      const request = next++;
      // Until it is acknowledged, as clients do; one of a hundred once more.
      for (let left = request % 100 === 0 ? 2 : 1; left > 0; ) {
        if (await send(request)) left--;
        else await new Promise((done) => setTimeout(done, 20));
        if (left === 1 && request % 100 === 0) repeated++;
      }
      answered++;
    }
  };
  const killer = async () => {
    for (let kill = 1; kill <= kills; kill++) {
      while (answered < (kill * requests) / (kills + 1)) {
        await new Promise((done) => setTimeout(done, 2));
      }
      server.child.kill('SIGKILL');
      await server.ended;
      server = await serve(data);
    }
  };
  await Promise.all([killer(), ...Array.from({ length: senders }, sender)]);
  await caughtUp();
  server.child.kill('SIGTERM');
  await server.ended;
  expect(acknowledged.size).toBe(requests * eventsOfRequest);
  expect(repeated).toBeGreaterThanOrEqual(requests / 100);
  const ids = await idsInLog(data);
  const there = new Set(ids);
  expect([...acknowledged].filter((id) => !there.has(id))).toEqual([]);
  expect([...there].filter((id) => id !== 'first' && !sent.has(id))).toEqual([]);
  // SQL recomputes all subjects over the log: a repeated event counts once.
  const verified = await millrace('verify', '--data', data, '--json', '--sample', '1000');
  expect(verified).toMatchObject({ code: 0 });
  console.log(`${requests} requests, ${kills} kills: ${ids.length} records, ${there.size} events`);
}, 1_200_000);
