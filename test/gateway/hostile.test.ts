/**
 * Payloads of every way in that are wrong inside: each form of each protocol with each kind of bad
 * content. None is answered 5xx, and the gateway goes on.
 */
import { createHmac, createSign, generateKeyPairSync } from 'node:crypto';
import { expect, onTestFinished, test } from 'vitest';
import { post, startGateway } from './running.ts';

const hmac = (secret: string | Buffer, text: string | Buffer, as: 'hex' | 'base64') =>
  createHmac('sha256', secret).update(text).digest(as);
const seconds = () => String(Math.floor(Date.now() / 1_000));
const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'prime256v1' });
const sendgridKey = publicKey.export({ format: 'der', type: 'spki' }).toString('base64');
const key = Buffer.from('a secret of 24 bytes....');
const standardKey = `whsec_${key.toString('base64')}`;
const base64 = (text: string) => Buffer.from(text).toString('base64');

/** How a payload is signed as each provider does. */
const signers: Readonly<Record<string, (body: string) => Record<string, string>>> = {
  sendgrid: (body) => {
    const timestamp = seconds();
    const signature = createSign('sha256')
      .update(timestamp + body)
      .sign(privateKey, 'base64');
    return {
      'x-twilio-email-event-webhook-signature': signature,
      'x-twilio-email-event-webhook-timestamp': timestamp,
    };
  },
  mailgun: () => ({}),
  postmark: () => ({ authorization: `Basic ${base64('user:password')}` }),
  sparkpost: () => ({ authorization: `Basic ${base64('user:password')}` }),
  brevo: () => ({ authorization: `Basic ${base64('user:password')}` }),
  mailjet: () => ({ authorization: `Basic ${base64('user:password')}` }),
  mailersend: (body) => ({ signature: hmac('user:password', body, 'hex') }),
  customerio: (body) => {
    const timestamp = seconds();
    const signature = hmac('user:password', `v0:${timestamp}:${body}`, 'hex');
    return { 'x-cio-timestamp': timestamp, 'x-cio-signature': signature };
  },
  shopify: (body) => ({
    'x-shopify-topic': 'orders/paid',
    'x-shopify-hmac-sha256': hmac('user:password', body, 'base64'),
  }),
  woocommerce: (body) => ({ 'x-wc-webhook-signature': hmac('user:password', body, 'base64') }),
  stripe: (body) => {
    const timestamp = seconds();
    const v1 = hmac('user:password', `${timestamp}.${body}`, 'hex');
    return { 'stripe-signature': `t=${timestamp},v1=${v1}` };
  },
  resend: (body) => standard('svix', body),
  'standard-webhooks': (body) => standard('webhook', body),
};

function standard(prefix: string, body: string): Record<string, string> {
  const timestamp = seconds();
  return {
    [`${prefix}-id`]: 'msg_1',
    [`${prefix}-timestamp`]: timestamp,
    [`${prefix}-signature`]: `v1,${hmac(key, `msg_1.${timestamp}.${body}`, 'base64')}`,
  };
}

const deep = `${'['.repeat(150_000)}${']'.repeat(150_000)}`;
const deepObject = `${'{"a":'.repeat(80_000)}1${'}'.repeat(80_000)}`;
const contents: Readonly<Record<string, string>> = {
  empty: '',
  null: 'null',
  number: '5',
  text: '"text"',
  list: '[]',
  'list of odd things': '[null,5,"x",[],{},[[{}]]]',
  'odd members': JSON.stringify({
    ...{ id: {}, type: [], event: 5, data: 'x', email: { a: 1 }, timestamp: 'soon', ts: -1 },
    ...{ created: 1e300, created_at: '9999-99-99', status: {}, msg: null, msys: [] },
    ...{ 'event-data': [], RecordType: {}, metric: null, body: 5, object: { toString: 1 } },
  }),
  prototype: '{"__proto__":{"x":1},"constructor":{"prototype":{}},"toString":1}',
  'half a pair': '{"id":"\\ud800","email":"\\udfff@x.example"}',
  zero: '{"id":"a\\u0000b","email":"a\\u0000@x.example"}',
  twice: '{"id":1,"id":2}',
  'great numbers': '{"id":123456789012345678901234567890,"created":1e999,"timestamp":-1e308}',
  deep,
  'deep object': deepObject,
};

