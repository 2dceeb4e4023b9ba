/** What an orchestrator and a scraper see of a running application. */
import { expect, test } from 'vitest';
import { emptyFolder, launch, millrace } from './millrace.ts';

const jobModule = 'test/process/job-module.ts';

test('metrics and health of a run, on the loopback interface', async () => {
  const data = await emptyFolder();
  const args = ['run', jobModule, '--data', data, '--http', '0', '--log-level', 'info'];
  const running = launch('topologies/app/main.ts', args);
  await running.says('tasks on');
  const [, url = ''] = /(http:\/\/127\.0\.0\.1:\d+)/.exec(running.said()) ?? [];
  const health = await fetch(`${url}/health`);
  expect(health.status).toBe(200);
  expect(await health.json()).toMatchObject({ status: 'running', application: 'job' });
  const port = url.split(':')[2] ?? '';
  for (const args of [[], ['--live']]) {
    const asked = await millrace('health', '--http', port, ...args);
    expect(asked).toMatchObject({ code: 0, stdout: expect.stringContaining('"running"') });
  }
  const metrics = await fetch(`${url}/metrics`);
  expect(metrics.headers.get('content-type')).toContain('text/plain');
  const text = await metrics.text();
  expect(text).toMatch(/^millrace_tasks [1-9]/m);
  expect(text).toContain('millrace_lag_records{topic="input",partition="1"} 0');
  expect((await fetch(`${url}/nothing`)).status).toBe(404);
  expect((await fetch(`${url}/`)).url).toBe(`${url}/console/`);
  // Rows are asked in the threads that have them.
  const stores = (await (await fetch(`${url}/v1/stores`)).json()) as { stores: { name: string }[] };
  expect(stores.stores.length).toBeGreaterThan(0);
  for (const { name } of stores.stores) {
    const page = await fetch(`${url}/v1/stores/${name}/rows`);
    expect([name, page.status, await page.json()]).toEqual([
      ...[name, 200],
      { rows: [], asOf: { task: expect.any(String), commit: expect.any(Number), watermark: null } },
    ]);
  }
  expect((await fetch(`${url}/metrics`, { method: 'POST' })).status).toBe(405);
  const second = await millrace('run', jobModule, '--data', await emptyFolder(), '--http', port);
  expect(second).toMatchObject({
    code: 2,
    stderr: expect.stringContaining('error HTTP_UNAVAILABLE: cannot listen'),
  });
  running.child.kill('SIGTERM');
  const { code, stderr } = await running.ended;
  expect(code).toBe(0);
  const nobody = await millrace('health', '--http', port, '--live');
  expect(nobody).toMatchObject({ code: 1, stderr: expect.stringContaining('UNHEALTHY') });
  const logged = stderr.split('\n').filter((line) => line.startsWith('{'));
  expect(logged.map((line) => (JSON.parse(line) as { msg: string }).msg)).toContain('running');
});
