/**
 * The configuration file of the gateway: accounts, webhooks, limits. It is checked before the
 * gateway listens.
 */
import { MillraceError } from 'millrace';
import { isLoopback } from './loopback.ts';
import { providers } from './webhooks/providers.ts';

export const roles = ['ingest', 'read', 'operate', 'admin'] as const;
export type Role = (typeof roles)[number];

/** A key that a client sends; the configuration has only its hash. */
export interface WriteKey {
  readonly name: string;
  /** SHA-256 of the key, 64 hexadecimal digits. */
  readonly sha256: string;
  /** Default: ingest. */
  readonly roles?: readonly Role[];
}

/** The issuer of bearer tokens. */
export interface OAuthConfig {
  /** The `iss` of every token. */
  readonly issuer: string;
  /** The `aud` of every token. */
  readonly audience: string;
  /** Address of the issuer's public keys. */
  readonly jwksUri: string;
  /** Allowed difference of clocks, seconds; default 30. */
  readonly clockToleranceSeconds?: number;
  /** The scope that gives a role; default `millrace:<role>`. */
  readonly scopes?: Partial<Record<Role, string>>;
}

/** A secret, in an environment variable or a file; never in the configuration itself. */
export type SecretSpec = { readonly env: string } | { readonly file: string };

export interface WebhookConfig {
  readonly provider: string;
  /**
   * One or two: while a secret is being changed, both are accepted. Some providers have a public
   * key.
   */
  readonly secrets: readonly SecretSpec[];
  /** A shipped mapping or the path of one; default the provider's. */
  readonly mapping?: string;
  /** Greatest age of a signature's timestamp, seconds; default 300. */
  readonly toleranceSeconds?: number;
  /** Topics of Amazon SNS that may subscribe. */
  readonly topicArns?: readonly string[];
  /** The address that a provider signs together with the body (Mandrill). */
  readonly url?: string;
}

export interface GatewayLimits {
  /** Most bytes of a request's body, after decompression; default 1 MiB. */
  readonly bodyBytes?: number;
  /** Most events of a request; default 10 000. */
  readonly events?: number;
  /** Greatest depth of nested lists and objects in a body; default 64. */
  readonly depth?: number;
  /**
   * If the application is more records behind than this, requests are answered 429; default 1 000
   * 000.
   */
  readonly backlog?: number;
  /** Most connections at a time; default 1 000. */
  readonly connections?: number;
}

export interface GatewayConfig {
  readonly accounts?: {
    readonly writeKeys?: readonly WriteKey[];
    readonly oauth?: OAuthConfig;
  };
  /** Mapping of `POST /v1/events` without `?mapping=`; default `cloudevents`. */
  readonly mapping?: string;
  readonly webhooks?: Readonly<Record<string, WebhookConfig>>;
  readonly limits?: GatewayLimits;
  /** Further names under which browsers and clients may reach the gateway. */
  readonly hosts?: readonly string[];
  /** Origins whose web pages may send events, such as `https://shop.example`; `*`: every one. */
  readonly origins?: readonly string[];
  /** Path of the catalogue of fields (docs/CATALOGUE.md). */
  readonly catalogue?: string;
  /**
   * A listener of its own for questions, health and metrics; absent: they are beside the events.
   */
  readonly admin?: {
    readonly port: number;
    /** Default: the loopback interface. */
    readonly host?: string;
  };
}

const configFields = [
  'accounts',
  'mapping',
  'webhooks',
  'limits',
  'hosts',
  'origins',
  'admin',
  'catalogue',
  // The file may also name sources to pull from; `--sources` checks that section.
  'sources',
];
const limitFields = ['bodyBytes', 'events', 'depth', 'backlog', 'connections'];

