/** Each way in which a sender can be wrong is answered once, clearly, and counted by its reason. */
import { request as httpRequest } from 'node:http';
import { connect } from 'node:net';
import { gzipSync } from 'node:zlib';
import { OAuth2Server } from 'oauth2-mock-server';
import { Webhook } from 'standardwebhooks';
import { expect, onTestFinished, test } from 'vitest';
import { refusals } from '../../topologies/gateway/answers.ts';
import { hashOf, post, startGateway } from './running.ts';

const secret = `whsec_${Buffer.from('a secret of 24 bytes....').toString('base64')}`;
const json = { 'content-type': 'application/json' };
const event = {
  id: 'a',
  subject: 'ann',
  class: 'email_open',
  item: 'a',
  time: '2026-01-01T10:00Z',
};

function signed(body: string, at = new Date(), by = secret) {
  return {
    'webhook-id': 'msg_1',
    'webhook-timestamp': String(Math.floor(at.getTime() / 1_000)),
    'webhook-signature': new Webhook(by).sign('msg_1', at, body),
  };
}

/** Values of a counter by its labels. */
async function counts(url: string, name: string): Promise<Record<string, number>> {
  const answer = await fetch(`${url}/metrics`, { headers: { authorization: 'Bearer admin-key' } });
  const found: Record<string, number> = {};
  for (const line of (await answer.text()).split('\n')) {
    const [, labels = '', value] = new RegExp(`^${name}\\{(.*)\\} (\\d+)$`).exec(line) ?? [];
    if (value !== undefined) found[labels] = Number(value);
  }
  return found;
}

test('wrong senders: one clear answer each, counted by route and reason', async () => {
  const issuer = new OAuth2Server();
  await issuer.issuer.keys.generate('RS256');
  await issuer.start(0, '127.0.0.1');
  onTestFinished(() => issuer.stop());
  const token = (claims: object) =>
    issuer.issuer.buildToken({
      scopesOrTransform: (_, payload) => {
        Object.assign(payload, { aud: 'millrace', scope: 'millrace:ingest', ...claims });
      },
    });
  process.env['COUNTED_SECRET'] = secret;
  onTestFinished(() => void delete process.env['COUNTED_SECRET']);
  const { url } = await startGateway({
    accounts: {
      writeKeys: [
        { name: 'shop', sha256: hashOf('ingest-key') },
        { name: 'root', sha256: hashOf('admin-key'), roles: ['admin'] },
        { name: 'desk', sha256: hashOf('read-key'), roles: ['read'] },
      ],
      oauth: {
        issuer: issuer.issuer.url ?? '',
        audience: 'millrace',
        jwksUri: `${issuer.issuer.url}/jwks`,
      },
    },
    webhooks: {
      own: {
        provider: 'standard-webhooks',
        mapping: 'sample',
        secrets: [{ env: 'COUNTED_SECRET' }],
      },
    },
    limits: { events: 100 },
  });
  const key = { authorization: 'Bearer ingest-key' };
  const body = JSON.stringify(event);
  const bearer = async (claims: object) => ({ authorization: `Bearer ${await token(claims)}` });
  const hour = 3_600_000;
  const early = Math.floor(Date.now() / 1_000) - 600;
  const other = `whsec_${Buffer.from('another one of 24 bytes.').toString('base64')}`;
  type Sent = readonly [
    reason: string,
    status: number,
    path: string,
    body: string | Uint8Array,
    headers: Record<string, string>,
  ];
  const cases: readonly Sent[] = [
    ['signature_missing', 401, '/webhooks/own', body, {}],
    ['signature_wrong', 401, '/webhooks/own', body, signed(`${body} `)],
    ['signature_wrong', 401, '/webhooks/own', body, signed(body, new Date(), other)],
    ['signature_stale', 401, '/webhooks/own', body, signed(body, new Date(Date.now() - hour))],
    ['signature_stale', 401, '/webhooks/own', body, signed(body, new Date(Date.now() + hour))],
    ['credentials_missing', 401, '/v1/events', body, {}],
    ['credentials_unknown', 401, '/v1/events', body, { authorization: 'Basic bm9uZTo=' }],
    ['token_refused', 401, '/v1/events', body, await bearer({ aud: 'another' })],
    ['token_refused', 401, '/v1/events', body, { authorization: 'Bearer nonsense' }],
    ['token_expired', 401, '/v1/events', body, await bearer({ exp: early })],
    ['role', 403, '/v1/events', body, { authorization: 'Bearer read-key' }],
    ['origin', 403, '/v1/events', body, { ...key, origin: 'https://evil.example' }],
    ['too_large', 413, '/v1/events', Buffer.alloc(10_000_000, 32), key],
    [
      'too_large',
      413,
      '/v1/events',
      gzipSync(Buffer.alloc(50_000_000)),
      { ...key, 'content-encoding': 'gzip' },
    ],
    ['not_unpacked', 400, '/v1/events', body, { ...key, 'content-encoding': 'gzip' }],
    ['content_encoding', 415, '/v1/events', body, { ...key, 'content-encoding': 'zstd' }],
    ['too_deep', 400, '/v1/events', '['.repeat(500_000), key],
    ['not_utf8', 400, '/v1/events', Buffer.from([0x22, 0xff, 0x22]), key],
    ['name_twice', 400, '/v1/events', '{"id":"a","id":"b"}', key],
    ['not_json', 400, '/v1/events', '{"id":', key],
    ['content_type', 415, '/v1/events', body, { ...key, 'content-type': 'text/plain' }],
    ['too_many', 413, '/v1/events', JSON.stringify(Array(101).fill(event)), key],
    ['event_invalid', 400, '/v1/events', '[{"id":"a"}]', key],
    ['body_invalid', 400, '/v1/batch', '{"batch":5}', key],
    ['no_route', 404, '/nothing', body, { authorization: 'Bearer admin-key' }],
    ['method', 405, '/live', body, { authorization: 'Bearer admin-key' }],
    [
      'question_invalid',
      404,
      '/score/explain',
      '{"subject":"nobody"}',
      {
        authorization: 'Bearer admin-key',
      },
    ],
  ];
  const wanted: Record<string, number> = {};
  const problems = new Set<string>();
  for (const [reason, status, path, sent, headers] of cases) {
    const answer = await answerOf(url + path, sent, { ...json, ...headers });
    expect([reason, answer.status]).toEqual([reason, status]);
    const { problem } = JSON.parse(answer.text) as { problem: string };
    expect(problem, reason).toMatch(/^[^\n]{8,600}$/);
    problems.add(problem);
    const route = ['no_route', 'method'].includes(reason) ? '(unknown)' : path;
    const labels = `route="${route}",reason="${reason}"`;
    wanted[labels] = (wanted[labels] ?? 0) + 1;
  }
  // Different faults have different sentences.
  expect(problems.size).toBeGreaterThan(20);
  await malformed(url);
  wanted['route="(none)",reason="malformed"'] = 1;
  expect((await post(`${url}/v1/events`, event, key)).status).toBe(202);
  expect((await post(`${url}/webhooks/own`, body, signed(body))).status).toBe(200);
  expect(await counts(url, 'millrace_http_refused_total')).toEqual(wanted);
  for (const labels of Object.keys(wanted)) {
    expect(refusals).toContain(/reason="(.*)"/.exec(labels)?.[1]);
  }
  expect(await counts(url, 'millrace_events_received_total')).toMatchObject({
    'source="events",outcome="accepted"': 1,
    'source="events",outcome="rejected"': 1,
    'source="webhooks/own",outcome="accepted"': 1,
  });
  const requests = await counts(url, 'millrace_http_requests_total');
  expect(requests['route="/v1/events",method="POST",status="202"']).toBe(1);
  expect(requests['route="/v1/events",method="POST",status="413"']).toBe(3);
  const seconds = await counts(url, 'millrace_http_request_seconds_count');
  expect(seconds['route="/webhooks/own"']).toBe(6);
});

