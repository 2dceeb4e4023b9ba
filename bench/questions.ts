/**
 * `npm run bench -- questions`: GET /v1/subjects/:id of a real process beside a running load. The
 * ready topology has taken in a log of many subjects; then events and questions arrive over HTTP at
 * fixed rates, whatever the answers do (open loop): a question's time counts from when it was due.
 */

import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { Agent, request } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { randomBelow, SeededRandom } from '../engine/base/random.ts';
import { table } from '../engine/cli/output.ts';
import { environment, openLog, writeApplication } from '../engine/embed/environment.ts';
import { personalisationModule } from '../topologies/app/application.ts';
import { day, segmentsOf } from './segments.ts';
import { fill } from './segments-engine.ts';

export interface QuestionsOptions {
  readonly subjects: number;
  /** Questions a second. */
  readonly questions: number;
  /** Events a second beside them. */
  readonly events: number;
  readonly seconds: number;
  readonly threads: number;
  readonly segments: number;
  /** Data folder to be used as it is, in place of one that is filled. */
  readonly data?: string | undefined;
}

export interface QuestionFigures {
  readonly answered: number;
  readonly failed: number;
  /** Events that the gateway has taken. */
  readonly events: number;
  /** ms. */
  readonly p50: number;
  readonly p99: number;
  readonly p999: number;
  readonly most: number;
}

const root = join(import.meta.dirname, '..');
const main = join(root, 'topologies/app/main.ts');
const loader = ['--conditions=millrace-source', '--import=tsx'];
const warmSeconds = 5;
const eventsAtOnce = 50;
const classes = ['email_open', 'email_click', 'page_view', 'purchase', 'email_sent'];

