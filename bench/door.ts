/**
 * `npm run bench -- door`: the gateway of a real `serve` on the embedded log, in a process of its
 * own. Open loop: requests are sent when they are due, however late answers are (no coordinated
 * omission), and each is counted from that instant on.
 *
 * acknowledged: requests of ten events to their answer, which comes when the events are durable.
 * moved: a shop's signed purchase hooks to the entry into a segment in the hands of a subscriber.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { createHmac } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { Agent, get, request } from 'node:http';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { createHistogram, type RecordableHistogram } from 'node:perf_hooks';
import { table } from '../engine/cli/output.ts';

export interface DoorOptions {
  readonly seconds: number;
  /** Requests a second, of ten events each. */
  readonly requests: number;
  /** Purchase hooks a second. */
  readonly hooks: number;
  readonly threads: number;
}

export interface DoorPart {
  readonly part: 'acknowledged' | 'moved';
  readonly sent: number;
  /** Requests answered otherwise than with success. */
  readonly refused: number;
  /** Entries into the segment that were seen; of `moved` alone. */
  readonly seen?: number;
  /** How far the sender lagged behind at most, ms: above some ms the load is not what it says. */
  readonly senderLateMs: number;
  /** CPU of the server for a request, ms; NaN where the system does not tell. */
  readonly cpuMs: number;
  readonly p50: number;
  readonly p99: number;
  readonly p999: number;
  readonly max: number;
}

const root = resolve(import.meta.dirname, '..');
const eventsOfRequest = 10;
const warmSeconds = 5;
/** Between two looks of the sender at the clock. */
const tickMs = 2;
/** How long the last results are waited for. */
const tailMs = 10_000;
const secret = 'a secret of the bench';
const segment = 'bought';
const now = () => performance.now();

export async function doorBench(options: DoorOptions): Promise<DoorPart[]> {
  const folder = await mkdtemp(join(tmpdir(), 'millrace-door-'));
  const server = await Server.start(folder, options.threads);
  try {
    return [await acknowledged(server, options), await moved(server, options)];
  } finally {
    await server.stop();
    await rm(folder, { recursive: true, force: true, maxRetries: 5 });
  }
}

export function doorTable(parts: readonly DoorPart[]): string {
  const columns = [
    'part',
    'sent',
    'refused',
    'seen',
    'sender late',
    'CPU',
    'p50',
    'p99',
    'p99.9',
    'max',
  ];
  const ms = (value: number) => `${value.toFixed(1)} ms`;
  const rows = parts.map((one) => [
    ...[one.part, one.sent, one.refused, one.seen ?? '', ms(one.senderLateMs)],
    `${one.cpuMs.toFixed(2)} ms`,
    ...[ms(one.p50), ms(one.p99), ms(one.p999), ms(one.max)],
  ]);
  return table(columns, rows);
}

class Server {
  readonly url: string;
  readonly #child: ChildProcess;
  readonly #ended: Promise<unknown>;

  private constructor(url: string, child: ChildProcess, ended: Promise<unknown>) {
    this.url = url;
    this.#child = child;
    this.#ended = ended;
  }

  static async start(folder: string, threads: number): Promise<Server> {
    const data = join(folder, 'data');
    const file = async (name: string, content: unknown) => {
      const path = join(folder, name);
      await writeFile(path, JSON.stringify(content));
      return path;
    };
    const row = { id: 'first', subject: 'first', class: 'page_view' };
    const input = await file('first.jsonl', { ...row, time: new Date().toISOString() });
    const when = { count: { event: 'purchase', op: 'ge', n: 1, within: '30d' } };
    const config = await file('config.json', { segments: [{ id: segment, version: 1, when }] });
    const shop = { provider: 'shopify', secrets: [{ env: 'DOOR_SECRET' }] };
    const gateway = await file('gateway.json', { webhooks: { shop } });
    const place = ['--data', data, '--threads', String(threads)];
    const taken = ['--input', input, '--mapping', 'sample', '--config', config, '--json'];
    const started = run(['start', ...place, ...taken]);
    if ((await started.ended) !== 0) throw new Error(`start: ${started.said()}`);
    const served = run(['serve', ...place, '--gateway', gateway, '--http', '0']);
    void served.ended.then((code) => {
      if (code !== 0) console.error(`serve ended with ${code}: ${served.said()}`);
    });
    for (;;) {
      const url = /on (http:\/\/\S+)/.exec(served.said())?.[1];
      const ready = url && (await fetch(`${url}/ready`).catch(() => undefined));
      if (url && ready && ready.status === 200) return new Server(url, served.child, served.ended);
      await sleep(50);
    }
  }

