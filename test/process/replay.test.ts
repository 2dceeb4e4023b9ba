/** Replay by command: while the process runs and while nothing does; and over HTTP. */
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { emptyFolder, launch, millrace } from './millrace.ts';

const job = 'test/process/refusing-job.ts';
const input = [1, 2, 3, 4].map((n) => JSON.stringify({ id: `k${n}`, at: n, n }));

test('a command replays in what ran, in what runs, and over HTTP', {
  timeout: 240_000,
}, async () => {
  const data = await emptyFolder();
  const file = join(data, 'rows.jsonl');
  await writeFile(file, `${input.join('\n')}\n`);
  const from = ['--input', file, '--topic', 'rows', '--key', 'id', '--time', 'at'];
  const flags = ['--threads', '0', '--partitions', '1', '--data', data];
  const taken = await launch(
    'topologies/app/main.ts',
    ['run', job, ...from, '--time-format', 'epoch-ms', ...flags, '--until-caught-up'],
    { MILLRACE_TEST_REFUSES: '1 2 3' },
  ).ended;
  expect(taken.stdout).toContain('dead-lettered 3');

  const replay = async (...more: string[]) => {
    const { code, stdout, stderr } = await millrace(
      'dead-letters',
      'replay',
      '--data',
      data,
      ...more,
    );
    return code === 0 && more.includes('--json') ? JSON.parse(stdout) : { code, stdout, stderr };
  };
  const dry = await replay('--dry-run');
  expect(dry.stdout).toMatch(/3 of 3 dead letters of refusing would be replayed; nothing was writ/);
  expect(dry.stdout).toMatch(/topic +rows +3/);
  expect(await replay('--where', 'key=k1', '--json')).toMatchObject({
    ...{ letters: 3, replayed: 1 },
    skipped: { 'not selected': 2 },
  });

  const running = launch(
    'topologies/app/main.ts',
    ['run', job, ...flags, '--http', '0', '--log-level', 'info'],
    { MILLRACE_TEST_REFUSES: '3' },
  );
  onTestFinished(() => void running.child.kill('SIGKILL'));
  await running.says('console on');
  const [, url = ''] = /console on (http:\S+)\/console/.exec(running.said()) ?? [];
  expect(await replay('--where', 'key=k2', '--json')).toMatchObject({
    ...{ letters: 3, replayed: 1 },
    skipped: { 'not selected': 2 },
  });
  const post = (body: unknown, headers = {}) =>
    fetch(`${url}/v1/dead-letters/replay`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', ...headers },
      body: JSON.stringify(body),
    });
  const wrong = await post({ were: { key: 'k3' } });
  expect([wrong.status, await wrong.json()]).toMatchObject([400, { code: 'CONFIG_INVALID' }]);
  // A page of elsewhere may not press the button.
  const elsewhere = await post({}, { origin: 'http://evil.example' });
  expect([elsewhere.status, await elsewhere.json()]).toMatchObject([
    403,
    { code: 'OPERATE_REFUSED' },
  ]);
  const over = await post({ where: { key: 'k3' } });
  expect(await over.json()).toMatchObject({ replayed: 1, skipped: { 'not selected': 2 } });
  const letters = async () => {
    const answer = await fetch(`${url}/console/api/records?topic=refusing-dead-letters`);
    return ((await answer.json()) as { records: { headers: object }[] }).records;
  };
  await expect.poll(async () => (await letters()).length, { timeout: 60_000 }).toBe(4);
  expect((await letters())[0]?.headers).toMatchObject({ attempts: '2', step: 'map' });
  running.child.kill('SIGTERM');
  expect(await running.ended).toMatchObject({ code: 0 });
  expect(await replay('--json')).toMatchObject({
    ...{ letters: 4, replayed: 0 },
    skipped: { 'replayed before': 3, 'tried before': 1 },
  });
});
