/**
 * The webhook providers: how each proves that a request is its own, and the mapping of its payload.
 * Each scheme is cited from the provider's documentation.
 */
import { createPublicKey, type KeyObject, verify as verifySignature } from 'node:crypto';
import { isObject } from '../../ingest/row-fields.ts';
import { type ShopRows, shopifyRows, stripeRows, woocommerceRows } from './shop.ts';
import {
  checkAge,
  checkBasic,
  checkBearer,
  checkHmac,
  header,
  SignatureError,
  type SignatureSettings,
  type SignedRequest,
} from './signature.ts';

export interface Provider {
  readonly name: string;
  /** For a signature that does not cover the body: a text that it covers, valid for one body. */
  readonly onceToken?: (request: SignedRequest) => string;
  /** False for a provider that signs with its own keys (Amazon SNS). */
  readonly secrets: boolean;
  /** Whether the signature covers the address that the provider calls. */
  readonly needsUrl: boolean;
  /** Shipped mapping of its payload; undefined when the author must name one. */
  readonly mapping: string | undefined;
  /** The form field that holds the JSON, when the body is a form. */
  readonly formField?: string;
  /** The header that says what happened, when the payload does not. */
  readonly topicHeader?: string;
  /** Makes the rows of a payload that a mapping alone cannot read. */
  readonly rows?: ShopRows;
  /** Why a text cannot be a secret of the provider; undefined when it can. */
  readonly secretProblem?: (secret: string) => string | undefined;
  /**
   * Whether a request is the unsigned one by which the provider, before it has a secret, tests the
   * address. It is answered and has no effect.
   */
  readonly isPing?: (request: SignedRequest) => boolean;
  /** Whether the provider tests the address by HEAD. */
  readonly asksByHead?: boolean;
  /**
   * Identifies the delivery, so that a repetition is recognized; undefined for a provider that has
   * no id.
   */
  readonly deliveryId?: (request: SignedRequest) => string | undefined;
  /** @throws SignatureError when the request is not the provider's, or too old */
  check(request: SignedRequest, settings: SignatureSettings): void;
}

type Definition = Partial<Provider> & Pick<Provider, 'name' | 'check'>;

function define(definition: Definition): Provider {
  const { name } = definition;
  return { secrets: true, needsUrl: false, mapping: name, ...definition };
}

/**
 * ECDSA over timestamp and body, with the public key that SendGrid shows once.
 * docs.sendgrid.com: "Getting started with the Event Webhook Security Features".
 */
const sendgrid = define({
  name: 'sendgrid',
  secretProblem: (secret) => {
    try {
      const { asymmetricKeyType } = sendgridKey(secret);
      return asymmetricKeyType === 'ec' ? undefined : 'is not the key of an ECDSA signature';
    } catch {
      return 'is not the verification key that SendGrid shows, in base64';
    }
  },
  check: (request, { secrets, toleranceMs }) => {
    const signature = header(request, 'x-twilio-email-event-webhook-signature');
    const timestamp = header(request, 'x-twilio-email-event-webhook-timestamp');
    const signed = Buffer.concat([Buffer.from(timestamp), request.body]);
    const bytes = Buffer.from(signature, 'base64');
    const fits = secrets.some((key) => verifySignature('sha256', signed, sendgridKey(key), bytes));
    if (!fits) throw new SignatureError('wrong', 'the signature does not match the body');
    checkAge(timestamp, request, toleranceMs);
  },
});

function sendgridKey(base64: string): KeyObject {
  return createPublicKey({ key: Buffer.from(base64, 'base64'), format: 'der', type: 'spki' });
}

/**
 * HMAC-SHA256 over timestamp and token, which are in the body; the body itself is not signed.
 * documentation.mailgun.com: "Securing Webhooks".
 */
const mailgun = define({
  name: 'mailgun',
  // The body is not signed: the signature of one request must not admit another body.
  onceToken: (request) => mailgunSignature(request).token,
  deliveryId: (request) => mailgunSignature(request).token,
  check: (request, { secrets, toleranceMs }) => {
    const { timestamp, token, signature } = mailgunSignature(request);
    checkHmac('sha256', secrets, [timestamp, token], [signature], 'hex');
    checkAge(timestamp, request, toleranceMs);
  },
});

function mailgunSignature({ body }: SignedRequest) {
  const parsed = parsedOrNothing(body);
  const part = isObject(parsed) && isObject(parsed['signature']) ? parsed['signature'] : {};
  const [timestamp, token, signature] = ['timestamp', 'token', 'signature'].map((name) =>
    String(part[name] ?? ''),
  ) as [string, string, string];
  if (timestamp === '' || token === '' || signature === '') {
    throw new SignatureError('missing', 'signature.timestamp, .token or .signature is missing');
  }
  return { timestamp, token, signature };
}

