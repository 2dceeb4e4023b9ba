/**
 * SDKs in web pages of other origins: what analytics.js, RudderStack and Snowplow send from a
 * browser is taken where the configuration names the origin, and by routes with events only.
 */
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { Webhook } from 'standardwebhooks';
import { describe, expect, onTestFinished, test } from 'vitest';
import { missing, openBrowser } from '../console/browser.ts';
import { hashOf, post, type RunningGateway, startGateway } from './running.ts';

const shop = 'https://shop.example';
const accounts = {
  writeKeys: [
    { name: 'page', sha256: hashOf('page-key') },
    { name: 'desk', sha256: hashOf('read-key'), roles: ['read'] },
  ],
};
const call = { type: 'track', event: 'Product Viewed', userId: 'ann', messageId: 'm1' };
const payloads = {
  schema: 'iglu:com.snowplowanalytics.snowplow/payload_data/jsonschema/1-0-4',
  data: [{ e: 'pv', eid: 'e1', duid: 'd1', uid: 'ann', dtm: '1767261600000', p: 'web' }],
};
const event = { id: 'a', subject: 'ann', class: 'email_open', time: '2026-01-01T10:00:00Z' };
const tracker = '/com.snowplowanalytics.snowplow/tp2';
const text = { 'content-type': 'text/plain' };

/** What a browser asks first. */
function askFirst(url: string, origin: string, headers = 'content-type'): Promise<Response> {
  const asked = {
    origin,
    'access-control-request-method': 'POST',
    'access-control-request-headers': headers,
  };
  return fetch(url, { method: 'OPTIONS', headers: asked });
}

const letRead = ({ headers }: Response) => headers.get('access-control-allow-origin');

