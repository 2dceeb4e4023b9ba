/** The commands of docs/SOURCES.md, as they stand there, against a running gateway. */
import { execFile } from 'node:child_process';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { expect, test } from 'vitest';
import { mistakesInSources } from '../../engine/connect/pull/source-specs.ts';
import { checkGateway } from '../../topologies/gateway/gateway-config.ts';
import { providers } from '../../topologies/gateway/webhooks/providers.ts';
import { checkMapping } from '../../topologies/ingest/check-mapping.ts';
import { type Order, startShop } from '../connect/pull/shop.ts';
import { startGateway } from '../gateway/running.ts';
import { emptyFolder, launch, millrace } from './millrace.ts';

const page = join(import.meta.dirname, '../../docs/SOURCES.md');

test('every curl line answers as the page says', async () => {
  const text = await readFile(page, 'utf8');
  const lines = [...text.matchAll(/^ {4}(curl .*)$/gm)].map(([, line]) => line as string);
  expect(lines).toHaveLength(3);
  const gateway = await startGateway();
  const run = async (line: string) => {
    const here = line.replace('http://127.0.0.1:8080', gateway.url);
    const { stdout } = await promisify(execFile)('bash', ['-c', `${here} -s -w ' %{http_code}'`]);
    return stdout;
  };
  const [event = '', batch = '', question = ''] = lines;
  expect(await run(event)).toBe('{"accepted":1,"skipped":0} 202');
  expect(await run(batch)).toBe('{"accepted":1,"skipped":0} 202');
  // The events are durable, and processed a moment later.
  let answer = '';
  for (let i = 0; i < 200 && !answer.endsWith(' 200'); i++) answer = await run(question);
  expect(answer).toContain('"subject":"ann"');
});

test('SendGrid and a shop, as somebody new does it: an empty folder, the blocks in their order', {
  timeout: 120_000,
}, async () => {
  const text = await readFile(page, 'utf8');
  const section = /## In ten minutes[\s\S]*?(?=\n## )/.exec(text)?.[0] ?? '';
  const blocks = [...section.matchAll(/```(\w+)\n([\s\S]*?)```/g)];
  expect(blocks.map(([, language]) => language)).toEqual(['json', 'bash', 'bash', 'bash']);
  const [gateway = '', begin = '', send = '', ask = ''] = blocks.map(
    ([, , body]) => body as string,
  );
  const folder = await emptyFolder();
  await writeFile(join(folder, 'gateway.json'), gateway);
  // The command is that of the tests; the port is a free one.
  const keys = begin.replace(/^npx millrace.*$/m, '');
  expect(keys).not.toBe(begin);
  const shell = (script: string, env = {}) =>
    promisify(execFile)('bash', ['-ec', script], {
      cwd: folder,
      env: { ...process.env, ...env },
    });
  const { stdout } = await shell(`${keys}\necho "$SENDGRID_KEY $SHOPIFY_SECRET"`);
  const [SENDGRID_KEY = '', SHOPIFY_SECRET = ''] = stdout.trim().split(' ');
  const secrets = { SENDGRID_KEY, SHOPIFY_SECRET };
  const files = ['--gateway', join(folder, 'gateway.json'), '--data', join(folder, 'data')];
  const serving = launch('topologies/app/main.ts', ['serve', ...files, '--http', '0'], secrets);
  await serving.says('questions, metrics and health on');
  const [, url = ''] = /(http:\/\/127\.0\.0\.1:\d+)/.exec(serving.said()) ?? [];
  const curl = async (script: string) => {
    const here = script
      .replaceAll('http://127.0.0.1:8080', url)
      .replaceAll(/^curl /gm, "curl -s -w ' %{http_code}\\n' ");
    return (await shell(here, secrets)).stdout.trim().split('\n');
  };
  const accepted = '{"accepted":1} 200';
  expect(await curl(send)).toEqual([accepted, accepted]);
  // Known by their ids: a second delivery counts no more.
  expect(await curl(send)).toEqual([accepted, accepted]);
  let answer = '';
  for (let i = 0; i < 400 && !/purchase.* 200$/.test(answer); i++) [answer = ''] = await curl(ask);
  expect(answer).toContain('"subject":"ann@shop.example"');
  expect(answer).toContain('email_open');
  serving.child.kill('SIGTERM');
  expect((await serving.ended).code).toBe(0);
});

test('the pull of the page: checked, tried, and taken in', { timeout: 120_000 }, async () => {
  const text = await readFile(page, 'utf8');
  const section = /\n## Pull\n[\s\S]*?(?=\n### )/.exec(text)?.[0] ?? '';
  const [sources = '', mapping = ''] = [...section.matchAll(/```json\n([\s\S]*?)```/g)].map(
    ([, json]) => json as string,
  );
  const row = JSON.parse(/^`(\{"id".*\})`:$/m.exec(section)?.[1] ?? '{}') as Order;
  const shop = await startShop('cursor');
  shop.orders = ['o1', 'o2', 'o3'].map((id) => ({ ...row, id }));
  const folder = await emptyFolder();
  // The shop of the test wants no token; oauth.test.ts has one that does.
  const { auth: _, ...orders } = JSON.parse(sources).sources.orders;
  const file = join(folder, 'sources.json');
  const mapped = join(folder, orders.mapping);
  await writeFile(mapped, mapping);
  const here = { ...orders, url: `${shop.url}/api/orders`, mapping: mapped };
  await writeFile(file, JSON.stringify({ sources: { orders: here } }));
  expect(await millrace('sources', 'lint', file)).toMatchObject({ code: 0 });
  const tried = await millrace('sources', 'test', 'orders', '--limit', '5', '--sources', file);
  expect(tried).toMatchObject({ code: 0, stdout: expect.stringContaining('ann@shop.example') });
  const data = ['--data', join(folder, 'data')];
  const taken = await millrace('start', '--sources', file, '--no-serve', '--threads', '0', ...data);
  expect(taken.code, taken.stderr).toBe(0);
  const score = await millrace('score', 'explain', 'ann@shop.example', '--json', ...data);
  expect(score.stdout).toContain('purchase');
  const letters = await millrace('dead-letters', '--json', ...data);
  expect(JSON.parse(letters.stdout)).toEqual([]);
});

test('the configurations of the page are valid, and every provider is listed', async () => {
  const text = await readFile(page, 'utf8');
  const configurations = [...text.matchAll(/```json\n([\s\S]*?)```/g)].map(([, json]) =>
    (json as string).replace('<SHA-256 of the key>', '0'.repeat(64)),
  );
  expect(configurations.length).toBeGreaterThanOrEqual(3);
  for (const json of configurations) {
    const parsed = JSON.parse(json);
    if ('format' in parsed) {
      checkMapping(parsed, 'mine');
      continue;
    }
    const { sources = {}, ...gateway } = parsed;
    checkGateway(gateway);
    expect(mistakesInSources(sources)).toEqual([]);
  }
  for (const provider of providers.keys()) expect(text).toContain(`\`${provider}\``);
});
