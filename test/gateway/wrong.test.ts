/** Each way in which a sender can be wrong: one clear answer, and the gateway goes on. */
import { connect } from 'node:net';
import { gzipSync } from 'node:zlib';
import { OAuth2Server } from 'oauth2-mock-server';
import { beforeAll, describe, expect, test } from 'vitest';
import { hashOf, post, type RunningGateway, startGateway } from './running.ts';

const event = (id: string) => ({
  id,
  subject: 'ann',
  class: 'email_open',
  item: id,
  time: '2026-01-01T10:00:00Z',
});

/** Sends bytes as they are and answers the status line. */
function rawRequest(url: string, text: string): Promise<string> {
  const { port } = new URL(url);
  return new Promise((done, fail) => {
    const socket = connect(Number(port), '127.0.0.1', () => socket.write(text));
    let said = '';
    socket.on('data', (chunk: Buffer) => {
      said += chunk.toString();
      socket.end();
    });
    socket.on('close', () => done(said.split('\r\n')[0] ?? ''));
    socket.on('error', fail);
  });
}

describe('bodies', () => {
  const json = { 'content-type': 'application/json' };
  const cases: readonly (readonly [string, number, RegExp, string | Uint8Array, object])[] = [
    ['no JSON', 400, /is not JSON/, '{"id":', json],
    ['not UTF-8', 400, /is not UTF-8/, Buffer.from([0x22, 0xff, 0x22]), json],
    ['nested too deep', 400, /nested deeper than 64/, '['.repeat(5_000_000 / 5), json],
    ['a field twice', 400, /has the field "id" twice/, '{"id":"a","id":"b"}', json],
    ['too large', 413, /too large/i, `"${'x'.repeat(1_200_000)}"`, json],
    ['another type', 415, /send application\/json/, '{}', { 'content-type': 'text/plain' }],
    ['another encoding', 415, /encoding zstd/, '{}', { ...json, 'content-encoding': 'zstd' }],
    ['no gzip', 400, /not gzip/, '{}', { ...json, 'content-encoding': 'gzip' }],
    [
      'a bomb',
      413,
      /more than 1048576 bytes/,
      gzipSync(Buffer.alloc(100_000_000)),
      { ...json, 'content-encoding': 'gzip' },
    ],
    ['no events', 400, /is not an object/, '5', json],
    ['a time that is none', 400, /event 1: time "soon"/, 'MIXED', json],
    ['half a surrogate pair', 400, /event 1: it cannot be written: .*surrogate/, 'HALF', json],
    ['a mapping that is a path', 400, /name of a shipped mapping/, 'PATH', json],
    ['a long idempotency key', 400, /Idempotency-Key/, 'KEY', json],
  ];

  let gateway: RunningGateway;
  test('each is told, and good ones go on', async () => {
    gateway = await startGateway();
    const url = `${gateway.url}/v1/events`;
    for (const [name, status, text, body, headers] of cases) {
      const answer =
        body === 'MIXED'
          ? await post(url, [event('a'), { ...event('b'), time: 'soon' }])
          : body === 'HALF'
            ? await post(url, [event('c'), { ...event('d'), item: '\ud800' }])
            : body === 'PATH'
              ? await post(`${url}?mapping=..%2F..%2Fetc%2Fpasswd`, event('a'))
              : body === 'KEY'
                ? await post(url, event('a'), { 'idempotency-key': 'x'.repeat(300) })
                : await post(url, body, headers as Record<string, string>);
      expect([name, answer.status]).toEqual([name, status]);
      const { problem } = (await answer.json()) as { problem: string };
      expect(problem, name).toMatch(text);
      expect(JSON.stringify(problem), name).not.toMatch(/\bat \/|node_modules|\.ts:/);
    }
    expect((await post(url, event('good'))).status).toBe(202);
    const ids = (await gateway.records('events')).map(({ value }) => value['id']);
    expect(ids.sort()).toEqual(['a', 'c', 'good']);
  });

  test('malformed requests get 400 and never end the process', async () => {
    const { url } = await startGateway();
    const texts = [
      'GET // HTTP/1.1\r\nHost: localhost\r\n\r\n',
      'GET /%E0%A4%A HTTP/1.1\r\nHost: localhost\r\n\r\n',
      'BREW /v1/events HTTP/1.1\r\nHost: localhost\r\n\r\n',
      'POST /v1/events HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n',
      'POST /v1/events HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n',
      `GET /live HTTP/1.1\r\nHost: localhost\r\nX: ${'x'.repeat(100_000)}\r\n\r\n`,
      'GET /live HTTP/1.1\r\n\r\n',
    ];
    for (const text of texts) expect(await rawRequest(url, text)).toMatch(/^HTTP\/1\.1 4\d\d /);
    const answer = await fetch(`${url}/%E0%A4%A`);
    expect(await answer.json()).toEqual({ problem: expect.stringContaining('%') });
    expect(answer.headers.get('x-content-type-options')).toBe('nosniff');
    expect((await fetch(`${url}/live`)).status).toBe(200);
  });

  test('a request that is sent again counts once', async () => {
    const gateway = await startGateway();
    const { id: _, ...without } = event('x');
    const url = `${gateway.url}/v1/events`;
    for (let i = 0; i < 3; i++) {
      const answer = await post(url, [without, { ...without, item: 'y' }], {
        'idempotency-key': 'r1',
      });
      expect(answer.status).toBe(202);
    }
    const ids = new Set((await gateway.records('events')).map(({ value }) => value['id']));
    expect([...ids].sort()).toEqual(['r1/0/0', 'r1/1/0']);
  });
});

