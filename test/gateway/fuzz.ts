/**
 * `npm run fuzz-http -- [cases] [seed]`: Schemathesis sends requests made of the OpenAPI document,
 * right and wrong ones, to a gateway that runs; none may be answered 5xx, and the process must
 * live. Schemathesis is a Python package (pip install schemathesis); SCHEMATHESIS names its
 * command.
 */
import { spawn, spawnSync } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { launch } from '../process/millrace.ts';

const command = process.env['SCHEMATHESIS'] ?? 'schemathesis';
const [cases = '5000', seed = '1'] = process.argv.slice(2);

if (spawnSync(command, ['--version']).status !== 0) {
  console.error(`LEFT OUT: there is no ${command}; install it by \`pip install schemathesis\``);
  // Continuous integration says so by MILLRACE_FUZZ=optional; a person who asks for it is told.
  process.exit(process.env['MILLRACE_FUZZ'] === 'optional' ? 0 : 1);
}

const folder = await mkdtemp(join(tmpdir(), 'millrace-fuzz-'));
let failed = true;
try {
  failed = await fuzz(folder);
} finally {
  await rm(folder, { recursive: true, force: true, maxRetries: 5 });
}
process.exit(failed ? 1 : 0);

async function fuzz(directory: string): Promise<boolean> {
  const data = join(directory, 'data');
  const input = join(directory, 'first.jsonl');
  const row = { id: 'a', subject: 'ann', class: 'email_open', time: '2026-01-01T10:00:00Z' };
  await writeFile(input, `${JSON.stringify(row)}\n`);
  const from = ['--input', input, '--mapping', 'sample', '--threads', '0'];
  const started = await launch('topologies/app/main.ts', ['start', '--data', data, ...from]).ended;
  if (started.code !== 0) throw new Error(started.stderr);
  const serving = launch('topologies/app/main.ts', [
    ...['serve', '--data', data, '--threads', '0', '--http', '0'],
  ]);
  await serving.says(' on http://');
  const url = /on (http:\/\/\S+)/.exec(serving.said())?.[1] ?? '';
  while ((await fetch(`${url}/ready`)).status !== 200) await sleep(50);
  const document = (await (await fetch(`${url}/openapi.json`)).json()) as {
    paths: Record<string, object>;
  };
  // Answers to subscriptions have no end: these are asked below.
  const streams = Object.entries(document.paths).filter(([path]) => path.endsWith('/changes'));
  const all = Object.values(document.paths).flatMap((path) => Object.keys(path)).length;
  const operations = all - streams.flatMap(([, path]) => Object.keys(path)).length;
  const each = Math.ceil(Number(cases) / operations);
  const code = await run(command, directory, [
    ...['run', `${url}/openapi.json`, '--checks', 'not_a_server_error', '--phases', 'fuzzing'],
    ...['--max-examples', String(each), '--seed', seed, '--suppress-health-check', 'all'],
    ...['--request-timeout', '60', '--workers', '1', '--no-color'],
    ...['--exclude-path-regex', '/changes$'],
  ]);
  await subscribe(url, streams);
  const alive = await fetch(`${url}/live`).catch(() => undefined);
  const metrics = (await (await fetch(`${url}/metrics`)).text()).split('\n');
  // `/ready` was asked until it was.
  const counted = metrics.filter(
    (line) => line.startsWith('millrace_http_requests_total') && !line.includes('"/ready"'),
  );
  const byStatus = new Map<string, number>();
  for (const line of counted) {
    if (/status="5/.test(line)) console.log(line);
    const [, status = '', count] = /status="(\d+)"\} (\d+)/.exec(line) ?? [];
    byStatus.set(status, (byStatus.get(status) ?? 0) + Number(count));
  }
  console.log(`answers by status: ${JSON.stringify(Object.fromEntries([...byStatus].sort()))}`);
  serving.child.kill('SIGTERM');
  const { code: ended, stderr } = await serving.ended;
  if (ended !== 0) console.error(stderr);
  const errors = [...byStatus.keys()].filter((status) => status.startsWith('5'));
  return code !== 0 || alive?.status !== 200 || ended !== 0 || errors.length > 0;
}

/** Subscriptions with names of any kind, each left after a moment. */
async function subscribe(
  url: string,
  streams: readonly (readonly [string, object])[],
): Promise<void> {
  const names = ['', 'ann', '%00', '%F0%9F%92%A9', 'a%2Fb', '..', '%', 'x'.repeat(300), '{}', '-1'];
  for (const [path, methods] of streams) {
    for (const name of names) {
      for (const last of ['', '0', 'events/0/-1', '%%', '9'.repeat(40)]) {
        for (const method of Object.keys(methods)) {
          const left = AbortSignal.timeout(100);
          const body = method === 'post' ? { body: JSON.stringify({ id: name }) } : {};
          const headers = { 'content-type': 'application/json', 'last-event-id': last };
          const asked = { method: method.toUpperCase(), signal: left, headers, ...body };
          const answer = await fetch(url + path.replace(/\{\w+\}/, name), asked).catch(
            () => undefined,
          );
          await answer?.body?.cancel().catch(() => undefined);
        }
      }
    }
  }
}

/** @param cwd where it keeps what it has found */
function run(name: string, cwd: string, args: readonly string[]): Promise<number> {
  return new Promise((done, fail) => {
    const child = spawn(name, args, { cwd, stdio: 'inherit' });
    child.on('error', fail);
    child.on('close', (code) => done(code ?? 1));
  });
}
