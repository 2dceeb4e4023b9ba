/** Webhooks: each provider's own signature, made by its library where there is one. */
import { createHmac, createSign, generateKeyPairSync } from 'node:crypto';
import { EventWebhook } from '@sendgrid/eventwebhook';
import { Webhook } from 'standardwebhooks';
import Stripe from 'stripe';
import { describe, expect, test } from 'vitest';
import { post, startGateway } from './running.ts';

const seconds = () => String(Math.floor(Date.now() / 1_000));
const hmac = (secret: string | Buffer, text: string, as: 'hex' | 'base64', kind = 'sha256') =>
  createHmac(kind, secret).update(text).digest(as);

interface Case {
  readonly provider: string;
  readonly secret: string;
  readonly body: string;
  readonly headers: (body: string, secret: string) => Record<string, string>;
  readonly event: { readonly key: string; readonly class: string };
  readonly more?: Record<string, unknown>;
}

const basic = (_: string, secret: string) => ({
  authorization: `Basic ${Buffer.from(secret).toString('base64')}`,
});
const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'prime256v1' });
const sendgridKey = publicKey.export({ format: 'der', type: 'spki' }).toString('base64');
const standardSecret = `whsec_${Buffer.from('a secret of 24 bytes....').toString('base64')}`;
const order = {
  id: 1,
  order_id: 1,
  email: 'ann@shop.example',
  financial_status: 'paid',
  created_at: '2026-01-01T10:00:00+01:00',
  total_price: '12.50',
  currency: 'EUR',
};
const at = Date.UTC(2026, 0, 1) / 1_000;

