/**
 * The gateway's security requirements, each test named by its number. Those about other parts are
 * held where the part is tested: S17 and S19 with the schemas.
 */

import { createHmac } from 'node:crypto';
import { mkdir, readdir, readFile, stat, writeFile } from 'node:fs/promises';
import { connect, type Socket } from 'node:net';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { MillraceError } from 'millrace';
import { Registry } from 'prom-client';
import { Webhook } from 'standardwebhooks';
import { describe, expect, onTestFinished, test } from 'vitest';
import { nameProblem } from '../../engine/graph/topic-names.ts';
import { logObserver } from '../../engine/runtime/observe.ts';
import { makeDirectory } from '../../engine/storage/directory.ts';
import { gatewayApp } from '../../topologies/gateway/gateway-app.ts';
import { checkGateway } from '../../topologies/gateway/gateway-config.ts';
import { serveGateway } from '../../topologies/gateway/gateway-server.ts';
import type { GatewayOptions } from '../../topologies/gateway/parts.ts';
import { checkHmac, same } from '../../topologies/gateway/webhooks/signature.ts';
import { SnsTopics } from '../../topologies/gateway/webhooks/sns.ts';
import { textTest } from '../../topologies/ingest/pattern.ts';
import { emptyFolder, launch, millrace } from '../process/millrace.ts';
import { hashOf, post, startGateway } from './running.ts';

const event = {
  id: 'a',
  subject: 'ann',
  class: 'email_open',
  item: 'a',
  time: '2026-01-01T10:00Z',
};
const secret = `whsec_${Buffer.from('a secret of 24 bytes....').toString('base64')}`;
const closed = {
  accounts: {
    writeKeys: [
      { name: 'shop', sha256: hashOf('ingest-key') },
      { name: 'desk', sha256: hashOf('read-key'), roles: ['read'] as const },
      { name: 'root', sha256: hashOf('admin-key'), roles: ['admin'] as const },
    ],
  },
};
const own = {
  webhooks: {
    own: { provider: 'standard-webhooks', mapping: 'sample', secrets: [{ env: 'SECRET' }] },
  },
};

/** Routes without an application behind them: what is refused before it gets there. */
function options(config: unknown, more: Partial<GatewayOptions> = {}): GatewayOptions {
  return {
    port: 0,
    host: '127.0.0.1',
    config: checkGateway(config),
    intake: () => undefined,
    backlog: async () => 0,
    health: () => ({ status: 'running' }),
    metrics: async () => ({ contentType: 'text/plain', text: '' }),
    questions: [],
    now: () => Date.now(),
    env: { SECRET: secret },
    readSecret: async () => '',
    get: async () => '',
    ...more,
  };
}

async function served(config: unknown, more?: Partial<GatewayOptions>) {
  const endpoint = await serveGateway(options(config, more));
  onTestFinished(() => endpoint.close());
  return endpoint;
}

function signed(body: string, at = new Date(), id = 'msg_1'): Record<string, string> {
  return {
    'content-type': 'application/json',
    'webhook-id': id,
    'webhook-timestamp': String(Math.floor(at.getTime() / 1_000)),
    'webhook-signature': new Webhook(secret).sign(id, at, body),
  };
}

/** Sends bytes as they are; answers all that came back until the other side ended. */
function raw(port: number, text: string): Promise<string> {
  return new Promise((done, fail) => {
    const socket = connect(port, '127.0.0.1', () => socket.write(text));
    let said = '';
    socket.on('data', (chunk: Buffer) => {
      said += chunk.toString();
      socket.end();
    });
    socket.on('close', () => done(said));
    socket.on('error', (error) => (said === '' ? fail(error) : done(said)));
  });
}