/** @throws MillraceError CONFIG_INVALID with the path of the field */
export function checkGateway(value: unknown): GatewayConfig {
  const config = objectAt(value, '(gateway)');
  known(config, '', configFields);
  const { accounts, webhooks = {}, limits = {}, mapping, hosts, admin } = config as GatewayConfig;
  if (accounts !== undefined) checkAccounts(objectAt(accounts, 'accounts'));
  for (const [name, one] of Object.entries(objectAt(webhooks, 'webhooks'))) {
    checkWebhook(name, one);
  }
  known(objectAt(limits, 'limits'), 'limits.', limitFields);
  for (const [name, limit] of Object.entries(limits)) {
    if (!Number.isSafeInteger(limit) || (limit as number) < 1) {
      throw invalid(`limits.${name}`, 'must be a whole number from 1');
    }
  }
  if (mapping !== undefined) textAt(mapping, 'mapping');
  if (config['catalogue'] !== undefined) textAt(config['catalogue'], 'catalogue');
  if (admin !== undefined) checkAdmin(objectAt(admin, 'admin'));
  if (hosts !== undefined)
    for (const [i, host] of listAt(hosts, 'hosts')) textAt(host, `hosts.${i}`);
  for (const [i, origin] of listAt(config['origins'] ?? [], 'origins')) {
    checkOrigin(origin, `origins.${i}`, accounts !== undefined);
  }
  return config as GatewayConfig;
}

/** @param closed whether callers need an account */
function checkOrigin(value: unknown, at: string, closed: boolean): void {
  const origin = textAt(value, at);
  if (origin === '*') {
    if (closed) return;
    throw invalid(at, 'would let every web page send: name accounts first');
  }
  const url = URL.canParse(origin) ? new URL(origin) : undefined;
  if (!/^https?:$/.test(url?.protocol ?? '') || url?.origin !== origin) {
    throw invalid(at, `must be an origin such as https://shop.example, is ${origin}`);
  }
}

function checkAdmin(admin: Record<string, unknown>): void {
  known(admin, 'admin.', ['port', 'host']);
  const { port, host } = admin;
  if (!Number.isInteger(port) || (port as number) < 0 || (port as number) > 65_535) {
    throw invalid('admin.port', 'must be a port from 0 to 65535; 0 chooses a free one');
  }
  if (host !== undefined) textAt(host, 'admin.host');
}

function checkAccounts(accounts: Record<string, unknown>): void {
  known(accounts, 'accounts.', ['writeKeys', 'oauth']);
  const names = new Set<string>();
  for (const [i, key] of listAt(accounts['writeKeys'] ?? [], 'accounts.writeKeys')) {
    const at = `accounts.writeKeys.${i}`;
    const one = objectAt(key, at);
    known(one, `${at}.`, ['name', 'sha256', 'roles']);
    const name = textAt(one['name'], `${at}.name`);
    if (names.has(name)) throw invalid(`${at}.name`, `${name} is used twice`);
    names.add(name);
    if (!/^[0-9a-f]{64}$/i.test(textAt(one['sha256'], `${at}.sha256`))) {
      throw invalid(
        `${at}.sha256`,
        'must be a SHA-256 of 64 hexadecimal digits, not the key itself',
      );
    }
    for (const [n, role] of listAt(one['roles'] ?? [], `${at}.roles`)) {
      if (!roles.includes(role as Role)) {
        throw invalid(`${at}.roles.${n}`, `is not a role; known are ${roles.join(', ')}`);
      }
    }
  }
  if (accounts['oauth'] !== undefined) checkOAuth(objectAt(accounts['oauth'], 'accounts.oauth'));
}

function checkOAuth(oauth: Record<string, unknown>): void {
  const fields = ['issuer', 'audience', 'jwksUri', 'clockToleranceSeconds', 'scopes'];
  known(oauth, 'accounts.oauth.', fields);
  for (const field of ['issuer', 'audience', 'jwksUri']) {
    textAt(oauth[field], `accounts.oauth.${field}`);
  }
  const jwksUri = oauth['jwksUri'] as string;
  let url: URL;
  try {
    url = new URL(jwksUri);
  } catch {
    throw invalid('accounts.oauth.jwksUri', `must be a URL, is ${jwksUri}`);
  }
  if (url.protocol !== 'https:' && !isLoopback(url.hostname)) {
    throw invalid('accounts.oauth.jwksUri', 'must begin with https:');
  }
  const tolerance = oauth['clockToleranceSeconds'];
  if (tolerance !== undefined && !(Number.isFinite(tolerance) && (tolerance as number) >= 0)) {
    throw invalid('accounts.oauth.clockToleranceSeconds', 'must be a number of seconds from 0');
  }
  const scopes = objectAt(oauth['scopes'] ?? {}, 'accounts.oauth.scopes');
  known(scopes, 'accounts.oauth.scopes.', roles);
  for (const [role, scope] of Object.entries(scopes)) {
    textAt(scope, `accounts.oauth.scopes.${role}`);
  }
}