test('every way in, with every kind of bad content', { timeout: 300_000 }, async () => {
  process.env['HOSTILE'] = 'user:password';
  process.env['HOSTILE_SENDGRID'] = sendgridKey;
  process.env['HOSTILE_STANDARD'] = standardKey;
  onTestFinished(() => {
    for (const name of ['', '_SENDGRID', '_STANDARD']) delete process.env[`HOSTILE${name}`];
  });
  const webhooks = Object.fromEntries(
    Object.keys(signers).map((provider) => {
      const own = provider === 'sendgrid' ? '_SENDGRID' : '';
      const isStandard = provider === 'resend' || provider === 'standard-webhooks';
      const secrets = [{ env: `HOSTILE${isStandard ? '_STANDARD' : own}` }];
      const mapping = provider === 'standard-webhooks' ? { mapping: 'sample' } : {};
      return [provider, { provider, secrets, ...mapping }];
    }),
  );
  const gateway = await startGateway({ webhooks });
  const { url } = gateway;
  const wrong: string[] = [];
  const look = async (name: string, asked: Promise<Response>) => {
    const answer = await asked.catch((error: Error) => ({
      status: 0,
      text: async () => String(error.cause),
    }));
    const text = await answer.text();
    if (answer.status >= 500 || answer.status === 0)
      wrong.push(`${name}: ${answer.status} ${text}`);
    if (/\bat \/|node_modules|\.ts:/.test(text)) wrong.push(`${name} tells of the inside: ${text}`);
    if (answer.status >= 400 && text.length > 1_000)
      wrong.push(`${name} says ${text.length} characters`);
  };
  for (const [name, content] of Object.entries(contents)) {
    for (const [provider, sign] of Object.entries(signers)) {
      const at = `${url}/webhooks/${provider}`;
      await look(`${provider}, ${name}`, post(at, content, sign(content)));
    }
    const embedded = JSON.stringify(content);
    const mailgun = () => {
      const timestamp = seconds();
      const signature = hmac('user:password', `${timestamp}t`, 'hex');
      return `{"signature":{"timestamp":"${timestamp}","token":"t","signature":"${signature}"},"event-data":${content || 'null'}}`;
    };
    await look(`mailgun signed, ${name}`, post(`${url}/webhooks/mailgun`, mailgun()));
    const cloud = { specversion: '1.0', id: '1', source: 's', type: 'page_view' };
    const ce = Object.fromEntries(Object.entries(cloud).map(([k, v]) => [`ce-${k}`, v]));
    const events = `${url}/v1/events`;
    await look(`plain, ${name}`, post(events, content));
    await look(`binary, ${name}`, post(events, content, { ...ce, 'ce-subject': 'ann' }));
    for (const type of ['cloudevents', 'cloudevents-batch']) {
      const headers = { 'content-type': `application/${type}+json` };
      await look(`${type}, ${name}`, post(events, content, headers));
      const own = JSON.stringify({ ...cloud, subject: 'ann', data_base64: base64(content) });
      const body = type === 'cloudevents' ? own : `[${own},${content || 'null'}]`;
      await look(`${type} with data_base64, ${name}`, post(events, body, headers));
    }
    for (const call of [
      'track',
      't',
      'identify',
      'page',
      'screen',
      'group',
      'alias',
      'batch',
      'import',
    ]) {
      await look(`${call}, ${name}`, post(`${url}/v1/${call}`, content));
      const inner = `{"batch":[${content || 'null'}],"context":${content || 'null'},"sentAt":${content || 'null'},"properties":${content || 'null'},"traits":${content || 'null'},"userId":${content || 'null'}}`;
      await look(`${call} around, ${name}`, post(`${url}/v1/${call}`, inner));
    }
    const tp2 = `${url}/com.snowplowanalytics.snowplow/tp2`;
    const schema = 'iglu:com.snowplowanalytics.snowplow/payload_data/jsonschema/1-0-4';
    await look(`tp2, ${name}`, post(tp2, content));
    await look(
      `tp2 data, ${name}`,
      post(tp2, `{"schema":"${schema}","data":[${content || 'null'}]}`),
    );
    const inside = { ue_px: `"${base64(content)}"`, ue_pr: embedded, cx: `"${base64(content)}"` };
    for (const [field, text] of Object.entries({ ...inside, co: embedded })) {
      const payload = `{"e":"ue","tv":"x","p":"web","duid":"d","eid":"i","${field}":${text}}`;
      await look(`tp2 ${field}, ${name}`, post(tp2, `{"schema":"${schema}","data":[${payload}]}`));
    }
    const query = new URLSearchParams({ e: 'ue', ue_px: base64(content).slice(0, 8_000) });
    await look(`pixel, ${name}`, fetch(`${url}/i?${query}`));
  }
  for (const query of ['e=pv&e=pp', '__proto__=1&e=pv', '%', 'e=%ff', '='.repeat(2_000)]) {
    await look(`pixel ${query.slice(0, 20)}`, fetch(`${url}/i?${query}`));
  }
  expect(wrong).toEqual([]);
  const last = { id: 'last', subject: 'ann', class: 'email_open', time: '2026-01-01T10:00:00Z' };
  expect((await post(`${url}/v1/events`, last)).status).toBe(202);
});