const cases: Case[] = [
  {
    provider: 'sendgrid',
    secret: sendgridKey,
    body: JSON.stringify([
      {
        email: 'ann@x.example',
        timestamp: at,
        event: 'open',
        sg_event_id: 'a',
        sg_message_id: 'm',
      },
    ]),
    headers: (body) => {
      const timestamp = seconds();
      const signature = createSign('sha256')
        .update(timestamp + body)
        .sign(privateKey, 'base64');
      const key = new EventWebhook().convertPublicKeyToECDSA(sendgridKey);
      expect(new EventWebhook().verifySignature(key, body, signature, timestamp)).toBe(true);
      return {
        'x-twilio-email-event-webhook-signature': signature,
        'x-twilio-email-event-webhook-timestamp': timestamp,
      };
    },
    event: { key: 'ann@x.example', class: 'email_open' },
  },
  {
    provider: 'resend',
    secret: standardSecret,
    body: JSON.stringify({
      type: 'email.clicked',
      created_at: '2026-01-01T10:00:00.000Z',
      data: { email_id: 'e1', to: ['ann@x.example'], click: { link: 'https://shop.example' } },
    }),
    headers: (body, secret) => {
      const now = new Date();
      const signature = new Webhook(secret).sign('msg_1', now, body);
      return {
        'svix-id': 'msg_1',
        'svix-timestamp': String(Math.floor(now.getTime() / 1_000)),
        'svix-signature': signature,
      };
    },
    event: { key: 'ann@x.example', class: 'email_click' },
  },
  {
    provider: 'stripe',
    secret: 'whsec_stripe',
    body: JSON.stringify({
      id: 'evt_1',
      type: 'charge.succeeded',
      created: at,
      data: {
        object: {
          id: 'ch_1',
          amount: 1_999,
          currency: 'eur',
          billing_details: { email: 'ann@x.example' },
        },
      },
    }),
    headers: (payload, secret) => ({
      'stripe-signature': new Stripe('sk_test_x').webhooks.generateTestHeaderString({
        payload,
        secret,
      }),
    }),
    event: { key: 'ann@x.example', class: 'purchase' },
  },
  {
    provider: 'shopify',
    secret: 'shop-secret',
    body: JSON.stringify(order),
    headers: (body, secret) => ({
      'x-shopify-topic': 'orders/paid',
      'x-shopify-webhook-id': 'w1',
      'x-shopify-hmac-sha256': hmac(secret, body, 'base64'),
    }),
    event: { key: 'ann@shop.example', class: 'purchase' },
  },
  {
    provider: 'woocommerce',
    secret: 'woo-secret',
    body: JSON.stringify({
      id: 5,
      status: 'processing',
      date_paid_gmt: '2026-01-01T09:00:00',
      total: '7.00',
      currency: 'EUR',
      billing: { email: 'ann@x.example' },
    }),
    headers: (body, secret) => ({
      'x-wc-webhook-topic': 'order.updated',
      'x-wc-webhook-signature': hmac(secret, body, 'base64'),
    }),
    event: { key: 'ann@x.example', class: 'purchase' },
  },
  {
    provider: 'mailgun',
    secret: 'mailgun-key',
    body: '',
    headers: () => ({}),
    event: { key: 'ann@x.example', class: 'email_open' },
  },
  {
    provider: 'mandrill',
    secret: 'mandrill-key',
    more: { url: 'https://gateway.example/webhooks/mandrill' },
    body: `mandrill_events=${encodeURIComponent(
      JSON.stringify([
        { event: 'open', ts: at, _id: 'i', msg: { _id: 'i', email: 'ann@x.example' } },
      ]),
    )}`,
    headers: (body, secret) => {
      const events = new URLSearchParams(body).get('mandrill_events');
      const signed = `https://gateway.example/webhooks/mandrillmandrill_events${events}`;
      return {
        'content-type': 'application/x-www-form-urlencoded',
        'x-mandrill-signature': hmac(secret, signed, 'base64', 'sha1'),
      };
    },
    event: { key: 'ann@x.example', class: 'email_open' },
  },
  {
    provider: 'mailersend',
    secret: 'mailersend-secret',
    body: JSON.stringify({
      type: 'activity.opened',
      created_at: '2026-01-01T10:00:00Z',
      data: {
        id: 'd1',
        created_at: '2026-01-01T10:00:00Z',
        email: { message: { id: 'm' }, recipient: { email: 'ann@x.example' } },
      },
    }),
    headers: (body, secret) => ({ signature: hmac(secret, body, 'hex') }),
    event: { key: 'ann@x.example', class: 'email_open' },
  },
  {
    provider: 'customerio',
    secret: 'cio-key',
    body: JSON.stringify({
      event_id: 'E1',
      object_type: 'email',
      metric: 'clicked',
      timestamp: at,
      data: { delivery_id: 'D', recipient: 'ann@x.example', href: 'https://x.example' },
    }),
    headers: (body, secret) => {
      const timestamp = seconds();
      return {
        'x-cio-timestamp': timestamp,
        'x-cio-signature': hmac(secret, `v0:${timestamp}:${body}`, 'hex'),
      };
    },
    event: { key: 'ann@x.example', class: 'email_click' },
  },
  {
    provider: 'postmark',
    secret: 'user:password',
    body: JSON.stringify({
      RecordType: 'Open',
      MessageID: 'm1',
      Recipient: 'ann@x.example',
      ReceivedAt: '2026-01-01T00:00:00Z',
    }),
    headers: basic,
    event: { key: 'ann@x.example', class: 'email_open' },
  },
  {
    provider: 'mailjet',
    secret: 'user:password',
    body: JSON.stringify([{ event: 'open', time: at, MessageID: 1, email: 'ann@x.example' }]),
    headers: basic,
    event: { key: 'ann@x.example', class: 'email_open' },
  },
  {
    provider: 'brevo',
    secret: 'token-of-brevo',
    body: JSON.stringify({
      event: 'opened',
      email: 'ann@x.example',
      'message-id': '<m>',
      ts_epoch: at * 1_000,
    }),
    headers: (_, secret) => ({ authorization: `Bearer ${secret}` }),
    event: { key: 'ann@x.example', class: 'email_open' },
  },
];

const all = cases.map((one) => (one.provider === 'mailgun' ? mailgunCase(one) : one));

