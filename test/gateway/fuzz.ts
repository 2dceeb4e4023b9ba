/**
 * `npm run fuzz-http -- [cases] [seed] [paths]`: Schemathesis sends requests made of the OpenAPI
 * document, right and wrong ones, to a gateway that runs. None may be answered 5xx, or otherwise
 * than the document says; every operation must have been answered both well and with a refusal,
 * where it can be; and the process must live. `paths` is an expression of the paths that are asked,
 * so that a long run can be made in parts. Schemathesis is a Python package (pip install
 * schemathesis); SCHEMATHESIS names its command.
 */
import { spawn, spawnSync } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { launch } from '../process/millrace.ts';

const command = process.env['SCHEMATHESIS'] ?? 'schemathesis';
const [cases = '5000', seed = '1', paths = ''] = process.argv.slice(2);
/** Providers whose credential a sender can always give, and those who sign each body. */
const [basic, signing] = [
  ['postmark', 'mailjet', 'sparkpost', 'brevo'],
  ['mailgun', 'mailersend', 'customerio', 'shopify', 'woocommerce', 'stripe'],
];
const secret = 'user:password';
const checks = [
  ...['not_a_server_error', 'status_code_conformance', 'content_type_conformance'],
  'response_schema_conformance',
];

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
  const when = { count: { event: 'email_open', op: 'ge', n: 1, within: '30d' } };
  const segments = join(directory, 'segments.json');
  await writeFile(segments, JSON.stringify({ segments: [{ id: 'readers', version: 1, when }] }));
  const taken = ['--input', input, '--mapping', 'sample', '--config', segments];
  const from = [...taken, '--threads', '0'];
  const started = await launch('topologies/app/main.ts', ['start', '--data', data, ...from]).ended;
  if (started.code !== 0) throw new Error(started.stderr);
  const config = join(directory, 'gateway.json');
  const secrets = [{ env: 'FUZZ_SECRET' }];
  const webhooks = [...basic, ...signing].map((provider) => [provider, { provider, secrets }]);
  await writeFile(config, JSON.stringify({ webhooks: Object.fromEntries(webhooks) }));
  const serving = launch(
    'topologies/app/main.ts',
    ['serve', '--data', data, '--threads', '0', '--http', '0', '--gateway', config],
    { FUZZ_SECRET: secret },
  );
  await serving.says(' on http://');
  const url = /on (http:\/\/\S+)/.exec(serving.said())?.[1] ?? '';
  while ((await fetch(`${url}/ready`)).status !== 200) await sleep(50);
  const document = (await answerOf(`${url}/openapi.json`)) as Document;
  // Answers to subscriptions have no end: these are asked below.
  const streams = Object.entries(document.paths).filter(([path]) => path.endsWith('/changes'));
  const asked = Object.entries(document.paths).filter(
    ([path]) => !path.endsWith('/changes') && new RegExp(paths).test(path),
  );
  document.paths = Object.fromEntries(asked);
  nameWhatIsThere(document, await namesOf(url));
  const file = join(directory, 'openapi.json');
  await writeFile(file, JSON.stringify(document));
  const operations = asked.flatMap(([, methods]) => Object.keys(methods)).length;
  const each = Math.ceil(Number(cases) / operations);
  const code = await run(command, directory, [
    ...['run', file, '--url', url, '--checks', checks.join(), '--phases', 'examples,fuzzing'],
    ...['--max-examples', String(each), '--seed', seed, '--suppress-health-check', 'all'],
    ...['--request-timeout', '60', '--workers', '1', '--no-color'],
    ...['-H', `Authorization: Basic ${Buffer.from(secret).toString('base64')}`],
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
  const unreached = notReached(document, counted);
  if (unreached.length > 0) console.log(`not reached: ${unreached.join(', ')}`);
  console.log(`answers by status: ${JSON.stringify(Object.fromEntries([...byStatus].sort()))}`);
  serving.child.kill('SIGTERM');
  const { code: ended, stderr } = await serving.ended;
  if (ended !== 0) console.error(stderr);
  const errors = [...byStatus.keys()].filter((status) => status.startsWith('5'));
  const isFine = code === 0 && alive?.status === 200 && ended === 0;
  return !isFine || errors.length > 0 || unreached.length > 0;
}

interface Named {
  readonly name: string;
  schema: object;
}

interface Operation {
  readonly parameters?: readonly Named[];
  readonly requestBody?: {
    readonly content: Record<string, { readonly schema: { properties?: Record<string, object> } }>;
  };
}

interface Document {
  paths: Record<string, Record<string, Operation>>;
}

type Names = Readonly<Record<'subject' | 'segment' | 'store', readonly string[]>>;

async function answerOf(url: string): Promise<unknown> {
  return (await fetch(url)).json();
}

/** What is there to be asked for, which no random name would meet. */
async function namesOf(url: string): Promise<Names> {
  const { stores } = (await answerOf(`${url}/v1/stores`)) as { stores: { name: string }[] };
  const { segments } = (await answerOf(`${url}/v1/segments`)) as { segments: { id: string }[] };
  return {
    subject: ['ann'],
    segment: segments.map(({ id }) => id),
    store: stores.map(({ name }) => name),
  };
}

/** Right requests have such names; those that are to be wrong have others. */
function nameWhatIsThere(document: Document, names: Names): void {
  const known = (path: string, name: string): readonly string[] => {
    const kind = name === 'id' ? (path.includes('/segments/') ? 'segment' : 'subject') : name;
    return names[(kind === 'key' ? 'subject' : kind) as keyof Names] ?? [];
  };
  const named = (path: string, name: string, schema: object): object => {
    const some = known(path, name);
    return some.length === 0 ? schema : { ...schema, enum: some };
  };
  for (const [path, methods] of Object.entries(document.paths)) {
    for (const { parameters = [], requestBody } of Object.values(methods)) {
      for (const one of parameters) one.schema = named(path, one.name, one.schema);
      for (const { schema } of Object.values(requestBody?.content ?? {})) {
        for (const [name, one] of Object.entries(schema.properties ?? {})) {
          Object.assign(schema.properties as object, { [name]: named(path, name, one) });
        }
      }
    }
  }
}

/**
 * Operations that were never answered well; and of those that take a body, never with a refusal. A
 * webhook that signs its bodies is only refused.
 */
function notReached(document: Document, counted: readonly string[]): string[] {
  const missing: string[] = [];
  for (const [path, methods] of Object.entries(document.paths)) {
    for (const [method, { requestBody }] of Object.entries(methods)) {
      const route = path.replace(/\{(\w+)\}/g, ':$1');
      const labels = `route="${route}",method="${method.toUpperCase()}",status="`;
      const statuses = counted.flatMap((line) => line.split(labels)[1]?.slice(0, 1) ?? []);
      const signs = signing.some((name) => path.endsWith(`/${name}`));
      if (!signs && path !== '/ready' && !statuses.includes('2')) {
        missing.push(`${method} ${path} (well)`);
      }
      if (requestBody !== undefined && !statuses.includes('4')) {
        missing.push(`${method} ${path} (refused)`);
      }
    }
  }
  return missing;
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
