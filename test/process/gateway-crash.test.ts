/** What the gateway has acknowledged is there once, however often its process is killed. */
import { spawn } from 'node:child_process';
import { writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { expect, test } from 'vitest';
import { emptyFolder, millrace } from './millrace.ts';

const root = resolve(import.meta.dirname, '../..');
const port = 20_000 + (process.pid % 20_000);

/** Starts `serve` and resolves when it takes events. */
async function serve(data: string) {
  const main = join(root, 'engine/cli/main.ts');
  const node = ['--conditions=millrace-source', '--import=tsx', main];
  const args = ['serve', '--data', data, '--threads', '0', '--http', String(port)];
  const child = spawn(process.execPath, [...node, ...args], { cwd: root, stdio: 'ignore' });
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

test('acknowledged events are there once after kills and repeats', async () => {
  const folder = await emptyFolder();
  const data = join(folder, 'data');
  const input = join(folder, 'first.jsonl');
  const time = '2026-01-01T10:00:00Z';
  const row = { id: 'first', subject: 'ann', class: 'email_open', item: 'm', time };
  await writeFile(input, `${JSON.stringify(row)}\n`);
  const from = ['--input', input, '--mapping', 'sample', '--threads', '0'];
  expect((await millrace('start', '--data', data, ...from)).code).toBe(0);
  const acknowledged = new Set<string>();
  let next = 0;
  for (let round = 0; round < 3; round++) {
    const { child, ended } = await serve(data);
    const send = async (ids: readonly string[]) => {
      const events = ids.map((id) => ({ ...row, id, item: id, subject: `s${id.length}` }));
      const answer = await fetch(`http://127.0.0.1:${port}/v1/events`, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify(events),
      });
      if (answer.status === 202) for (const id of ids) acknowledged.add(id);
    };
    const senders = Array.from({ length: 4 }, async (_, sender) => {
      for (let i = 0; i < 30; i++) {
        const ids = Array.from({ length: 5 }, () => `e${next++}`);
        try {
          await send(ids);
          // Some requests are sent again, as clients do that have lost the answer.
          if (i % 5 === sender) await send(ids);
        } catch {
          return;
        }
      }
    });
    const kill = async () => {
      while (acknowledged.size < (round + 1) * 150) {
        await new Promise((done) => setTimeout(done, 5));
      }
      child.kill('SIGKILL');
    };
    await Promise.all([kill(), ...senders]);
    await ended;
  }
  const { child, ended } = await serve(data);
  await caughtUp();
  child.kill('SIGTERM');
  await ended;
  const { stdout } = await millrace(
    'topics',
    'read',
    'events',
    '--limit',
    '100000',
    '--json',
    '--data',
    data,
  );
  const ids = (JSON.parse(stdout) as { value: string }[]).map(
    ({ value }) => (JSON.parse(value) as { id: string }).id,
  );
  const there = new Set(ids);
  expect([...acknowledged].filter((id) => !there.has(id))).toEqual([]);
  const verified = await millrace('verify', '--data', data, '--json');
  // SQL recomputes scores over the log: a repeated event counts once.
  expect(verified).toMatchObject({ code: 0 });
}, 300_000);