describe('pages of other origins', () => {
  test('a page of a named origin may send; what it reads are the answers of these routes', async () => {
    const { url, records } = await startGateway({ accounts, origins: [shop] });
    const origin = { origin: shop };
    const key = { authorization: 'Bearer page-key' };
    for (const path of ['/v1/events', '/v1/t', '/v1/batch', tracker]) {
      const answer = await askFirst(url + path, shop, 'authorization, content-type');
      expect([path, answer.status, letRead(answer)]).toEqual([path, 204, shop]);
      expect(answer.headers.get('access-control-allow-headers')).toContain('authorization');
      expect(answer.headers.get('access-control-allow-methods')).toBe('POST');
      expect(answer.headers.get('access-control-allow-credentials')).toBe('true');
      expect(answer.headers.get('vary')).toBe('origin');
    }
    const answers = [
      await post(`${url}/v1/events`, event, { ...origin, ...key }),
      // analytics.js: no header of its own, so that a browser need not ask first.
      await post(`${url}/v1/t`, { ...call, writeKey: 'page-key' }, { ...origin, ...text }),
      await post(
        `${url}/v1/b`,
        { writeKey: 'page-key', batch: [{ ...call, messageId: 'm2', writeKey: 'page-key' }] },
        { ...origin, ...text },
      ),
      await post(url + tracker, payloads, { ...origin, ...key }),
    ];
    expect(answers.map(({ status }) => status)).toEqual([202, 200, 200, 200]);
    for (const answer of answers) expect(letRead(answer)).toBe(shop);
    expect(await records('events')).toHaveLength(4);
    // Also of an answer that refuses, or the page could not tell why.
    const wrong = [
      await post(`${url}/v1/events`, '{', { ...origin, ...key }),
      await post(`${url}/v1/events`, event, origin),
      await post(`${url}/v1/t`, 'x'.repeat(1_200_000), { ...origin, ...key }),
    ];
    expect(wrong.map((one) => [one.status, letRead(one)])).toEqual(
      [400, 401, 413].map((status) => [status, shop]),
    );
  });

  test('other pages, and other routes, are as they were', async () => {
    process.env['PAGES_SECRET'] = secret;
    onTestFinished(() => void delete process.env['PAGES_SECRET']);
    const own = {
      own: { provider: 'standard-webhooks', mapping: 'sample', secrets: [{ env: 'PAGES_SECRET' }] },
    };
    const gateway = await startGateway({ accounts, origins: [shop], webhooks: own });
    const { url } = gateway;
    const key = { authorization: 'Bearer page-key' };
    for (const origin of ['https://evil.example', 'http://shop.example', `${shop}:444`, 'null']) {
      const asked = await askFirst(`${url}/v1/events`, origin);
      expect([origin, asked.status, letRead(asked)]).toEqual([origin, 403, null]);
      const sent = await post(`${url}/v1/events`, event, { origin, ...key });
      expect([origin, sent.status, letRead(sent)]).toEqual([origin, 403, null]);
    }
    const read = { authorization: 'Bearer read-key', origin: shop };
    for (const path of ['/metrics', '/health', '/openapi.json', '/live']) {
      const answer = await fetch(url + path, { headers: read });
      expect([path, answer.status, letRead(answer)]).toEqual([path, 200, null]);
      expect(answer.headers.get('cross-origin-resource-policy')).toBe('same-origin');
    }
    for (const path of ['/metrics', '/score/explain', '/webhooks/own']) {
      const asked = await askFirst(url + path, shop);
      expect([path, asked.ok, letRead(asked)]).toEqual([path, false, null]);
    }
    const asked = await post(`${url}/score/explain`, { subject: 'ann' }, read);
    expect([asked.status, letRead(asked)]).toEqual([403, null]);
    expect((await fetch(`${url}/v1/events`, { method: 'OPTIONS' })).status).toBe(403);
    expect(await gateway.records('events')).toEqual([]);
    const without = await startGateway({ accounts });
    expect((await askFirst(`${without.url}/v1/events`, shop)).ok).toBe(false);
  });

  test('a key in the body is a key: unknown, of another role, or none', async () => {
    const { url, records } = await startGateway({ accounts });
    const send = async (body: unknown, headers: Record<string, string> = {}) => {
      const answer = await post(`${url}/v1/t`, body, headers);
      return [answer.status, ((await answer.json()) as { problem?: string }).problem];
    };
    const none = [401, 'credentials are missing'];
    expect(await send({ ...call, writeKey: 'page-key' })).toEqual([200, undefined]);
    expect(await send({ ...call, writeKey: 'other' })).toEqual([401, 'the write key is not known']);
    expect(await send({ ...call, writeKey: 'read-key' })).toEqual([403, 'needs the role ingest']);
    for (const writeKey of [undefined, '', 5, null, ['page-key'], { page: 'key' }]) {
      expect(await send({ ...call, writeKey })).toEqual(none);
    }
    // To strangers it is not said what else is wrong.
    for (const body of ['', '{"', '[]', '5', 'null', '{"a":1,"a":2}', '['.repeat(1_000)]) {
      expect([body, ...(await send(body))]).toEqual([body, ...none]);
    }
    // A header counts before a body.
    const wrong = { authorization: 'Bearer other' };
    expect((await send({ ...call, writeKey: 'page-key' }, wrong))[0]).toBe(401);
    const written = JSON.stringify(await records('events'));
    expect(written).not.toContain('page-key');
    // Elsewhere a body is no credential.
    const elsewhere = { ...event, writeKey: 'page-key' };
    expect((await post(`${url}/v1/events`, elsewhere)).status).toBe(401);
  });

  test('without accounts a named origin may send, also as text; others as before', async () => {
    const { url } = await startGateway({ origins: ['http://shop.example:3000'] });
    const origin = { origin: 'http://shop.example:3000' };
    expect((await post(`${url}/v1/p`, call, { ...origin, ...text })).status).toBe(200);
    expect((await post(`${url}/v1/p`, call, text)).status).toBe(415);
    expect((await post(`${url}/v1/p`, call, { ...text, origin: shop })).status).toBe(403);
  });

  test.each([
    ['every page, without accounts', { origins: ['*'] }, 'origins.0'],
    ['a host', { accounts, origins: ['shop.example'] }, 'origins.0'],
    ['an address', { accounts, origins: [shop, `${shop}/`] }, 'origins.1'],
    ['no web page', { accounts, origins: ['file:///tmp'] }, 'origins.0'],
    ['no list', { accounts, origins: shop }, 'origins'],
  ])('%s is no origin', async (_, config, field) => {
    await expect(startGateway(config)).rejects.toMatchObject({
      code: 'CONFIG_INVALID',
      context: { field },
    });
  });

  test('every origin: without what a browser keeps', async () => {
    const { url } = await startGateway({ accounts, origins: ['*'] });
    const answer = await askFirst(`${url}/v1/t`, 'https://any.example');
    expect([answer.status, letRead(answer)]).toEqual([204, 'https://any.example']);
    expect(answer.headers.get('access-control-allow-credentials')).toBeNull();
  });
});

const secret = `whsec_${Buffer.from('a secret of 24 bytes....').toString('base64')}`;

