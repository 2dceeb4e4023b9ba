/** What clients may send: a request that is malformed gets a 4xx, and never ends the process. */
import { connect } from 'node:net';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { MillraceError } from '../../engine/base/errors.ts';
import type { Health } from '../../engine/http/health.ts';
import { type HttpEndpoint, serveHttp } from '../../engine/http/http-server.ts';
import type { Route } from '../../engine/http/routes.ts';

const health: Health = {
  status: 'running',
  application: 'test',
  commitId: 1,
  lastCommitAgeMs: 1,
  streamTime: null,
  stalled: [],
  paused: { all: false, topics: [], partitions: [], sources: [] },
};
const routes: readonly Route[] = [
  {
    method: 'GET',
    path: '/segment/explain',
    answer: async (query) => {
      const segment = String(query.get('segment'));
      if (segment === 'none') {
        throw new MillraceError('SEGMENT_UNKNOWN', { segment, hint: 'there are a, b' });
      }
      return { segment };
    },
  },
  { method: 'POST', path: '/segment/plan', answer: async (_, body) => ({ body }) },
  {
    method: 'GET',
    path: '/circle',
    answer: async () => {
      const circle: { self?: object } = {};
      circle.self = circle;
      return circle;
    },
  },
];

describe('a request', () => {
  let endpoint: HttpEndpoint;
  beforeAll(async () => {
    endpoint = await serveHttp({
      port: 0,
      health: () => health,
      metrics: async () => ({ contentType: 'text/plain', text: 'a 1\n' }),
      routes: () => routes,
    });
  });
  afterAll(() => endpoint.close());

  /** The status of the answer to these bytes, and all of it. */
  function answered(bytes: string): Promise<[status: number, text: string]> {
    return new Promise((done, fail) => {
      const socket = connect(endpoint.port, '127.0.0.1', () => socket.end(bytes));
      let text = '';
      socket.on('data', (chunk: Buffer) => {
        text += chunk.toString();
      });
      socket.on('error', fail);
      socket.on('close', () => done([Number(/^HTTP\/1\.1 (\d+)/.exec(text)?.[1]), text]));
    });
  }
  const sent = (target: string, method = 'GET', headers = 'Host: here\r\n', body = '') =>
    answered(`${method} ${target} HTTP/1.1\r\n${headers}Connection: close\r\n\r\n${body}`);

  it.each([
    ['two slashes', () => sent('//'), 400],
    ['two slashes and a host', () => sent('//evil.example/health'), 400],
    ['two slashes and what is no host', () => sent('//[/x'), 400],
    ['a backslash host', () => sent('/\\[/x'), 400],
    ['a percent escape that is none', () => sent('/%zz'), 400],
    ['a percent escape in the query', () => sent('/segment/explain?segment=%E0%A4%A'), 400],
    ['bytes that are no UTF-8', () => sent('/%ff'), 400],
    ['a whole address, as to a proxy', () => sent('http://other.example/health'), 400],
    ['an address without a host', () => sent('http://'), 400],
    ['a star', () => sent('*', 'OPTIONS'), 400],
    ['CONNECT', () => sent('other.example:443', 'CONNECT'), 405],
    ['TRACE', () => sent('/health', 'TRACE'), 405],
    ['a wrong method', () => sent('/health', 'POST', 'Host: here\r\nContent-Length: 0\r\n'), 405],
    ['a wrong method of a question', () => sent('/segment/plan'), 405],
    ['a method that is none', () => sent('/health', 'FETCH'), 400],
    ['a path that is not there', () => sent('/constructor'), 404],
    ['no host', () => sent('/health', 'GET', ''), 400],
    ['a host that is none', () => sent('/health', 'GET', 'Host: a b/c\r\n'), 400],
    ['a host with a user', () => sent('/health', 'GET', 'Host: u:p@here\r\n'), 400],
    [
      'headers beyond all measure',
      () => sent('/health', 'GET', `Host: a\r\nX: ${'x'.repeat(70_000)}\r\n`),
      431,
    ],
    ['a target beyond all measure', () => sent(`/${'x'.repeat(70_000)}`), 431],
    ['what is no HTTP', () => answered('hello\r\n\r\n'), 400],
    [
      'two lengths',
      () =>
        sent(
          '/segment/plan',
          'POST',
          'Host: a\r\nContent-Length: 1\r\nContent-Length: 2\r\n',
          '{}',
        ),
      400,
    ],
    [
      'a body that is no JSON',
      () => sent('/segment/plan', 'POST', 'Host: a\r\nContent-Length: 1\r\n', '{'),
      400,
    ],
    ['a segment that is not there', () => sent('/segment/explain?segment=none'), 404],
  ])('with %s is refused, and the next is answered', async (_, send, status) => {
    const [found, text] = await send();
    expect([found, text.slice(0, 200)]).toEqual([status, expect.any(String)]);
    expect((await sent('/health'))[0]).toBe(200);
  });

  it('whose answer cannot be written is an error of the server, which goes on', async () => {
    expect((await sent('/circle'))[0]).toBeGreaterThanOrEqual(500);
    expect((await sent('/health'))[0]).toBe(200);
  });

  const large = 5 * 1024 * 1024;
  const chunk = `${(large / 5).toString(16)}\r\n${' '.repeat(large / 5)}\r\n`;
  it.each([
    ['announced', `Content-Length: ${large}\r\n`, ' '.repeat(large)],
    ['in chunks', 'Transfer-Encoding: chunked\r\n', `${chunk.repeat(5)}0\r\n\r\n`],
  ])('with a body that is too large, %s, is answered 413', async (_, headers, body) => {
    const [status, text] = await sent('/segment/plan', 'POST', `Host: a\r\n${headers}`, body);
    expect([status, text]).toEqual([413, expect.stringContaining('BODY_TOO_LARGE')]);
    expect((await sent('/health'))[0]).toBe(200);
  });

  it('with a body that begins with a byte-order mark is read', async () => {
    const body = '\uFEFF{"a":1}';
    const length = `Host: a\r\nContent-Length: ${Buffer.byteLength(body)}\r\n`;
    const [status, text] = await sent('/segment/plan', 'POST', length, body);
    expect([status, text]).toEqual([200, expect.stringContaining('{"body":{"a":1}}')]);
  });

  it('as usual is answered', async () => {
    expect((await sent('/metrics'))[1]).toMatch(/a 1/);
    expect((await sent('/segment/explain?segment=a%20b'))[1]).toMatch(/"segment":"a b"/);
    expect((await sent('/health', 'HEAD'))[0]).toBe(200);
    expect((await sent('/health', 'GET', 'Host: [::1]:8080\r\n'))[0]).toBe(200);
  });
});
