/**
 * `POST /webhooks/<source>`: checks the provider's signature over the bytes, then takes the events
 * in.
 */
import { isObject } from '../ingest/row-fields.ts';
import { BodyError, innerJson, jsonBody, utf8Text } from './body.ts';
import { answers, bodyOf } from './event-routes.ts';
import { invalid, type SecretSpec, type WebhookConfig } from './gateway-config.ts';
import type { Gateway, WebhookWorld } from './parts.ts';
import { webhookBody } from './schemas.ts';
import { type Provider, providers } from './webhooks/providers.ts';
import type { SignedRequest } from './webhooks/signature.ts';
import { SnsTopics } from './webhooks/sns.ts';
import { UsedTokens } from './webhooks/used-tokens.ts';

interface Source {
  readonly name: string;
  readonly provider: Provider;
  readonly config: WebhookConfig;
  readonly secrets: readonly string[];
  readonly mapping: string;
  readonly sns: SnsTopics | undefined;
}

/** SNS repeats a message for about an hour; other providers sign each attempt again. */
const snsToleranceSeconds = 3_600;
const defaultToleranceSeconds = 300;

/** @throws MillraceError CONFIG_INVALID for a missing secret, MAPPING_INVALID */
export async function addWebhookRoutes(gateway: Gateway): Promise<void> {
  const { options } = gateway;
  for (const [name, config] of Object.entries(options.config.webhooks ?? {})) {
    addRoute(gateway, await sourceOf(name, config, gateway));
  }
}

async function sourceOf(
  name: string,
  config: WebhookConfig,
  { options }: Gateway,
): Promise<Source> {
  const provider = providers.get(config.provider) as Provider;
  const secrets = [];
  for (const [i, spec] of (config.secrets ?? []).entries()) {
    const at = `webhooks.${name}.secrets.${i}`;
    const secret = await secretOf(spec, at, options);
    const problem = provider.secretProblem?.(secret);
    // The text that was read is not repeated: it may be the secret of another provider.
    if (problem !== undefined) throw invalid(at, `the secret ${problem}`);
    secrets.push(secret);
  }
  const seconds = config.toleranceSeconds ?? snsToleranceSeconds;
  const sns =
    provider.name === 'amazon-ses'
      ? new SnsTopics({
          topicArns: config.topicArns ?? [],
          toleranceMs: seconds * 1_000,
          get: options.get,
        })
      : undefined;
  const mapping = config.mapping ?? (provider.mapping as string);
  return { name, provider, config, secrets, mapping, sns };
}

/** A missing or empty secret would accept every sender, so the gateway does not start with one. */
async function secretOf(spec: SecretSpec, at: string, world: WebhookWorld): Promise<string> {
  if ('env' in spec) {
    const secret = world.env[spec.env]?.trim() ?? '';
    if (secret !== '') return secret;
    throw invalid(at, `the environment variable ${spec.env} is not set or is empty`);
  }
  let secret: string;
  try {
    secret = (await world.readSecret(spec.file)).trim();
  } catch {
    throw invalid(at, `the file ${spec.file} cannot be read`);
  }
  if (secret !== '') return secret;
  throw invalid(at, `the file ${spec.file} is empty`);
}

function addRoute(gateway: Gateway, source: Source): void {
  const { app, options, limits } = gateway;
  const { name, provider, config } = source;
  const toleranceMs = (config.toleranceSeconds ?? defaultToleranceSeconds) * 1_000;
  const used = new UsedTokens(toleranceMs);
  if (provider.asksByHead === true) {
    const schema = {
      summary: `Answers the test of the address by ${provider.name}.`,
      security: [],
      hide: true,
    };
    app.head(`/webhooks/${name}`, { schema }, async (_, reply) => reply.code(200).send());
  }
  app.post(
    `/webhooks/${name}`,
    {
      schema: {
        summary: `Webhook of ${provider.name}: its own signature is the credential.`,
        security: [],
        consumes: ['application/json'],
        body: webhookBody,
        response: {
          200: { type: 'object', properties: { accepted: { type: 'integer' } } },
          ...answers,
        },
      },
    },
    async (request) => {
      const body = await bodyOf(gateway, request);
      const signed: SignedRequest = { headers: request.headers, body, now: options.now() };
      const { secrets, sns } = source;
      if (provider.isPing?.(signed) === true) return { accepted: 0 };
      const url = config.url === undefined ? {} : { url: config.url };
      provider.check(signed, { secrets, toleranceMs, ...url });
      const token = provider.onceToken?.(signed);
      if (token !== undefined) used.check(token, body, signed.now);
      await gateway.checkBacklog();
      const payload = payloadOf(provider, body, limits.depth);
      if (sns !== undefined) return takeSns(gateway, source, sns, payload);
      return take(
        gateway,
        source,
        rowsOf(provider, payload, signed),
        provider.deliveryId?.(signed),
      );
    },
  );
}

function payloadOf({ formField }: Provider, body: Buffer, depth: number): unknown {
  if (formField === undefined) return jsonBody(body, depth);
  const value = new URLSearchParams(utf8Text(body)).get(formField);
  if (value === null) throw new BodyError(400, `the form has no field ${formField}`);
  return jsonBody(Buffer.from(value), depth);
}

function rowsOf(provider: Provider, payload: unknown, { headers }: SignedRequest) {
  const list = Array.isArray(payload) ? payload : [payload];
  const { rows, topicHeader = '' } = provider;
  const topic = headers[topicHeader];
  return rows === undefined
    ? list
    : list.flatMap((one) => rows(one, typeof topic === 'string' ? topic : ''));
}

async function take(
  gateway: Gateway,
  { name, mapping }: Source,
  rows: readonly unknown[],
  deliveryId: string | undefined,
) {
  if (rows.length > gateway.limits.events) {
    throw new BodyError(413, `has more than ${gateway.limits.events} events`, 'too_many');
  }
  const { accepted } = await gateway.intake().take({
    mapping,
    rows,
    // A repeated delivery gets the same ids, so its events count once.
    idempotencyKey: deliveryId === undefined ? undefined : `${name}/${deliveryId}`,
    deadLetters: true,
    source: `webhooks/${name}`,
  });
  return { accepted };
}

async function takeSns(gateway: Gateway, source: Source, sns: SnsTopics, payload: unknown) {
  const message = await sns.checked(payload, gateway.options.now());
  if (message.Type === 'SubscriptionConfirmation') {
    await sns.confirm(message);
    return { accepted: 0 };
  }
  if (message.Type !== 'Notification') return { accepted: 0 };
  const inner = notificationOf(message.Message, gateway.limits.depth);
  return take(gateway, source, isObject(inner) ? [inner] : [], message.MessageId);
}

/**
 * SES announces in plain text that a topic was set up; everything else is JSON. @throws BodyError
 */
function notificationOf(text: string, depthMax: number): unknown {
  const parsed = innerJson(text, depthMax);
  if ('value' in parsed) return parsed.value;
  if (parsed.why === 'not_json') return undefined;
  throw new BodyError(400, `the message ${parsed.problem}`, parsed.why);
}