describe('callers', () => {
  let server: OAuth2Server;
  beforeAll(async () => {
    server = new OAuth2Server();
    await server.issuer.keys.generate('RS256');
    await server.start(0, '127.0.0.1');
    return () => server.stop();
  });

  const closed = () => ({
    accounts: {
      writeKeys: [
        { name: 'shop', sha256: hashOf('ingest-key') },
        { name: 'desk', sha256: hashOf('read-key'), roles: ['read'] },
      ],
      oauth: {
        issuer: server.issuer.url,
        audience: 'millrace',
        jwksUri: `${server.issuer.url}/jwks`,
        clockToleranceSeconds: 30,
      },
    },
  });

  const token = (claims: object = {}, expiresIn = 3_600, kid?: string) =>
    server.issuer.buildToken({
      expiresIn,
      ...(kid === undefined ? {} : { kid }),
      scopesOrTransform: (_, payload) => {
        Object.assign(payload, { aud: 'millrace', scope: 'millrace:ingest', sub: 'crm' }, claims);
      },
    });

  test('a key or token of the right role is let in, every other is refused', async () => {
    const { url } = await startGateway(closed());
    const bearer = (value: string) => ({ authorization: `Bearer ${value}` });
    const basic = (user: string) => ({
      authorization: `Basic ${Buffer.from(`${user}:`).toString('base64')}`,
    });
    const past = Math.floor(Date.now() / 1_000) - 60;
    const cases: [string, number, Record<string, string>][] = [
      ['nobody', 401, {}],
      ['an unknown key', 401, basic('nonsense')],
      ['a key', 202, basic('ingest-key')],
      ['a key as bearer', 202, bearer('ingest-key')],
      ['a key of another role', 403, basic('read-key')],
      ['a token', 202, bearer(await token())],
      ['another audience', 401, bearer(await token({ aud: 'another' }))],
      ['another issuer', 401, bearer(await token({ iss: 'https://evil.example' }))],
      ['expired', 401, bearer(await token({ exp: past }))],
      ['expired within the tolerance', 202, bearer(await token({ exp: past + 50 }))],
      ['from the future', 401, bearer(await token({ nbf: past + 600 }))],
      ['another scope', 403, bearer(await token({ scope: 'profile' }))],
      ['no token', 401, bearer('a.b.c')],
      ['a token without a signature', 401, bearer(`${btoa('{"alg":"none"}')}.e30.`)],
      ['a scheme of its own', 401, { authorization: 'Digest x' }],
    ];
    for (const [name, status, headers] of cases) {
      const answer = await post(`${url}/v1/events`, event('a'), headers);
      expect([name, answer.status]).toEqual([name, status]);
    }
  });

  test('every route but those that say how the process lives needs credentials', async () => {
    const { url } = await startGateway(closed());
    const document = await fetch(`${url}/openapi.json`, {
      headers: { authorization: 'Bearer read-key' },
    });
    const { paths } = (await document.json()) as {
      paths: Record<string, Record<string, { security?: unknown[] }>>;
    };
    const open: string[] = [];
    for (const [path, methods] of Object.entries(paths)) {
      for (const method of Object.keys(methods)) {
        const { status } = await fetch(url + path, { method: method.toUpperCase() });
        if (status !== 401) open.push(path);
      }
    }
    expect(open.sort()).toEqual(['/live', '/ready']);
    expect((await fetch(`${url}/nothing`)).status).toBe(401);
  });

  test('keys of the issuer may rotate', async () => {
    const { url } = await startGateway(closed());
    const send = async (kid: string | undefined) => {
      const jwt = await token({}, 3_600, kid);
      const headers = { authorization: `Bearer ${jwt}` };
      return (await post(`${url}/v1/events`, event('a'), headers)).status;
    };
    expect(await send(undefined)).toBe(202);
    const { kid } = await server.issuer.keys.generate('RS256');
    // The keys are fetched once a second at most, so that strangers cannot have them fetched at
    // will.
    let status = 0;
    for (let i = 0; i < 100 && status !== 202; i++) {
      status = await send(kid);
      await new Promise((done) => setTimeout(done, 100));
    }
    expect(status).toBe(202);
  });

  test('without accounts a web page of elsewhere is refused', async () => {
    const { url } = await startGateway();
    const { port } = new URL(url);
    const body = '{}';
    const request = (headers: string) =>
      rawRequest(
        url,
        `POST /v1/events HTTP/1.1\r\n${headers}Content-Type: application/json\r\nContent-Length: ${body.length}\r\nConnection: close\r\n\r\n${body}`,
      );
    expect(await request(`Host: evil.example:${port}\r\n`)).toContain(' 403 ');
    const local = `Host: 127.0.0.1:${port}\r\n`;
    expect(await request(`${local}Origin: https://evil.example\r\n`)).toContain(' 403 ');
    expect(await request(`${local}Origin: null\r\n`)).toContain(' 403 ');
    expect(await request(local)).toContain(' 400 ');
  });

  test('without accounts nothing is served to other machines', async () => {
    const { serveGateway } = await import('../../topologies/gateway/gateway-server.ts');
    const options = { host: '0.0.0.0', port: 0, config: {} } as never;
    await expect(serveGateway(options)).rejects.toMatchObject({
      code: 'CONFIG_INVALID',
      context: { field: '--http-host' },
    });
  });

  test('no body and no header says what runs inside', async () => {
    const { url } = await startGateway(closed());
    for (const path of ['/v1/events', '/nothing', '/segment/explain']) {
      const answer = await post(url + path, '{"', { authorization: 'Bearer ingest-key' });
      expect(answer.headers.get('x-content-type-options')).toBe('nosniff');
      expect(answer.headers.get('cache-control')).toBe('no-store');
      expect(answer.headers.get('x-powered-by')).toBeNull();
      expect(answer.headers.get('server')).toBeNull();
      expect(await answer.text()).not.toMatch(/fastify|node|\.ts/i);
    }
  });
});

test.each([
  ['a field that is not known', { acounts: {} }, 'acounts'],
  ['a key in clear text', { accounts: { writeKeys: [{ name: 'a', sha256: 'key' }] } }, 'sha256'],
  ['a provider that is not known', { webhooks: { a: { provider: 'x', secrets: [] } } }, 'provider'],
  ['no secret', { webhooks: { a: { provider: 'stripe' } } }, 'secrets'],
  ['a limit of nothing', { limits: { bodyBytes: 0 } }, 'limits.bodyBytes'],
  ['keys over plain http', oauth('http://issuer.example/jwks'), 'jwksUri'],
])('the configuration: %s is refused with its path', async (_, config, field) => {
  await expect(startGateway(config)).rejects.toMatchObject({
    code: 'CONFIG_INVALID',
    context: { field: expect.stringContaining(field) },
  });
});

function oauth(jwksUri: string) {
  return { accounts: { oauth: { issuer: 'https://issuer.example', audience: 'a', jwksUri } } };
}