const webhookFields = ['provider', 'secrets', 'mapping', 'toleranceSeconds', 'topicArns', 'url'];

function checkWebhook(name: string, value: unknown): void {
  const at = `webhooks.${name}`;
  if (!/^[a-z0-9][a-z0-9-]{0,62}$/.test(name)) {
    throw invalid(at, 'its name may have lower-case letters, digits and hyphens only');
  }
  const one = objectAt(value, at);
  known(one, `${at}.`, webhookFields);
  const provider = providers.get(textAt(one['provider'], `${at}.provider`));
  if (provider === undefined) {
    const names = [...providers.keys()].sort().join(', ');
    throw invalid(`${at}.provider`, `is not known; known are ${names}`);
  }
  const secrets = listAt(one['secrets'] ?? [], `${at}.secrets`);
  if (provider.secrets && secrets.length === 0) {
    throw invalid(`${at}.secrets`, 'must name a secret: { "env": "NAME" } or { "file": "PATH" }');
  }
  for (const [i, secret] of secrets) checkSecret(secret, `${at}.secrets.${i}`);
  const { toleranceSeconds, topicArns, mapping, url } = one;
  if (toleranceSeconds !== undefined && !((toleranceSeconds as number) > 0)) {
    throw invalid(`${at}.toleranceSeconds`, 'must be a number of seconds above 0');
  }
  if (provider.name === 'amazon-ses' && listAt(topicArns ?? [], `${at}.topicArns`).length === 0) {
    throw invalid(`${at}.topicArns`, 'must list the SNS topics that may subscribe');
  }
  if (provider.needsUrl && url === undefined) {
    throw invalid(
      `${at}.url`,
      'must be the address that the provider calls, which its signature covers',
    );
  }
  if (mapping === undefined && provider.mapping === undefined) {
    throw invalid(`${at}.mapping`, `is needed: no mapping is shipped for ${provider.name}`);
  }
  for (const [field, text] of Object.entries({ mapping, url })) {
    if (text !== undefined) textAt(text, `${at}.${field}`);
  }
}

function checkSecret(value: unknown, at: string): void {
  const secret = objectAt(value, at);
  known(secret, `${at}.`, ['env', 'file']);
  const named = [secret['env'], secret['file']].filter((one) => one !== undefined);
  if (named.length !== 1) throw invalid(at, 'must be { "env": "NAME" } or { "file": "PATH" }');
  textAt(named[0], at);
}

export function invalid(field: string, problem: string): MillraceError {
  return new MillraceError('CONFIG_INVALID', { field, problem });
}

function objectAt(value: unknown, at: string): Record<string, unknown> {
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) {
    return value as Record<string, unknown>;
  }
  throw invalid(at, 'must be an object');
}

function listAt(value: unknown, at: string): [number, unknown][] {
  if (Array.isArray(value)) return [...value.entries()];
  throw invalid(at, 'must be a list');
}

function textAt(value: unknown, at: string): string {
  if (typeof value === 'string' && value !== '') return value;
  throw invalid(at, value === undefined ? 'is missing' : 'must be a text that is not empty');
}

function known(object: object, at: string, fields: readonly string[]): void {
  for (const field of Object.keys(object)) {
    if (!fields.includes(field)) {
      throw invalid(`${at}${field}`, `is not known; known are ${fields.join(', ')}`);
    }
  }
}