/** Starts `serve` and answers its port when it listens. */
async function served(
  data: string,
  threads: number,
): Promise<{ readonly child: ChildProcess; readonly port: number }> {
  const args = ['serve', '--data', data, '--http', '0', '--threads', String(threads)];
  const child = spawn(process.execPath, [...loader, main, ...args], {
    cwd: root,
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  let text = '';
  const port = await new Promise<number>((done, fail) => {
    child.stderr?.on('data', (chunk: Buffer) => {
      text += chunk.toString();
      const [, found] = /health on http:\/\/[\d.]+:(\d+)/.exec(text) ?? [];
      if (found !== undefined) done(Number(found));
    });
    child.once('exit', (code) => fail(new Error(`serve ended with ${code}: ${text}`)));
  });
  return { child, port };
}

interface Answer {
  readonly status: number;
  readonly text: string;
}

function ask(agent: Agent, port: number, path: string, body?: string): Promise<Answer> {
  return new Promise((done, fail) => {
    const headers = body === undefined ? {} : { 'content-type': 'application/json' };
    const method = body === undefined ? 'GET' : 'POST';
    const asked = request({ agent, port, path, method, headers }, (answer) => {
      let text = '';
      answer.setEncoding('utf8');
      answer.on('data', (part: string) => {
        text += part;
      });
      answer.on('end', () => done({ status: answer.statusCode ?? 0, text }));
      answer.on('error', fail);
    });
    asked.on('error', fail);
    asked.end(body);
  });
}

/**
 * Calls `send` so many times a second, each with the instant at which it was due; resolves when all
 * are done.
 */
async function openLoop(
  perSecond: number,
  until: number,
  send: (due: number) => Promise<void>,
): Promise<void> {
  const under = new Set<Promise<void>>();
  const begin = performance.now();
  for (let sent = 0; ; ) {
    const now = performance.now();
    for (; begin + (sent * 1_000) / perSecond <= Math.min(now, until); sent++) {
      const one = send(begin + (sent * 1_000) / perSecond);
      under.add(one);
      void one.finally(() => under.delete(one));
    }
    if (now >= until) break;
    await new Promise((done) => setTimeout(done, 1));
  }
  await Promise.all(under);
}

async function measure(port: number, options: QuestionsOptions): Promise<QuestionFigures> {
  const { subjects, questions, events, seconds } = options;
  const random = new SeededRandom(1);
  const agent = new Agent({ keepAlive: true, maxSockets: 64 });
  const times: number[] = [];
  let [failed, taken] = [0, 0];
  const begin = performance.now();
  const until = begin + (warmSeconds + seconds) * 1_000;
  const counted = begin + warmSeconds * 1_000;
  const question = async (due: number) => {
    const subject = `s${randomBelow(random, subjects)}`;
    const asked = ask(agent, port, `/v1/subjects/${subject}`);
    const { status } = await asked.catch(() => ({ status: 0 }));
    if (due < counted) return;
    if (status !== 200) failed++;
    else times.push(performance.now() - due);
  };
  let id = 0;
  const batch = async () => {
    const time = new Date().toISOString();
    const rows = Array.from({ length: eventsAtOnce }, () => ({
      id: `load-${++id}`,
      subject: `s${randomBelow(random, subjects)}`,
      class: classes[id % classes.length],
      time,
    }));
    const { status, text } = await ask(
      agent,
      port,
      '/v1/events?mapping=sample',
      JSON.stringify(rows),
    ).catch((error: unknown) => ({ status: 0, text: String(error) }));
    if (status !== 202) throw new Error(`events are answered ${status}: ${text}`);
    taken += eventsAtOnce;
  };
  const load = events === 0 ? undefined : openLoop(events / eventsAtOnce, until, batch);
  await Promise.all([load, openLoop(questions, until, question)]);
  agent.destroy();
  times.sort((a, b) => a - b);
  const at = (share: number) => times[Math.min(times.length - 1, Math.floor(share * times.length))];
  const most = times.at(-1) ?? Number.NaN;
  const [p50, p99, p999] = [0.5, 0.99, 0.999].map((share) => at(share) ?? Number.NaN);
  return { answered: times.length, failed, events: taken, p50, p99, p999, most } as QuestionFigures;
}

/** A data folder whose log has five events of each subject. */
async function filled(data: string, subjects: number, segments: number): Promise<void> {
  const env = environment(data);
  const log = await openLog(env, 'personalisation');
  // The last events are of yesterday: those of the load go on from there.
  await fill(log, subjects, Math.floor(Date.now() / day) - 14);
  await log.close();
  const topology = { module: personalisationModule, params: { segments: segmentsOf(segments) } };
  await writeApplication(env, { application: 'personalisation', topology });
}

/** Waits until all is processed that the log has. */
async function caughtUp(port: number): Promise<void> {
  const agent = new Agent();
  for (;;) {
    const { status, text } = await ask(agent, port, '/metrics');
    const waiting = [...text.matchAll(/^millrace_lag_records\{[^}]*\} (\d+)/gm)];
    if (status === 200 && waiting.length > 0 && waiting.every(([, lag]) => lag === '0')) return;
    await new Promise((done) => setTimeout(done, 500));
  }
}

/** Prints latencies of answers by rate of events. */
export async function questionsBench(
  options: Omit<QuestionsOptions, 'events'>,
  rates: readonly number[],
): Promise<QuestionFigures[]> {
  const { subjects, threads } = options;
  const data = options.data ?? (await mkdtemp(join(tmpdir(), 'millrace-questions-')));
  const rows: (readonly (string | number)[])[] = [];
  const all: QuestionFigures[] = [];
  try {
    if (options.data === undefined) await filled(data, subjects, options.segments);
    const { child, port } = await served(data, threads);
    try {
      await caughtUp(port);
      for (const events of rates) {
        const figures = await measure(port, { ...options, events });
        all.push(figures);
        const { answered, failed, p50, p99, p999, most } = figures;
        const ms = [p50, p99, p999, most].map((value) => value.toFixed(1));
        rows.push([events, options.questions, answered, failed, ...ms]);
      }
    } finally {
      const ended = new Promise((done) => child.once('exit', done));
      child.kill('SIGTERM');
      await ended;
    }
  } finally {
    if (options.data === undefined) await rm(data, { recursive: true, force: true });
  }
  const heads = ['events/s', 'questions/s', 'answered', 'failed', 'p50 ms', 'p99', 'p99.9', 'most'];
  console.log(table(heads, rows));
  return all;
}
