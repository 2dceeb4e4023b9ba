/**
 * What a sender can do wrong below its body: lengths, chunks, versions of HTTP, expectations,
 * pipelines, slowness. One clear answer each, counted once, and the gateway goes on.
 */
import { connect } from 'node:net';
import { describe, expect, test } from 'vitest';
import { post, startGateway } from './running.ts';

const event = { id: 'a', subject: 'ann', class: 'email_open', time: '2026-01-01T10:00:00Z' };
const json = JSON.stringify(event);
const length = json.length;

/** Sends parts, waiting so many ms where a number stands; answers all that came back. */
function talk(url: string, parts: readonly (string | number)[], ends = false): Promise<string> {
  return new Promise((done) => {
    const socket = connect(Number(new URL(url).port), '127.0.0.1');
    let said = '';
    socket.on('data', (chunk: Buffer) => {
      said += chunk.toString('latin1');
    });
    // Who is refused while it still sends may find the connection reset.
    socket.on('error', () => {});
    socket.on('close', () => done(said));
    const send = async () => {
      for (const part of parts) {
        if (typeof part === 'number') await new Promise((go) => setTimeout(go, part));
        else socket.write(part, 'latin1');
      }
      if (ends) socket.end();
    };
    void send();
  });
}

function statusesIn(said: string): number[] {
  return [...said.matchAll(/HTTP\/1\.1 (\d{3}) /g)].map(([, status]) => Number(status));
}

async function refused(url: string): Promise<Record<string, number>> {
  const text = await (await fetch(`${url}/metrics`)).text();
  const lines = text.matchAll(/^millrace_http_refused_total\{.*reason="(.*)"\} (\d+)$/gm);
  const found: Record<string, number> = {};
  for (const [, reason = '', count] of lines) found[reason] = (found[reason] ?? 0) + Number(count);
  return found;
}

const head = 'POST /v1/events HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n';
const last = 'Connection: close\r\n';
const chunked = 'Transfer-Encoding: chunked\r\n';
const withLength = (bytes: number | string) => `Content-Length: ${bytes}\r\n\r\n${json}`;
const get = (path: string, more = '') =>
  `GET ${path} HTTP/1.1\r\nHost: localhost\r\n${more}${last}\r\n`;
const chunk = `${length.toString(16)}\r\n${json}\r\n`;

type Case = readonly [
  name: string,
  parts: readonly (string | number)[],
  statuses: readonly number[],
  problem?: RegExp,
  reason?: string,
];

const malformed = [/not valid HTTP/, 'malformed'] as const;
const fine: readonly Case[] = [
  ['trailers', [`${head}${last}${chunked}Trailer: X\r\n\r\n${chunk}0\r\nX: 1\r\n\r\n`], [202]],
  ['chunks, a byte each', [`${head}${last}${chunked}\r\n`, ...bytesOf(json), '0\r\n\r\n'], [202]],
  ['Expect', [`${head}${last}Expect: 100-continue\r\n${withLength(length)}`], [100, 202]],
  ['HTTP/1.0', [`${head.replace('1.1', '1.0')}${withLength(length)}`], [202]],
  ['HTTP/1.0 without Host', ['GET /live HTTP/1.0\r\n\r\n'], [200]],
  ['HEAD', [`HEAD /live HTTP/1.1\r\nHost: localhost\r\n${last}\r\n`], [200]],
  ['a pipeline', [`${head}${withLength(length)}`.repeat(3) + get('/live')], [202, 202, 202, 200]],
  ['an upgrade', [get('/live', 'Connection: Upgrade\r\nUpgrade: websocket\r\n')], [200]],
  ['many headers', [get('/live', manyHeaders(1_500))], [200]],
];
const wrong: readonly Case[] = [
  ['a length too short', [`${head}${withLength(length - 5)}`], [400], ...malformed],
  ['a negative length', [`${head}${withLength(-1)}`], [400], ...malformed],
  ['a length that is none', [`${head}${withLength('many')}`], [400], ...malformed],
  ['no length', [`${head}${last}\r\n${json}`], [400], ...malformed],
  ['a chunk that is none', [`${head}${chunked}\r\nzz\r\n${json}\r\n`], [400], ...malformed],
  ['HTTP/2 at once', ['PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'], [400], ...malformed],
  ['TLS', ['\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03'], [400], ...malformed],
  ['a folded header', [get('/live', 'X: a\r\n b\r\n')], [400], ...malformed],
  ['a flood of headers', [get('/live', 'x: y\r\n'.repeat(20_000))], [431], /16384/, 'malformed'],
  ['a long address', [get(`/${'x'.repeat(20_000)}`)], [431], /16384/, 'malformed'],
  [
    'a flood of trailers',
    [`${head}${chunked}\r\n${chunk}0\r\n${'x: y\r\n'.repeat(20_000)}\r\n`],
    ...([[431], /16384/, 'malformed'] as const),
  ],
  [
    'chunks without end',
    [`${head}${chunked}\r\n`, ...Array(24).fill(`10000\r\n${'x'.repeat(65_536)}\r\n`)],
    ...([[413], /too large/, 'too_large'] as const),
  ],
  ['another expectation', [`${head}Expect: 200\r\n\r\n`], [417], /100-continue/, 'malformed'],
  ['CONNECT', ['CONNECT x:1 HTTP/1.1\r\nHost: x:1\r\n\r\n'], [405], /proxies/, 'malformed'],
  [
    'a form in two packings',
    [`${head}${last}Content-Encoding: gzip, gzip\r\n${withLength(length)}`],
    ...([[415], /gzip, gzip/, 'content_encoding'] as const),
  ],
  [
    'OPTIONS *',
    [`OPTIONS * HTTP/1.1\r\nHost: localhost\r\n${last}\r\n`],
    [404],
    /path/,
    'no_route',
  ],
];