/**
 * Basic authentication in the URL. postmarkapp.com: "Webhooks overview", "Protecting your webhook".
 */
const postmark = define({
  name: 'postmark',
  secretProblem: userAndPassword,
  check: (request, { secrets }) => checkBasic(request, secrets),
});

/** Basic authentication, or OAuth 2.0 with a token. developers.sparkpost.com: "Webhooks". */
const sparkpost = define({ name: 'sparkpost', check: basicOrBearer });

/** Basic authentication or a token. developers.brevo.com: "Secure webhook calls". */
const brevo = define({ name: 'brevo', check: basicOrBearer });

/** Basic authentication in the URL. dev.mailjet.com: "Event API: secure your endpoint". */
const mailjet = define({
  name: 'mailjet',
  secretProblem: userAndPassword,
  check: (request, { secrets }) => checkBasic(request, secrets),
});

function userAndPassword(secret: string): string | undefined {
  return /^[^:]+:./.test(secret) ? undefined : 'must be user:password';
}

function basicOrBearer(request: SignedRequest, { secrets }: SignatureSettings): void {
  const basic = header(request, 'authorization').toLowerCase().startsWith('basic ');
  if (basic) checkBasic(request, secrets);
  else checkBearer(request, secrets);
}

/**
 * HMAC-SHA1 in base64 over the address and the form's fields in order of their names.
 * mailchimp.com/developer: "Authenticating webhook requests" (Transactional).
 */
const mandrill = define({
  name: 'mandrill',
  needsUrl: true,
  formField: 'mandrill_events',
  // The key is made with the webhook, and the address is tested before that.
  asksByHead: true,
  check: (request, { secrets, url = '' }) => {
    const signature = header(request, 'x-mandrill-signature');
    const form = [...new URLSearchParams(request.body.toString('utf8'))].sort(([a], [b]) =>
      a < b ? -1 : 1,
    );
    checkHmac('sha1', secrets, [url, ...form.flat()], [signature], 'base64');
  },
});

/** HMAC-SHA256 over the body. developers.mailersend.com: "Webhooks", "Security". */
const mailersend = define({
  name: 'mailersend',
  check: (request, { secrets }) =>
    checkHmac('sha256', secrets, [request.body], [header(request, 'signature')], 'hex'),
});

/**
 * HMAC-SHA256 over `v0:timestamp:body`. customer.io/docs: "Reporting webhooks", "Securely verify
 * requests".
 */
const customerio = define({
  name: 'customerio',
  check: (request, { secrets, toleranceMs }) => {
    const timestamp = header(request, 'x-cio-timestamp');
    const signature = header(request, 'x-cio-signature');
    const parts = [`v0:${timestamp}:`, request.body];
    checkHmac('sha256', secrets, parts, [signature], 'hex');
    checkAge(timestamp, request, toleranceMs);
  },
});

/** HMAC-SHA256 in base64 over the body. shopify.dev: "Deliver webhooks through HTTPS". */
const shopify = define({
  name: 'shopify',
  mapping: 'shop',
  topicHeader: 'x-shopify-topic',
  rows: shopifyRows,
  deliveryId: ({ headers }) => oneText(headers['x-shopify-webhook-id']),
  check: (request, { secrets }) => {
    const signature = header(request, 'x-shopify-hmac-sha256');
    checkHmac('sha256', secrets, [request.body], [signature], 'base64');
  },
});

/** HMAC-SHA256 in base64 over the body. woocommerce.github.io: REST API, "Webhooks". */
const woocommerce = define({
  name: 'woocommerce',
  // WC_Webhook::deliver_ping: a form with the webhook's number, without a signature.
  isPing: ({ body }) => /^webhook_id=\d{1,12}$/.test(body.toString('latin1', 0, 64)),
  mapping: 'shop',
  topicHeader: 'x-wc-webhook-topic',
  rows: woocommerceRows,
  deliveryId: ({ headers }) => oneText(headers['x-wc-webhook-delivery-id']),
  check: (request, { secrets }) => {
    const signature = header(request, 'x-wc-webhook-signature');
    checkHmac('sha256', secrets, [request.body], [signature], 'base64');
  },
});