describe('HTTP', () => {
  test('S1: administration has a listener of its own, on the loopback interface', async () => {
    const { port, adminPort = 0 } = await served({ ...closed, admin: { port: 0 } });
    const status = async (at: number, path: string, key: string) =>
      (
        await fetch(`http://127.0.0.1:${at}${path}`, {
          headers: { authorization: `Bearer ${key}` },
        })
      ).status;
    expect(adminPort).not.toBe(port);
    expect(await status(port, '/metrics', 'admin-key')).toBe(404);
    expect(await status(adminPort, '/metrics', 'read-key')).toBe(200);
    expect(await status(adminPort, '/i?e=pv', 'ingest-key')).toBe(403);
    expect(await status(port, '/live', '')).toBe(200);
    const open = options({ admin: { port: 0, host: '0.0.0.0' } });
    await expect(serveGateway(open)).rejects.toMatchObject({
      context: { field: 'admin.host' },
    });
  });

  test('S2: limits are our own, and connections are counted', async () => {
    const app = await gatewayApp(options({}));
    const { headersTimeout, requestTimeout, maxConnections, keepAliveTimeout } = app.server;
    expect({ headersTimeout, requestTimeout, maxConnections, keepAliveTimeout }).toEqual({
      headersTimeout: 10_000,
      requestTimeout: 30_000,
      maxConnections: 1_000,
      keepAliveTimeout: 10_000,
    });
    expect(app.initialConfig.bodyLimit).toBe(1_048_576);
    const refused: string[] = [];
    const requests = {
      answered: () => {},
      taken: () => {},
      text: async () => '',
      refusedConnection: (reason: string) => void refused.push(reason),
      registry: new Registry(),
    };
    const { port } = await served({ limits: { connections: 3 } }, { requests });
    const sockets: Socket[] = [];
    const ends = Array.from(
      { length: 8 },
      () =>
        new Promise<void>((done) => {
          const socket = connect(port, '127.0.0.1');
          sockets.push(socket);
          socket.on('close', () => done());
          socket.on('error', () => {});
        }),
    );
    // Five of them are closed by the gateway, the others stay.
    let left = 5;
    await new Promise<void>((done) => {
      for (const end of ends) void end.then(() => --left === 0 && done());
    });
    expect(refused).toEqual(Array(5).fill('connections'));
    for (const socket of sockets) socket.destroy();
  });

  test('S3: methods and paths that are not declared do nothing', async () => {
    const { port } = await served({});
    const methods = ['TRACE', 'PUT', 'PATCH', 'DELETE', 'OPTIONS', 'PROPFIND'];
    for (const method of methods) {
      const text = `${method} /live HTTP/1.1\r\nHost: localhost\r\nX-Canary: echo\r\nConnection: close\r\n\r\n`;
      const answer = await raw(port, text);
      expect([method, answer.split('\r\n')[0]]).toEqual([
        method,
        expect.stringMatching(/ 40[045] /),
      ]);
      expect(answer).not.toContain('echo');
    }
    for (const path of ['/..%2f..%2fetc/passwd', '/v1/events/', '/V1/EVENTS', '/v1//events']) {
      expect((await post(`http://127.0.0.1:${port}${path}`, event)).status).toBe(404);
    }
    for (const type of ['text/plain', 'application/x-www-form-urlencoded', 'multipart/form-data']) {
      const headers = { 'content-type': type };
      const answer = await post(
        `http://127.0.0.1:${port}/v1/events`,
        JSON.stringify(event),
        headers,
      );
      expect([type, answer.status]).toEqual([type, 415]);
    }
  });

  test('S4: requests that two parsers read differently are refused', async () => {
    const { port } = await served({});
    const head = 'POST /v1/events HTTP/1.1\r\nHost: localhost\r\n';
    const chunk = '0\r\n\r\nGET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n';
    const corpus = [
      `${head}Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n${chunk}`,
      `${head}Content-Length: 1\r\nContent-Length: 2\r\n\r\n{}`,
      `${head}Transfer-Encoding: xchunked\r\n\r\n${chunk}`,
      `${head}Transfer-Encoding : chunked\r\n\r\n${chunk}`,
      `${head}Content-Length: +2\r\n\r\n{}`,
      `${head}Content-Length: 0x2\r\n\r\n{}`,
      'POST /v1/events HTTP/1.1\nHost: localhost\n\n',
      'GET /live HTTP/1.1\r\n\r\n',
      'GET /live HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n',
      'GET /live HTTP/9.9\r\nHost: a\r\n\r\n',
      `${head}X: a\0b\r\n\r\n`,
    ];
    for (const text of corpus) {
      const answer = await raw(port, text);
      expect(answer.split('\r\n')[0], JSON.stringify(text)).toMatch(/^HTTP\/1\.1 (400|403|505) /);
      // One answer, and none to what was smuggled behind.
      expect(answer.split('HTTP/1.1 ')).toHaveLength(2);
    }
    const product = await readFile(
      join(import.meta.dirname, '../../topologies/gateway/gateway-app.ts'),
      'utf8',
    );
    expect(product).not.toContain('insecureHTTPParser');
  });

  test('S5: what a body becomes is limited, whatever packs it', async () => {
    const { port } = await served({});
    const { brotliCompressSync, deflateSync } = await import('node:zlib');
    const zeros = Buffer.alloc(20_000_000);
    const packed = {
      gzip: gzipSync(zeros),
      deflate: deflateSync(zeros),
      br: brotliCompressSync(zeros),
    };
    for (const [encoding, body] of Object.entries(packed)) {
      const headers = { 'content-encoding': encoding };
      for (const path of ['/v1/events', '/v1/batch', '/com.snowplowanalytics.snowplow/tp2']) {
        const answer = await post(`http://127.0.0.1:${port}${path}`, body, headers);
        expect([encoding, path, answer.status]).toEqual([encoding, path, 413]);
      }
    }
  });

  test('S6: 503 with Retry-After when the queue of the log is full, or the log is away', async () => {
    const failing = (code: 'APPEND_FULL' | 'LOG_UNAVAILABLE', context: object) => {
      const take = () => Promise.reject(new MillraceError(code, context as never));
      return served({}, { intake: () => ({ take }) as never });
    };
    for (const endpoint of [
      await served({}),
      await failing('APPEND_FULL', { waiting: 100_000 }),
      await failing('LOG_UNAVAILABLE', { directory: '/secret/path', problem: 'disk' }),
    ]) {
      const answer = await post(`http://127.0.0.1:${endpoint.port}/v1/events`, event);
      expect(answer.status).toBe(503);
      expect(Number(answer.headers.get('retry-after'))).toBeGreaterThan(0);
      expect(await answer.text()).not.toContain('/secret/path');
    }
  });

  test('S7: no answer tells the inside, or is kept by anybody', async () => {
    const broken = async () => {
      throw new Error('at /home/me/secret.ts:5');
    };
    const { port } = await served({}, { metrics: broken });
    const url = `http://127.0.0.1:${port}`;
    const answers = [
      await fetch(`${url}/metrics`),
      await fetch(`${url}/nothing`),
      await post(`${url}/v1/events`, '{"'),
      await post(`${url}/v1/events`, 'x'.repeat(2_000_000)).catch(() => undefined),
    ].filter((answer) => answer !== undefined);
    const text = await raw(port, 'nonsense\r\n\r\n');
    const bodies = [...(await Promise.all(answers.map((answer) => answer.text()))), text];
    for (const body of bodies) expect(body).not.toMatch(/secret|\.ts|fastify|node_modules| at \//i);
    expect(bodies[0]).toBe('{"problem":"the request could not be answered"}');
    for (const { headers } of answers) {
      expect(headers.get('cache-control')).toBe('no-store');
      expect(headers.get('x-content-type-options')).toBe('nosniff');
      expect(headers.get('content-security-policy')).toContain("default-src 'none'");
    }
    expect(text).toContain('x-content-type-options: nosniff');
  });

  test('S8, S24: no person is in metrics, log lines or answers, and no secret anywhere', async () => {
    const folder = await emptyFolder();
    const data = join(folder, 'data');
    const input = join(folder, 'first.jsonl');
    await writeFile(input, `${JSON.stringify(event)}\n`);
    const from = ['--input', input, '--mapping', 'sample', '--threads', '0'];
    expect((await millrace('start', '--data', data, ...from)).code).toBe(0);
    const config = join(folder, 'gateway.json');
    await writeFile(config, JSON.stringify({ ...closed, ...own }));
    const running = launch(
      'topologies/app/main.ts',
      [
        ...['serve', '--data', data, '--threads', '0', '--http', '0', '--log-level', 'debug'],
        ...['--gateway', config],
      ],
      { SECRET: secret },
    );
    onTestFinished(() => void running.child.kill('SIGKILL'));
    await running.says(' on http://');
    const url = /on (http:\/\/\S+)/.exec(running.said())?.[1] ?? '';
    while ((await fetch(`${url}/ready`)).status !== 200) {
      await new Promise((done) => setTimeout(done, 50));
    }
    const person = 'canary-person@canary.example';
    const body = JSON.stringify([{ ...event, subject: person }, { subject: person }]);
    const key = (name: string) => ({ authorization: `Bearer ${name}` });
    const answers = [
      await post(`${url}/v1/events`, body, key('ingest-key')),
      await post(`${url}/v1/events`, body, key('canary-key')),
      await post(`${url}/webhooks/own`, body, signed(body)),
      await post(`${url}/webhooks/own`, body, signed(`${body} `)),
      await post(`${url}/nothing/${person}`, body, key('canary-key')),
      // Its dead letter holds the call, but not the key that stood in it.
      await post(`${url}/v1/track`, { type: 'track', timestamp: 'soon', writeKey: 'ingest-key' }),
      await fetch(`${url}/metrics`, { headers: key('read-key') }),
    ];
    expect(answers.map(({ status }) => status)).toEqual([400, 401, 200, 401, 401, 200, 200]);
    const texts = await Promise.all(answers.map((answer) => answer.text()));
    running.child.kill('SIGTERM');
    const { stdout, stderr } = await running.ended;
    for (const text of [...texts, stdout, stderr]) {
      expect(text).not.toMatch(/canary|whsec|ingest-key|a secret of 24/);
    }
    const letters = await millrace('dead-letters', '--data', data, '--json');
    expect(letters.stdout).toContain('soon');
    const files = await readdir(data, { recursive: true, withFileTypes: true });
    for (const file of files.filter((one) => one.isFile())) {
      const bytes = await readFile(join(file.parentPath, file.name), 'latin1');
      expect([file.name, bytes.match(/whsec|ingest-key|canary-key|a secret of 24/)]).toEqual([
        file.name,
        null,
      ]);
    }
  });

  test('S9: a key may do what its role may, on every route', async () => {
    const question = { method: 'POST' as const, path: '/question', answer: async () => ({}) };
    const app = await gatewayApp(options(closed, { questions: [question] }));
    const { paths = {} } = app.swagger() as { paths?: Record<string, Record<string, unknown>> };
    const allowed: Record<string, string[]> = { 'ingest-key': [], 'read-key': [], 'admin-key': [] };
    for (const [url, methods] of Object.entries(paths)) {
      for (const method of Object.keys(methods)) {
        for (const [key, routes] of Object.entries(allowed)) {
          const headers = { authorization: `Bearer ${key}`, host: 'localhost' };
          const answer = await app.inject({ method: method as 'POST', url, headers });
          expect(answer.statusCode).not.toBe(401);
          if (answer.statusCode !== 403) routes.push(url);
        }
      }
    }
    const life = ['/live', '/ready'];
    const read = ['/health', '/metrics', '/openapi.json', '/question'];
    const all = Object.keys(paths);
    const ingest = all.filter((path) => !read.includes(path));
    expect(allowed['ingest-key']?.sort()).toEqual(ingest.sort());
    expect(allowed['read-key']?.sort()).toEqual([...life, ...read].sort());
    expect(allowed['admin-key']?.sort()).toEqual(all.sort());
  });
});

describe('webhooks', () => {
  test('S10: every byte of body and signature counts, before anything is parsed', async () => {
    const app = await gatewayApp(options(own));
    const body = '[ { "id": "a" } ]';
    const headers = signed(body);
    const send = (payload: Buffer | string, by: Record<string, string>) =>
      app.inject({ method: 'POST', url: '/webhooks/own', headers: by, payload });
    // Signed: it gets as far as the log, which is not open.
    expect((await send(body, headers)).statusCode).toBe(503);
    for (let i = 0; i < body.length; i++) {
      const flipped = Buffer.from(body);
      flipped[i] = (flipped[i] as number) ^ 1;
      expect((await send(flipped, headers)).statusCode).toBe(401);
    }
    for (const name of ['webhook-id', 'webhook-timestamp', 'webhook-signature']) {
      const value = headers[name] as string;
      for (let i = 0; i < value.length; i++) {
        // The last character of base64 has bits that mean nothing; padding is its end.
        if (name === 'webhook-signature' && i >= value.length - 2) continue;
        const char = value[i] === 'A' ? 'B' : 'A';
        const wrong = { ...headers, [name]: value.slice(0, i) + char + value.slice(i + 1) };
        expect([name, i, (await send(body, wrong)).statusCode]).toEqual([name, i, 401]);
      }
    }
    expect((await send(JSON.stringify(JSON.parse(body)), headers)).statusCode).toBe(401);
    // What is no JSON at all is told so only to who has signed it.
    expect((await send('{"', headers)).statusCode).toBe(401);
    expect((await send('{"', signed('{"'))).statusCode).toBe(400);
  });

  test('S11: five minutes both ways; a replay makes the same events', async () => {
    process.env['SECRET'] = secret;
    onTestFinished(() => void delete process.env['SECRET']);
    const { id: _, ...nameless } = event;
    const body = JSON.stringify([nameless, { ...nameless, item: 'b' }]);
    const gateway = await startGateway(own);
    const url = `${gateway.url}/webhooks/own`;
    const minutes = (count: number) => signed(body, new Date(Date.now() + count * 60_000));
    for (const count of [-6, 6, -60, 1_000_000]) {
      expect([count, (await post(url, body, minutes(count))).status]).toEqual([count, 401]);
    }
    for (const count of [0, 0, -4, 4]) {
      expect([count, (await post(url, body, minutes(count))).status]).toEqual([count, 200]);
    }
    const ids = (await gateway.records('events')).map(({ value }) => value['id']);
    expect(ids).toHaveLength(8);
    expect([...new Set(ids)].sort()).toEqual(['own/msg_1/0/0', 'own/msg_1/1/0']);
  });

  test('S12: signatures of any length are wrong, not an error', async () => {
    const app = await gatewayApp(options(own));
    for (let length = 0; length <= 200; length++) {
      for (const prefix of ['', 'v1,']) {
        const headers = { ...signed('[]'), 'webhook-signature': prefix + 'A'.repeat(length) };
        const answer = await app.inject({
          ...{ method: 'POST', url: '/webhooks/own', headers, payload: '[]' },
        });
        expect([length, answer.statusCode]).toEqual([length, 401]);
      }
    }
    expect(same('a', 'a'.repeat(50))).toBe(false);
  });

  test('S13: two secrets at once; none, or an empty one, starts nothing', async () => {
    const mac = (by: string) => createHmac('sha256', by).update('x').digest('hex');
    for (const by of ['old', 'new']) {
      expect(() => checkHmac('sha256', ['old', 'new'], ['x'], [mac(by)], 'hex')).not.toThrow();
    }
    expect(() => checkHmac('sha256', ['old', 'new'], ['x'], [mac('other')], 'hex')).toThrow();
    for (const env of [{}, { SECRET: '' }, { SECRET: '  ' }]) {
      await expect(gatewayApp(options(own, { env }))).rejects.toMatchObject({
        code: 'CONFIG_INVALID',
        context: { field: 'webhooks.own.secrets.0' },
      });
    }
    const none = { webhooks: { own: { provider: 'stripe', secrets: [] } } };
    expect(() => checkGateway(none)).toThrow(/secrets/);
  });
});

describe('what goes out', () => {
  test('S14, S15: a sender chooses no address', async () => {
    const asked: string[] = [];
    const get = async (url: URL) => {
      asked.push(url.href);
      return '';
    };
    const topicArns = ['arn:aws:sns:eu-central-1:123456789012:mail'];
    const topics = new SnsTopics({ topicArns, toleranceMs: 1e12, get });
    const message = {
      Type: 'SubscriptionConfirmation',
      MessageId: 'm',
      TopicArn: topicArns[0] as string,
      Message: 'm',
      Timestamp: '2026-01-01T10:00:00.000Z',
      SignatureVersion: '2',
      Signature: 'AAAA',
      Token: 't',
      SubscribeURL: 'http://169.254.169.254/latest/meta-data',
    };
    const pem = '/SimpleNotificationService-0.pem';
    for (const SigningCertURL of [
      `http://sns.eu-central-1.amazonaws.com${pem}`,
      `https://evil.example${pem}`,
      `https://127.0.0.1${pem}`,
      `https://2130706433${pem}`,
      `https://[::ffff:127.0.0.1]${pem}`,
      `https://sns.eu-central-1.amazonaws.com.evil.example${pem}`,
      `https://sns.eu-central-1.amazonaws.com@evil.example${pem}`,
      `https://sns.us-east-1.amazonaws.com${pem}`,
      `https://sns.eu-central-1.amazonaws.com/other/../x.pem`,
      `https://sns.eu-central-1.amazonaws.com:8443${pem}`,
    ]) {
      await expect(topics.checked({ ...message, SigningCertURL }, 0)).rejects.toThrow(/must be on/);
    }
    expect(asked).toEqual([]);
    await topics.confirm({ ...message, SigningCertURL: '' });
    expect(asked).toEqual([
      expect.stringMatching(/^https:\/\/sns\.eu-central-1\.amazonaws\.com\//),
    ]);
    expect(asked[0]).not.toContain('169.254');
  });
});

describe('decoding', () => {
  test('S16: depth and size are bounded before anything is parsed', async () => {
    const app = await gatewayApp(options({}));
    const send = (payload: string, url = '/v1/events') =>
      app.inject({
        ...{ method: 'POST', url, payload },
        headers: { 'content-type': 'application/json', host: 'localhost' },
      });
    for (const url of ['/v1/events', '/v1/batch', '/com.snowplowanalytics.snowplow/tp2']) {
      expect((await send('['.repeat(1_000_000), url)).statusCode).toBe(400);
      expect((await send('{"a":'.repeat(200_000), url)).statusCode).toBe(400);
      expect((await send(`"${'x'.repeat(1_100_000)}"`, url)).statusCode).toBe(413);
    }
    // Values of every kind, where an object is expected.
    const question = { method: 'POST' as const, path: '/q', answer: async () => ({}) };
    const asked = { method: 'GET' as const, path: '/g', answer: async () => ({}) };
    const questions = await gatewayApp(options({}, { questions: [question, asked] }));
    for (const payload of ['null', '5', '"x"', '[]', 'true', '']) {
      for (const url of ['/q', '/g', '/v1/events', '/v1/batch', '/v1/track']) {
        const answer = await questions.inject({
          ...{ method: 'POST', url, payload },
          headers: { 'content-type': 'application/json', host: 'localhost' },
        });
        // An empty list of events is none, and no mistake: it gets as far as the log.
        const wanted = url === '/v1/events' && payload !== '' ? [400, 503] : [400];
        expect([payload, url, wanted.includes(answer.statusCode)]).toEqual([payload, url, true]);
      }
    }
    const many = await send(`[${'5,'.repeat(20_000)}5]`);
    expect([many.statusCode, many.json().problem]).toEqual([413, 'has more than 10000 events']);
  });

  test('S18: names of the prototype are data, or nothing', async () => {
    const gateway = await startGateway();
    const url = `${gateway.url}/v1/events`;
    const names = ['__proto__', 'constructor', 'prototype', 'toString', 'hasOwnProperty'];
    for (const name of names) {
      const nested = `{"id":"n-${name}","subject":"ann","class":"x","time":"2026-01-01T10:00:00Z","${name}":{"polluted":1},"traits":{"${name}":{"polluted":1}}}`;
      expect((await post(url, nested)).status).toBeLessThan(500);
      const call = `{"type":"identify","userId":"u","messageId":"s-${name}","traits":{"${name}":{"polluted":1}},"${name}":{"polluted":1}}`;
      expect((await post(`${gateway.url}/v1/batch`, `{"batch":[${call}]}`)).status).toBe(200);
      const cloud = `{"specversion":"1.0","id":"c-${name}","source":"s","type":"t","data":{"${name}":{"polluted":1}}}`;
      const type = { 'content-type': 'application/cloudevents+json' };
      expect((await post(url, cloud, type)).status).toBeLessThan(500);
    }
    expect(({} as Record<string, unknown>)['polluted']).toBeUndefined();
    expect(Object.hasOwn(Object.prototype, 'polluted')).toBe(false);
    expect((await fetch(`${gateway.url}/live`)).status).toBe(200);
  });

  test('S20: patterns of a configuration take linear time', () => {
    for (const pattern of ['(a+)+$', '(a|a)*$', '(.*a){20}$', '^(a?){60}a{60}$']) {
      const fits = textTest({ pattern });
      // A backtracking engine would not come back from this.
      expect(typeof fits(`${'a'.repeat(5_000)}!`)).toBe('boolean');
    }
    expect(() => textTest({ pattern: '(a)\\1' })).toThrow();
  });
});

describe('files, secrets and logs', () => {
  test('S22: what is kept is for its owner alone, whatever the umask', async () => {
    const before = process.umask(0);
    onTestFinished(() => void process.umask(before));
    const folder = await emptyFolder();
    const directory = join(folder, 'a', 'data');
    await makeDirectory(directory);
    expect((await stat(directory)).mode & 0o777).toBe(0o700);
    // One that was there is left as its owner has it.
    const other = join(folder, 'other');
    await mkdir(other, { mode: 0o750 });
    await makeDirectory(other);
    expect((await stat(other)).mode & 0o777).toBe(0o750);
  });

  test('S23: a log line takes whatever it is given', () => {
    const circular: Record<string, unknown> = {};
    circular['self'] = circular;
    const trap = {
      get problem(): string {
        throw new Error('a getter that throws');
      },
    };
    const observer = logObserver('silent');
    for (const problem of [new URL('https://a.example'), 10n, circular, Symbol('s'), undefined]) {
      expect(() => observer.on('upkeepFailed', { problem } as never)).not.toThrow();
    }
    expect(() => observer.on('upkeepFailed', trap as never)).not.toThrow();
  });
});

test('S21: names of stores and topics stay in their folder', () => {
  for (const name of ['../up', '..', '.', '/etc/passwd', 'a/b', 'a\\b', 'a\0b', '', 'ü', 'a b']) {
    expect([name, nameProblem(name)]).toEqual([name, expect.any(String)]);
  }
  expect(nameProblem('orders-per.hour_1')).toBeUndefined();
});