function bytesOf(text: string): string[] {
  return [...text].map((char) => `1\r\n${char}\r\n`);
}

function manyHeaders(count: number): string {
  return Array.from({ length: count }, (_, i) => `${i.toString(36)}:1\r\n`).join('');
}

describe('raw requests', () => {
  test('what HTTP allows is taken', async () => {
    const { url, records } = await startGateway();
    for (const [name, parts, statuses] of fine) {
      expect([name, statusesIn(await talk(url, parts))]).toEqual([name, statuses]);
    }
    expect(await refused(url)).toEqual({});
    expect(await records('events')).toHaveLength(7);
  });

  test('what it does not is refused once, in words, and counted once', async () => {
    const { url } = await startGateway();
    const counted: Record<string, number> = {};
    for (const [name, parts, statuses, problem, reason = ''] of wrong) {
      const said = await talk(url, parts);
      expect([name, statusesIn(said)]).toEqual([name, statuses]);
      expect(said, name).toMatch(/\r\nx-content-type-options: nosniff\r\n/);
      const body = said.slice(said.indexOf('\r\n\r\n') + 4);
      expect([name, JSON.parse(body).problem]).toEqual([
        name,
        expect.stringMatching(problem ?? ''),
      ]);
      counted[reason] = (counted[reason] ?? 0) + 1;
      expect([name, await refused(url)]).toEqual([name, counted]);
    }
    expect((await post(`${url}/v1/events`, event)).status).toBe(202);
  });

  test('who goes away in the middle leaves nothing behind', async () => {
    const { url, records } = await startGateway();
    for (let i = 0; i < 50; i++) {
      const socket = connect(Number(new URL(url).port), '127.0.0.1');
      socket.on('error', () => {});
      await new Promise<void>((done) => {
        socket.write(`${head}Content-Length: 1000\r\n\r\n${json}`, () => done());
      });
      // Half of them say that they end, the others are gone.
      if (i % 2 === 0) socket.end();
      else socket.resetAndDestroy();
    }
    expect((await post(`${url}/v1/events`, event)).status).toBe(202);
    expect(await records('events')).toHaveLength(1);
  });

  test('a head that comes too slowly is answered 408 after ten seconds', {
    timeout: 60_000,
  }, async () => {
    const { url } = await startGateway();
    const dribble = Array.from({ length: 40 }, (_, i) => [`X${i}: y\r\n`, 500]).flat();
    const begin = performance.now();
    const said = await talk(url, ['GET /live HTTP/1.1\r\nHost: localhost\r\n', ...dribble]);
    const seconds = (performance.now() - begin) / 1_000;
    expect(statusesIn(said)).toEqual([408]);
    expect(said).toContain('came too slowly');
    expect(seconds).toBeGreaterThan(9.9);
    expect(await refused(url)).toEqual({ too_slow: 1 });
  });
});