  /** CPU that the process has used so far, ms; NaN elsewhere than on Linux. */
  cpuMs(): number {
    try {
      const stat = readFileSync(`/proc/${this.#child.pid}/stat`, 'utf8');
      const [user, system] = stat
        .slice(stat.lastIndexOf(')') + 2)
        .split(' ')
        .slice(11, 13);
      // A hundredth of a second each, on every Linux that Node runs on.
      return (Number(user) + Number(system)) * 10;
    } catch {
      return Number.NaN;
    }
  }

  async stop(): Promise<void> {
    this.#child.kill('SIGTERM');
    await this.#ended;
  }
}

function run(args: readonly string[]) {
  const main = join(root, 'topologies/app/main.ts');
  const node = ['--conditions=millrace-source', '--import=tsx', main, ...args];
  const env = { ...process.env, DOOR_SECRET: secret };
  const child = spawn(process.execPath, node, {
    cwd: root,
    env,
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let text = '';
  child.stdout.resume();
  child.stderr.on('data', (chunk: Buffer) => {
    text += chunk.toString();
  });
  const ended = new Promise<number | null>((done) => child.once('close', done));
  return { child, ended, said: () => text };
}

const sleep = (ms: number) => new Promise((done) => setTimeout(done, ms));

const agent = new Agent({ keepAlive: true, maxSockets: 256 });

/** Answers the status; 0 when there is no answer. */
export function post(url: string, body: string, headers: Record<string, string>): Promise<number> {
  return new Promise((done) => {
    const all = { 'content-type': 'application/json', ...headers };
    const sent = request(url, { method: 'POST', agent, headers: all }, (answer) => {
      answer.resume();
      answer.on('end', () => done(answer.statusCode ?? 0));
    });
    sent.on('error', () => done(0));
    sent.end(body);
  });
}

/** Calls `send` at a rate; answers how late it was at most, ms. */
async function openLoop(
  rate: number,
  seconds: number,
  send: (n: number, due: number) => void,
): Promise<number> {
  const begin = now();
  let [sent, late] = [0, 0];
  while (sent < rate * seconds) {
    const at = now();
    for (; sent < rate * seconds && begin + (sent * 1_000) / rate <= at; sent++) {
      const due = begin + (sent * 1_000) / rate;
      if (due >= begin + warmSeconds * 1_000) late = Math.max(late, at - due);
      send(sent, due);
    }
    await sleep(tickMs);
  }
  return late;
}

function histogram(): RecordableHistogram {
  return createHistogram({ lowest: 1, highest: 3_600_000_000, figures: 3 });
}

function figures(of: RecordableHistogram) {
  const ms = (percentile: number) => of.percentile(percentile) / 1_000;
  return { p50: ms(50), p99: ms(99), p999: ms(99.9), max: of.max / 1_000 };
}

function record(to: RecordableHistogram, due: number): void {
  to.record(Math.max(1, Math.round((now() - due) * 1_000)));
}

/** The body of request `n`: page views that happen now. */
export function requestOf(n: number): string {
  const time = new Date().toISOString();
  const rows = Array.from({ length: eventsOfRequest }, (_, i) => ({
    id: `d${n}-${i}`,
    subject: `s${(n * eventsOfRequest + i * 7_919) % 50_000}`,
    class: 'page_view',
    item: `p${i}`,
    time,
  }));
  return JSON.stringify(rows);
}

async function acknowledged(server: Server, { requests, seconds }: DoorOptions): Promise<DoorPart> {
  const { url } = server;
  const before = server.cpuMs();
  const times = histogram();
  const warm = requests * warmSeconds;
  const answers: Promise<void>[] = [];
  let refused = 0;
  const senderLateMs = await openLoop(requests, seconds + warmSeconds, (n, due) => {
    const answer = post(`${url}/v1/events?mapping=sample`, requestOf(n), {});
    answers.push(
      answer.then((status) => {
        if (status !== 202) refused++;
        else if (n >= warm) record(times, due);
      }),
    );
  });
  await Promise.all(answers);
  await caughtUp(url);
  const cpuMs = (server.cpuMs() - before) / answers.length;
  const sent = requests * seconds;
  return { part: 'acknowledged', sent, refused, senderLateMs, cpuMs, ...figures(times) };
}

async function moved(server: Server, { hooks, seconds }: DoorOptions): Promise<DoorPart> {
  const { url } = server;
  const before = server.cpuMs();
  const times = histogram();
  const warm = hooks * warmSeconds;
  const due = new Map<string, number>();
  let seen = 0;
  const stop = await subscribed(`${url}/v1/segments/${segment}/changes`, (user) => {
    const at = due.get(user);
    if (at === undefined) return;
    seen++;
    record(times, at);
    due.delete(user);
  });
  let refused = 0;
  const answers: Promise<void>[] = [];
  const senderLateMs = await openLoop(hooks, seconds + warmSeconds, (n, at) => {
    const user = `buyer${n}@shop.example`;
    if (n >= warm) due.set(user, at);
    const body = JSON.stringify({
      id: n,
      email: user,
      created_at: new Date().toISOString(),
      total_price: '12.50',
      currency: 'EUR',
      financial_status: 'paid',
    });
    const signature = createHmac('sha256', secret).update(body).digest('base64');
    const headers = { 'x-shopify-topic': 'orders/paid', 'x-shopify-hmac-sha256': signature };
    const answer = post(`${url}/webhooks/shop`, body, headers);
    answers.push(
      answer.then((status) => {
        if (status !== 200) refused++;
      }),
    );
  });
  await Promise.all(answers);
  for (const until = now() + tailMs; due.size > 0 && now() < until; ) await sleep(20);
  stop();
  const cpuMs = (server.cpuMs() - before) / answers.length;
  const sent = hooks * seconds;
  return { part: 'moved', sent, refused, seen, senderLateMs, cpuMs, ...figures(times) };
}

async function caughtUp(url: string): Promise<void> {
  for (;;) {
    const text = await (await fetch(`${url}/metrics`)).text();
    const lags = [...text.matchAll(/^millrace_lag_records\{[^}]*\} (\d+)/gm)];
    if (lags.length > 0 && lags.every(([, lag]) => lag === '0')) return;
    await sleep(100);
  }
}

/** Tells of each entry; answers how to stop. */
function subscribed(url: string, entered: (user: string) => void): Promise<() => void> {
  return new Promise((done, fail) => {
    const asked = get(url, { headers: { accept: 'text/event-stream' } }, (answer) => {
      if (answer.statusCode !== 200) fail(new Error(`${url}: ${answer.statusCode}`));
      let rest = '';
      answer.setEncoding('utf8').on('data', (chunk: string) => {
        const parts = (rest + chunk).split('\n\n');
        rest = parts.pop() ?? '';
        for (const part of parts) {
          if (!/^event: entered$/m.test(part)) continue;
          const [, data = '{}'] = /^data: (.*)$/m.exec(part) ?? [];
          entered((JSON.parse(data) as { user: string }).user);
        }
      });
      done(() => asked.destroy());
    });
    asked.on('error', fail);
  });
}