test('labels are bounded: what strangers send makes no series', async () => {
  const { url } = await startGateway();
  for (let i = 0; i < 50; i++) {
    await fetch(`${url}/path-${i}?subject=ann@canary.example`);
    await post(`${url}/v1/events?mapping=m${i}`, [{ ...event, class: `c${i}` }]);
    await fetch(`${url}/live`, { method: 'PUT' });
  }
  const text = await (await fetch(`${url}/metrics`)).text();
  const series = text.split('\n').filter((line) => /^millrace_(http|events)_/.test(line));
  expect(series.length).toBeLessThan(80);
  expect(text).not.toMatch(/path-\d|m\d\d?"|c\d\d?"|canary/);
});

/** A server may answer before it has read the whole body; `fetch` then tells no answer. */
function answerOf(
  url: string,
  body: string | Uint8Array,
  headers: Record<string, string>,
): Promise<{ status: number; text: string }> {
  return new Promise((done, fail) => {
    const request = httpRequest(url, { method: 'POST', headers, agent: false }, (response) => {
      let text = '';
      response.on('data', (chunk: Buffer) => {
        text += chunk.toString();
      });
      response.on('end', () => done({ status: response.statusCode ?? 0, text }));
      response.on('error', fail);
    });
    request.on('error', fail);
    request.end(body);
  });
}

function malformed(url: string): Promise<void> {
  return new Promise((done) => {
    const socket = connect(Number(new URL(url).port), '127.0.0.1', () =>
      socket.write('nonsense\r\n\r\n'),
    );
    socket.on('close', () => done());
    socket.resume();
  });
}
