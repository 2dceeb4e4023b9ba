/** Metrics over a real UDP socket, and the monitors that are shipped for them. */
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import type { AddressInfo } from 'node:net';
import { join, resolve } from 'node:path';
import { describe, expect, onTestFinished, test } from 'vitest';
import { metricsObserver } from '../../engine/runtime/observe.ts';
import { statsdAddress } from '../../engine/runtime/statsd.ts';
import { emptyFolder, millrace } from './millrace.ts';

const ops = resolve(import.meta.dirname, '../../ops');

async function agent(): Promise<{ readonly port: number; readonly lines: string[] }> {
  const socket = createSocket('udp4');
  const lines: string[] = [];
  socket.on('message', (packet) => {
    expect(packet.byteLength, 'a packet fits into a frame').toBeLessThanOrEqual(1_500);
    lines.push(...packet.toString().split('\n').filter(Boolean));
  });
  socket.bind(0, '127.0.0.1');
  await once(socket, 'listening');
  onTestFinished(() => {
    socket.close();
  });
  return { port: (socket.address() as AddressInfo).port, lines };
}

describe('DogStatsD', () => {
  test('a run sends what /metrics would show, and at its end what is left', async () => {
    const { port, lines } = await agent();
    const data = await emptyFolder();
    const rows = join(data, 'rows.jsonl');
    const row = (i: number) =>
      JSON.stringify({ subject: `s${i % 3}`, class: 'email_open', time: '2026-01-31T09:30:00Z' });
    await writeFile(rows, Array.from({ length: 40 }, (_, i) => row(i)).join('\n'));
    const address = `127.0.0.1:${port}`;
    const args = ['--data', join(data, 'd'), '--threads', '0', '--no-serve', '--statsd', address];
    const { code, stderr } = await millrace(
      'start',
      '--input',
      rows,
      '--mapping',
      'sample',
      ...args,
    );
    expect(code, stderr).toBe(0);
    const sum = (name: string) =>
      lines
        .filter((line) => line.startsWith(`${name}:`))
        .reduce((all, line) => all + Number(/:([\d.]+)\|c/.exec(line)?.[1]), 0);
    await expect.poll(() => sum('millrace_source_records_total')).toBe(40);
    expect(sum('millrace_records_in_total')).toBeGreaterThanOrEqual(40);
    expect(lines.filter((line) => line.startsWith('millrace_tasks:'))).not.toEqual([]);
    const task = lines.find((line) => line.startsWith('millrace_task_records_in_total:'));
    expect(task).toMatch(/^millrace_task_records_in_total:\d+\|c\|#task:0_\d$/);
    expect(lines.join('\n'), 'no buckets').not.toMatch(/_bucket|le:/);
    expect(lines.some((line) => line.startsWith('millrace_cycle_commit_seconds_sum:'))).toBe(true);
  });

  test('an address that is none is one clear error', async () => {
    const data = await emptyFolder();
    const { code, stderr } = await millrace('start', '--data', data, '--statsd', 'agent:99999');
    expect(stderr).toContain(
      '--statsd: must be host:port, such as 127.0.0.1:8125, is "agent:99999"',
    );
    expect(code).toBe(2);
  });

  test('addresses', () => {
    expect(statsdAddress('agent')).toEqual({ host: 'agent', port: 8_125 });
    expect(statsdAddress('10.0.0.1:9')).toEqual({ host: '10.0.0.1', port: 9 });
    expect(statsdAddress('[::1]:9')).toEqual({ host: '::1', port: 9 });
    for (const wrong of ['', ':1', 'a:0', 'a:x', 'a b', '[::1']) {
      expect(() => statsdAddress(wrong), wrong).toThrow('option `statsd`');
    }
  });
});

interface Monitor {
  readonly name: string;
  readonly type: string;
  readonly query: string;
  readonly message: string;
  readonly tags: readonly string[];
  readonly options: { readonly thresholds: { readonly critical: number } };
}

describe('monitors for Datadog', () => {
  const monitors = JSON.parse(
    readFileSync(join(ops, 'datadog/monitors.json'), 'utf8'),
  ) as readonly Monitor[];

  test('there is one for each alert of Prometheus, as severe', () => {
    const rules = readFileSync(join(ops, 'prometheus/rules.yml'), 'utf8');
    const alerts = [...rules.matchAll(/alert: (\w+)[\s\S]*?severity: (\w+)/g)].map(
      ([, name, severity]) => `${name} ${severity}`,
    );
    const severityOf = ({ tags }: Monitor) =>
      tags.find((tag) => tag.startsWith('severity:'))?.slice('severity:'.length);
    expect(monitors.map((one) => `${one.name.split(' ')[0]} ${severityOf(one)}`)).toEqual(alerts);
  });

  test('they name metrics that are sent, thresholds as in the query, and the page', async () => {
    const { registry } = metricsObserver(async () => [], undefined, '.');
    const known = new Map(
      (await registry.getMetricsAsJSON()).map(({ name, type }) => [name, String(type)]),
    );
    for (const { name, query, type, message, options } of monitors) {
      const named = [...query.matchAll(/\b(?:sum|min|max|avg):(millrace_\w+)/g)];
      expect(named.length, name).toBeGreaterThan(0);
      for (const [, metric = ''] of named) {
        expect(['counter', 'gauge'], `${name}: ${metric}`).toContain(known.get(metric));
        const counted = new RegExp(`${metric}\\{[^}]*\\} by \\{[^}]*\\}\\.as_count\\(\\)`);
        expect(counted.test(query), `${name}: ${metric}`).toBe(known.get(metric) === 'counter');
      }
      expect(query.endsWith(` ${options.thresholds.critical}`), query).toBe(true);
      expect(type).toBe('query alert');
      expect(message).toContain(`docs/ALERTS.md#${name.split(' ')[0]?.toLowerCase()}`);
    }
  });
});
