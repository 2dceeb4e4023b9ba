/** Pause by command and over HTTP: kept over a restart, told by health and metrics. */
import { expect, onTestFinished, test } from 'vitest';
import { emptyFolder, launch, millrace } from './millrace.ts';

const job = 'test/process/rows-job.ts';

test('a pause by command is kept, and ends over HTTP', { timeout: 240_000 }, async () => {
  const data = await emptyFolder();
  const flags = ['--threads', '0', '--partitions', '1', '--data', data, '--http', '0'];
  const started = async () => {
    const running = launch('topologies/app/main.ts', ['run', job, ...flags]);
    onTestFinished(() => void running.child.kill('SIGKILL'));
    await running.says('console on');
    const [, url = ''] = /console on (http:\S+)\/console/.exec(running.said()) ?? [];
    return { ...running, url };
  };
  const first = await started();
  const wrong = await millrace('pause', '--topic', 'rosw', '--data', data);
  expect(wrong).toMatchObject({ code: 2, stderr: expect.stringMatching(/no rosw is read.*rows/) });
  expect(await millrace('pause', '--data', data)).toMatchObject({
    code: 0,
    stdout: 'rows: paused: the whole application\n',
  });
  const health = async (url: string) => {
    const answer = await fetch(`${url}/health`);
    return [answer.status, ((await answer.json()) as { status: string }).status];
  };
  expect(await health(first.url)).toEqual([200, 'paused']);
  first.child.kill('SIGKILL');
  await first.ended;
  const part = await millrace('pause', '--topic', 'rows', '--json', '--data', data);
  expect(JSON.parse(part.stdout)).toMatchObject({ paused: { all: true, topics: ['rows'] } });
  const second = await started();
  await expect.poll(() => health(second.url)).toEqual([200, 'paused']);
  const metrics = await (await fetch(`${second.url}/metrics`)).text();
  expect(metrics).toContain('millrace_paused{what="application"} 1');
  expect(metrics).toContain('millrace_paused{what="topics"} 1');
  const resumed = await fetch(`${second.url}/v1/resume`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: '{}',
  });
  expect(await resumed.json()).toMatchObject({ paused: { all: false, topics: [] } });
  expect(await health(second.url)).toEqual([200, 'running']);
  second.child.kill('SIGTERM');
  expect(await second.ended).toMatchObject({ code: 0 });
});
