/**
 * What providers do beside sending events: they look whether the address answers, and have kinds of
 * secrets.
 */
import { createHmac, generateKeyPairSync, sign } from 'node:crypto';
import { expect, onTestFinished, test } from 'vitest';
import { post, startGateway } from './running.ts';

const seconds = () => String(Math.floor(Date.now() / 1_000));

function gatewayWith(provider: string, secret: string, more: object = {}) {
  process.env['SENDERS_SECRET'] = secret;
  onTestFinished(() => void delete process.env['SENDERS_SECRET']);
  const secrets = [{ env: 'SENDERS_SECRET' }];
  return startGateway({ webhooks: { in: { provider, secrets, ...more } } });
}

test('WooCommerce asks unsigned whether the address answers; nothing else is let in by that', async () => {
  const gateway = await gatewayWith('woocommerce', 'secret');
  const url = `${gateway.url}/webhooks/in`;
  const form = { 'content-type': 'application/x-www-form-urlencoded' };
  expect((await post(url, 'webhook_id=17', form)).status).toBe(200);
  for (const body of ['webhook_id=17&id=5', 'webhook_id=x', '{"webhook_id":17}', '']) {
    expect((await post(url, body, form)).status, body).toBe(401);
  }
  expect(await gateway.records('events')).toEqual([]);
});

test('Mandrill asks by HEAD before there is a key', async () => {
  const gateway = await gatewayWith('mandrill', 'key', { url: 'https://x.example/in' });
  const url = `${gateway.url}/webhooks/in`;
  expect((await fetch(url, { method: 'HEAD' })).status).toBe(200);
  expect((await fetch(url)).status).toBe(405);
  const other = await gatewayWith('shopify', 'key');
  expect((await fetch(`${other.url}/webhooks/in`, { method: 'HEAD' })).status).toBe(405);
});

test("a token of Mailgun's signature, which does not cover the body, lets one body in", async () => {
  const gateway = await gatewayWith('mailgun', 'mailgun-key');
  const signed = (token: string, recipient: string) => {
    const timestamp = seconds();
    const signature = createHmac('sha256', 'mailgun-key')
      .update(timestamp + token)
      .digest('hex');
    return JSON.stringify({
      signature: { timestamp, token, signature },
      'event-data': { event: 'opened', id: 'x', timestamp: Number(timestamp), recipient },
    });
  };
  const url = `${gateway.url}/webhooks/in`;
  const first = signed('t1', 'ann@x.example');
  expect((await post(url, first)).status).toBe(200);
  expect((await post(url, first)).status).toBe(200);
  const forged = await post(url, first.replace('ann@', 'eve@'));
  expect(forged.status).toBe(401);
  expect(await forged.json()).toMatchObject({ problem: expect.stringContaining('another body') });
  expect((await post(url, signed('t2', 'eve@x.example'))).status).toBe(200);
  const keys = (await gateway.records('events')).map(({ key }) => key);
  expect(keys.sort()).toEqual(['ann@x.example', 'ann@x.example', 'eve@x.example']);
});

test('Standard Webhooks with a public key: Ed25519 over the same content', async () => {
  const { privateKey, publicKey } = generateKeyPairSync('ed25519');
  const { x = '' } = publicKey.export({ format: 'jwk' });
  const secret = `whpk_${Buffer.from(x, 'base64url').toString('base64')}`;
  const gateway = await gatewayWith('standard-webhooks', secret, { mapping: 'sample' });
  const event = { id: 'a', subject: 'ann', class: 'email_open', time: '2026-01-01T10:00:00Z' };
  const body = JSON.stringify(event);
  const headers = (id: string, content = body, key = privateKey, version = 'v1a') => {
    const timestamp = seconds();
    const signature = sign(null, Buffer.from(`${id}.${timestamp}.${content}`), key);
    return {
      'webhook-id': id,
      'webhook-timestamp': timestamp,
      'webhook-signature': `v1,AAAA v1a,AAAA ${version},${signature.toString('base64')}`,
    };
  };
  const url = `${gateway.url}/webhooks/in`;
  expect((await post(url, body, headers('m1'))).status).toBe(200);
  expect((await post(url, body, headers('m2', `${body} `))).status).toBe(401);
  const other = generateKeyPairSync('ed25519').privateKey;
  expect((await post(url, body, headers('m3', body, other))).status).toBe(401);
  expect((await post(url, body, headers('m4', body, privateKey, 'v1'))).status).toBe(401);
  // The public key is no shared secret.
  const timestamp = seconds();
  const shared = createHmac('sha256', Buffer.from(x, 'base64url'))
    .update(`m5.${timestamp}.${body}`)
    .digest('base64');
  const forged = { ...headers('m5'), 'webhook-timestamp': timestamp };
  forged['webhook-signature'] = `v1,${shared}`;
  expect((await post(url, body, forged)).status).toBe(401);
  expect(await gateway.records('events')).toHaveLength(1);
});

test.each([
  ['resend', 'whsec_'],
  ['resend', 'whsec_!!!!'],
  ['standard-webhooks', 'whsec_c2hvcnQ='],
  ['standard-webhooks', 'whpk_c2hvcnQ='],
  ['sendgrid', 'not a key'],
  ['sendgrid', Buffer.from('nor this').toString('base64')],
  ['postmark', 'a password alone'],
  ['mailjet', ':password'],
])(
  '%s does not start with %j, which would let in everybody or nobody',
  async (provider, secret) => {
    const mapping = provider === 'standard-webhooks' ? { mapping: 'sample' } : {};
    const started = gatewayWith(provider, secret, mapping);
    await expect(started).rejects.toMatchObject({
      code: 'CONFIG_INVALID',
      context: { field: 'webhooks.in.secrets.0' },
    });
  },
);