/** HMAC-SHA256 over `timestamp.body`. docs.stripe.com: "Verify webhook signatures manually". */
const stripe = define({
  name: 'stripe',
  mapping: 'shop',
  rows: stripeRows,
  check: (request, { secrets, toleranceMs }) => {
    const pairs = header(request, 'stripe-signature')
      .split(',')
      .map((part): [string, string] => {
        const at = part.indexOf('=');
        return [part.slice(0, at).trim(), part.slice(at + 1).trim()];
      });
    const timestamp = pairs.find(([name]) => name === 't')?.[1] ?? '';
    const signatures = pairs.filter(([name]) => name === 'v1').map(([, value]) => value);
    checkHmac('sha256', secrets, [`${timestamp}.`, request.body], signatures, 'hex');
    checkAge(timestamp, request, toleranceMs);
  },
});

/**
 * HMAC-SHA256 in base64 over `id.timestamp.body`, or Ed25519 where the secret is a public key.
 * github.com/standard-webhooks: the specification, "Signature scheme". Svix, and so Resend, name
 * the headers `svix-...`; libraries that check them take either name, and so is it here.
 */
function standard(name: string, own: HeaderPrefix, mapping: string | undefined): Provider {
  const prefixOf = ({ headers }: SignedRequest): HeaderPrefix => {
    const other = own === 'svix' ? 'webhook' : 'svix';
    return headers[`${own}-id`] === undefined && headers[`${other}-id`] !== undefined ? other : own;
  };
  return define({
    name,
    mapping,
    secretProblem: standardProblem,
    deliveryId: (request) => oneText(request.headers[`${prefixOf(request)}-id`]),
    check: (request, { secrets, toleranceMs }) => {
      const prefix = prefixOf(request);
      const id = header(request, `${prefix}-id`);
      const timestamp = header(request, `${prefix}-timestamp`);
      const signed = [Buffer.from(`${id}.${timestamp}.`), request.body];
      const all = header(request, `${prefix}-signature`).split(' ');
      const of = (version: string) =>
        all.filter((one) => one.startsWith(version)).map((one) => one.slice(version.length));
      const keys = secrets.filter((secret) => secret.startsWith(publicPrefix)).map(ed25519Key);
      const bytes = of('v1a,').map((one) => Buffer.from(one, 'base64'));
      const content = Buffer.concat(signed);
      const fits = keys.some((key) =>
        bytes.some((one) => verifySignature(null, content, key, one)),
      );
      if (!fits) {
        const shared = secrets.filter((secret) => !secret.startsWith(publicPrefix));
        checkHmac('sha256', shared.map(standardKey), signed, of('v1,'), 'base64');
      }
      checkAge(timestamp, request, toleranceMs);
    },
  });
}

/** Prefix of the names of its headers. */
type HeaderPrefix = 'svix' | 'webhook';

const publicPrefix = 'whpk_';
/** The specification asks for 24 to 64 bytes. */
const leastKeyBytes = 16;

/** Everybody could sign with an empty key. */
function standardProblem(secret: string): string | undefined {
  const isPublic = secret.startsWith(publicPrefix);
  const text = secret.replace(/^(whsec|whpk)_/, '');
  const { byteLength } = Buffer.from(text, 'base64');
  if (!/^[A-Za-z0-9+/]+={0,2}$/.test(text)) return 'must be base64, usually after whsec_';
  if (isPublic && byteLength !== 32) return 'must be an Ed25519 key of 32 bytes in base64';
  return byteLength < leastKeyBytes ? `must have at least ${leastKeyBytes} bytes` : undefined;
}

function standardKey(secret: string): Buffer {
  return Buffer.from(secret.replace(/^whsec_/, ''), 'base64');
}

function ed25519Key(secret: string): KeyObject {
  const x = Buffer.from(secret.slice(publicPrefix.length), 'base64').toString('base64url');
  return createPublicKey({ key: { kty: 'OKP', crv: 'Ed25519', x }, format: 'jwk' });
}

/** Amazon SES sends through SNS, whose signature is checked in sns.ts: its keys are fetched. */
const amazonSes = define({ name: 'amazon-ses', secrets: false, check: () => {} });

export const providers: ReadonlyMap<string, Provider> = new Map(
  [
    sendgrid,
    mailgun,
    postmark,
    sparkpost,
    brevo,
    mailjet,
    mandrill,
    mailersend,
    customerio,
    shopify,
    woocommerce,
    stripe,
    amazonSes,
    standard('resend', 'svix', 'resend'),
    standard('standard-webhooks', 'webhook', undefined),
  ].map((provider) => [provider.name, provider]),
);

function parsedOrNothing(body: Buffer): unknown {
  try {
    return JSON.parse(body.toString('utf8'));
  } catch {
    return undefined;
  }
}

function oneText(value: string | string[] | undefined): string | undefined {
  return typeof value === 'string' && value !== '' ? value : undefined;
}