/** Mailgun signs a time and a token that stand in the body. */
function mailgunCase(one: Case): Case {
  const timestamp = seconds();
  const signature = {
    timestamp,
    token: 't1',
    signature: hmac(one.secret, `${timestamp}t1`, 'hex'),
  };
  const event = {
    event: 'opened',
    id: 'x',
    timestamp: at,
    recipient: 'ann@x.example',
    message: { headers: { 'message-id': 'm' } },
  };
  return { ...one, body: JSON.stringify({ signature, 'event-data': event }) };
}

describe('webhooks', () => {
  test.each(all.map((one) => [one.provider, one] as const))(
    '%s: signed is taken once, anything else is refused',
    async (provider, { secret, body, headers, event, more = {} }) => {
      process.env['WEBHOOK_OLD'] =
        provider === 'resend' ? `whsec_${btoa('another of 24 bytes.....')}` : 'old:secret';
      process.env['WEBHOOK_NEW'] = secret;
      const secrets =
        provider === 'sendgrid'
          ? [{ env: 'WEBHOOK_NEW' }]
          : [{ env: 'WEBHOOK_OLD' }, { env: 'WEBHOOK_NEW' }];
      const gateway = await startGateway({ webhooks: { in: { provider, secrets, ...more } } });
      const url = `${gateway.url}/webhooks/in`;
      const good = headers(body, secret);
      expect((await post(url, body)).status).toBe(provider === 'mailgun' ? 200 : 401);
      expect((await post(url, body, good)).status).toBe(200);
      expect((await post(url, body, good)).status).toBe(200);
      for (const [name, value] of Object.entries(good)) {
        if (/content-type|topic|-id$/.test(name)) continue;
        const wrong = { ...good, [name]: `${value.slice(0, -3)}AAA` };
        expect((await post(url, body, wrong)).status, name).toBe(401);
        expect((await post(url, body, { ...good, [name]: 'x' })).status, name).toBe(401);
      }
      const signsBody = !['postmark', 'mailjet', 'brevo', 'mailgun'].includes(provider);
      if (signsBody) expect((await post(url, `${body} `, good)).status).toBe(401);
      const events = await gateway.records('events');
      expect(new Set(events.map(({ key, value }) => `${key} ${value['class']}`))).toEqual(
        new Set([`${event.key} ${event.class}`]),
      );
      // A repeated delivery makes the same id, so the engine counts it once.
      expect(new Set(events.map(({ value }) => value['id'])).size).toBe(1);
      expect(await gateway.deadLetters()).toEqual([]);
    },
  );

  test('a signature that is too old is refused', async () => {
    process.env['WEBHOOK_NEW'] = standardSecret;
    const config = { provider: 'resend', secrets: [{ env: 'WEBHOOK_NEW' }] };
    const gateway = await startGateway({ webhooks: { in: config } });
    for (const minutes of [-6, 6]) {
      const at = new Date(Date.now() + minutes * 60_000);
      const signed = new Webhook(standardSecret).sign('msg', at, '{}');
      const headers = {
        'svix-id': 'msg',
        'svix-timestamp': String(Math.floor(at.getTime() / 1_000)),
        'svix-signature': signed,
      };
      const answer = await post(`${gateway.url}/webhooks/in`, '{}', headers);
      expect(answer.status).toBe(401);
      expect(await answer.json()).toMatchObject({
        problem: expect.stringContaining('too far from now'),
      });
    }
  });

  test('a secret that is missing or empty starts nothing', async () => {
    process.env['WEBHOOK_EMPTY'] = '';
    for (const secret of [{ env: 'WEBHOOK_EMPTY' }, { env: 'NOBODY_SET' }, { file: '/nowhere' }]) {
      const config = { provider: 'stripe', secrets: [secret] };
      await expect(startGateway({ webhooks: { in: config } })).rejects.toMatchObject({
        code: 'CONFIG_INVALID',
        context: { field: 'webhooks.in.secrets.0' },
      });
    }
  });
});