test('Standard Webhooks by either name of the headers, as Svix sends and checks them', async () => {
  process.env['PAGES_SECRET'] = secret;
  onTestFinished(() => void delete process.env['PAGES_SECRET']);
  const secrets = [{ env: 'PAGES_SECRET' }];
  const { url, records } = await startGateway({
    webhooks: {
      own: { provider: 'standard-webhooks', mapping: 'sample', secrets },
      mail: { provider: 'resend', secrets },
    },
  });
  const mail = {
    type: 'email.opened',
    created_at: '2026-01-01T10:00:00.000Z',
    data: { email_id: 'e1', to: ['ann@x.example'], created_at: '2026-01-01T09:00:00.000Z' },
  };
  const bodies = { own: JSON.stringify(event), mail: JSON.stringify(mail) };
  const signed = (prefix: string, body: string, id: string) => {
    const at = new Date();
    return {
      [`${prefix}-id`]: id,
      [`${prefix}-timestamp`]: String(Math.floor(at.getTime() / 1_000)),
      [`${prefix}-signature`]: new Webhook(secret).sign(id, at, body),
    };
  };
  for (const [name, body] of Object.entries(bodies)) {
    const at = `${url}/webhooks/${name}`;
    for (const prefix of ['svix', 'webhook']) {
      const headers = signed(prefix, body, 'm1');
      expect([name, prefix, (await post(at, body, headers)).status]).toEqual([name, prefix, 200]);
      const { [`${prefix}-timestamp`]: _, ...without } = headers;
      expect((await post(at, body, without)).status).toBe(401);
      expect((await post(at, `${body} `, headers)).status).toBe(401);
    }
    // One name's id with the signature of the other is neither's.
    const [svix, webhook] = [signed('svix', body, 'm2'), signed('webhook', body, 'm3')];
    const { 'webhook-signature': signature = '' } = webhook;
    const { 'svix-signature': __, ...half } = svix;
    const mixed = { ...half, 'webhook-signature': signature };
    expect((await post(at, body, mixed)).status).toBe(401);
  }
  const ids = (await records('events')).map(({ value }) => value['id']);
  expect(ids).toHaveLength(4);
  // Whatever its headers are called, a delivery is the same.
  expect(new Set(ids).size).toBe(2);
});

describe.skipIf(missing !== undefined)('a browser', () => {
  /** A web page of another origin, and what scripts in it are answered. */
  async function inPage<T>(gateway: RunningGateway, script: (url: string) => Promise<T>) {
    const server = createServer((_, response) => {
      response.setHeader('content-type', 'text/html').end('<!doctype html><title>shop</title>');
    });
    await new Promise<void>((done) => server.listen(pagePort, '127.0.0.1', done));
    onTestFinished(() => void server.close());
    const browser = await openBrowser();
    onTestFinished(() => browser.close());
    const page = await browser.newPage();
    await page.goto(`http://app.localhost:${(server.address() as AddressInfo).port}/`);
    return page.evaluate(script, gateway.url);
  }
  const pagePort = 20_000 + (process.pid % 20_000);

  test('sends as analytics.js, Snowplow and sendBeacon do, from another origin', async () => {
    const origins = [`http://app.localhost:${pagePort}`];
    const gateway = await startGateway({ accounts, origins });
    const answers = await inPage(gateway, async (url) => {
      const { navigator } = globalThis as unknown as {
        navigator: { sendBeacon(address: string, body: string): boolean };
      };
      const track = { type: 'track', event: 'Seen', userId: 'ann', writeKey: 'page-key' };
      const send = async (path: string, init: RequestInit, body: unknown) => {
        const sent = { method: 'POST', body: JSON.stringify(body), keepalive: true, ...init };
        return fetch(url + path, sent).then(
          ({ status }) => status,
          (error: Error) => error.message,
        );
      };
      const schema = 'iglu:com.snowplowanalytics.snowplow/payload_data/jsonschema/1-0-4';
      const data = [{ e: 'pv', eid: 'e1', duid: 'd1', dtm: '1767261600000' }];
      const headers = { 'content-type': 'application/json', authorization: 'Bearer page-key' };
      const text = { 'content-type': 'text/plain' };
      const beacon = { ...track, messageId: 'beacon' };
      return [
        await send('/v1/t', { headers: text }, { ...track, messageId: 'one' }),
        await send(
          '/com.snowplowanalytics.snowplow/tp2',
          { headers, credentials: 'include' },
          { schema, data },
        ),
        await send('/v1/t', { headers: text }, { ...track, writeKey: 'unknown' }),
        navigator.sendBeacon(`${url}/v1/t`, JSON.stringify(beacon)),
        await send('/score/explain', { headers }, { subject: 'ann' }),
      ];
    });
    expect(answers).toEqual([200, 200, 401, true, 'Failed to fetch']);
    await expect.poll(() => gateway.records('events')).toHaveLength(3);
  });
});
