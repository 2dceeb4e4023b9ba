/**
 * The files for operators, with the tools that read them: what rules and dashboards name exists,
 * promtool takes the rules and their tests, and a real Prometheus scrapes a real run and evaluates
 * them.
 */
import { execFile, spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { cp, readdir, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { join, resolve } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import { describe, expect, onTestFinished, test } from 'vitest';
import { metricsObserver } from '../../engine/runtime/observe.ts';
import { post, startGateway } from '../gateway/running.ts';
import { emptyFolder } from './millrace.ts';

const exec = promisify(execFile);
const ops = resolve(import.meta.dirname, '../../ops');
const read = (file: string) => readFileSync(join(ops, file), 'utf8');

/** Whether the tools are there; says so when they are not. */
async function hasPrometheus(): Promise<boolean> {
  try {
    await exec('promtool', ['--version']);
    await exec('prometheus', ['--version']);
    return true;
  } catch {
    process.stderr.write(
      'promtool and prometheus are not there: the rules are not run; apt-get install prometheus\n',
    );
    return false;
  }
}

const hasTools = await hasPrometheus();

describe('files for operators', () => {
  test('every metric that a rule or a dashboard names exists', async () => {
    const { registry } = metricsObserver(async () => [], undefined, '.');
    const known = new Set(
      [...(await registry.metrics()).matchAll(/^# TYPE (\S+)/gm)].map(([, name = '']) => name),
    );
    const dashboards = await readdir(join(ops, 'grafana'));
    const files = ['prometheus/rules.yml', ...dashboards.map((name) => `grafana/${name}`)];
    const missing = files.flatMap((file) => {
      const named = new Set(read(file).match(/\b(?:millrace|process|nodejs)_[a-z0-9_]+/g) ?? []);
      return [...named]
        .filter((name) => !known.has(name) && !known.has(name.replace(/_(bucket|sum|count)$/, '')))
        .map((name) => `${file}: ${name}`);
    });
    expect(missing).toEqual([]);
    expect(known.size).toBeGreaterThan(40);
  });

  test('every alert has a test and a page, and no page is left over', () => {
    const rules = read('prometheus/rules.yml');
    const alerts = [...rules.matchAll(/alert: (\w+)/g)].map(([, name = '']) => name);
    const tested = read('prometheus/rules.test.yml');
    const page = readFileSync(resolve(ops, '../docs/ALERTS.md'), 'utf8');
    const headings = [...page.matchAll(/^## (Millrace\w+)$/gm)].map(([, name = '']) => name);
    expect(headings.sort()).toEqual([...alerts].sort());
    for (const alert of alerts) {
      expect(tested, alert).toContain(`alertname: ${alert}\n        exp_alerts:\n`);
      expect(rules).toContain(`runbook: docs/ALERTS.md#${alert.toLowerCase()}`);
    }
  });

  test('dashboards are dashboards', async () => {
    for (const name of await readdir(join(ops, 'grafana'))) {
      const { uid, panels } = JSON.parse(read(`grafana/${name}`)) as {
        uid: string;
        panels: { id: number; targets: { expr: string }[] }[];
      };
      expect(uid).toMatch(/^millrace-/);
      expect(new Set(panels.map(({ id }) => id)).size).toBe(panels.length);
      for (const { targets } of panels) expect(targets.length).toBeGreaterThan(0);
    }
  });

  test.skipIf(!hasTools)('promtool takes rules, their tests and the example', async () => {
    const cwd = join(ops, 'prometheus');
    await exec('promtool', ['check', 'rules', 'rules.yml'], { cwd });
    await exec('promtool', ['check', 'config', 'prometheus.yml'], { cwd });
    const { stdout } = await exec('promtool', ['test', 'rules', 'rules.test.yml'], { cwd });
    expect(stdout).toContain('SUCCESS');
  });

  test.skipIf(!hasTools)(
    'Prometheus scrapes a run, and evaluates every rule and panel',
    {
      timeout: 120_000,
    },
    async () => {
      const gateway = await startGateway();
      const folder = await emptyFolder();
      await cp(join(ops, 'prometheus', 'rules.yml'), join(folder, 'rules.yml'));
      const config = read('prometheus/prometheus.yml')
        .replaceAll('15s', '1s')
        .replace('127.0.0.1:8080', new URL(gateway.url).host)
        .replace(/alerting:[\s\S]*/, '');
      await writeFile(join(folder, 'prometheus.yml'), config);
      const port = await freePort();
      const args = [
        ...['--config.file', join(folder, 'prometheus.yml')],
        ...['--storage.tsdb.path', join(folder, 'data')],
        ...['--web.listen-address', `127.0.0.1:${port}`],
      ];
      const prometheus = spawn('prometheus', args, { stdio: ['ignore', 'ignore', 'pipe'] });
      let said = '';
      prometheus.stderr.on('data', (chunk: Buffer) => {
        said += chunk.toString();
      });
      const ended = new Promise((done) => prometheus.on('close', done));
      onTestFinished(async () => {
        prometheus.kill('SIGKILL');
        await ended;
      });
      const api = async (path: string) => {
        const answer = await fetch(`http://127.0.0.1:${port}/api/v1${path}`).catch(() => undefined);
        return answer === undefined ? undefined : ((await answer.json()) as { data?: never });
      };
      const queried = async (expr: string) => {
        const answer = (await api(`/query?query=${encodeURIComponent(expr)}`)) as
          | { status: string; error?: string; data: { result: { value: [number, string] }[] } }
          | undefined;
        return answer;
      };
      const event = { id: '1', subject: 'ann', class: 'email_open', item: 'm' };
      await post(`${gateway.url}/v1/events`, [{ ...event, time: '2026-01-01T10:00:00Z' }]);
      // Until it has seen the record.
      for (;;) {
        const found = await queried('millrace_task_records_in_total{job="millrace"}');
        if (found?.data.result.some(({ value }) => Number(value[1]) > 0) === true) break;
        expect(prometheus.exitCode, said).toBeNull();
        await sleep(200);
      }
      type Rule = { name: string; health: string; lastError?: string; query: string };
      let rules: Rule[] = [];
      do {
        await sleep(200);
        const answer = (await api('/rules')) as
          | { data: { groups: { rules: Rule[] }[] } }
          | undefined;
        rules = answer?.data.groups.flatMap((group) => group.rules) ?? [];
      } while (rules.some(({ health }) => health === 'unknown'));
      expect(rules.length).toBeGreaterThan(10);
      expect(rules.filter(({ health }) => health !== 'ok')).toEqual([]);
      for (const name of await readdir(join(ops, 'grafana'))) {
        const { panels } = JSON.parse(read(`grafana/${name}`)) as {
          panels: { title: string; targets: { expr: string }[] }[];
        };
        for (const { title, targets } of panels) {
          for (const { expr } of targets) {
            const filled = expr
              .replaceAll('$job', 'millrace')
              .replaceAll('$instance', '.*')
              .replaceAll('$__rate_interval', '1m');
            const answer = await queried(filled);
            expect([title, answer?.status, answer?.error]).toEqual([title, 'success', undefined]);
          }
        }
      }
    },
  );
});

function freePort(): Promise<number> {
  return new Promise((done, fail) => {
    const server = createServer();
    server.on('error', fail);
    server.listen(0, '127.0.0.1', () => {
      const address = server.address();
      server.close(() => done(typeof address === 'object' && address !== null ? address.port : 0));
    });
  });
}
