/**
 * Tokens of OAuth 2.0 from a real issuer, for a source that is pulled; and the other credentials.
 */
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { OAuth2Server } from 'oauth2-mock-server';
import { expect, onTestFinished, test } from 'vitest';
import { systemClock } from '../../../engine/base/clock.ts';
import { systemScheduler } from '../../../engine/base/scheduler.ts';
import { RestPuller } from '../../../engine/connect/pull/rest/rest.ts';
import type { AuthSpec, RestSpec } from '../../../engine/connect/pull/rest/rest-spec.ts';
import type { Secrets } from '../../../engine/connect/pull/secrets.ts';
import { pull } from './pulling.ts';
import { asRecords, type Shop, startShop, tenOrders } from './shop.ts';

const secrets: Secrets = {
  env: { CLIENT_SECRET: 'hidden', KEY: 'k1', FIRST_TOKEN: 'refresh-0' },
  readFile: (path) => readFile(path, 'utf8'),
  writeFile: (path, text) => writeFile(path, text),
};

interface Issuer {
  readonly url: string;
  /** Bodies and Authorization headers of the token requests. */
  readonly asked: { readonly body: Record<string, string>; readonly by: string }[];
  /** The newest one. */
  readonly token: () => string | undefined;
  /** Changes an answer of the token endpoint. */
  change: (answer: { body: Record<string, unknown> | ''; statusCode: number }) => void;
}

async function startIssuer(): Promise<Issuer> {
  const server = new OAuth2Server();
  await server.issuer.keys.generate('RS256');
  await server.start(0, '127.0.0.1');
  onTestFinished(() => server.stop());
  const port = server.address().port;
  server.issuer.url = `http://127.0.0.1:${port}`;
  let token: string | undefined;
  const issuer: Issuer = {
    url: server.issuer.url,
    asked: [],
    token: () => token,
    change: () => {},
  };
  let n = 0;
  server.service.on('beforeTokenSigning', ({ payload }) => {
    payload.jti = String(n++);
  });
  server.service.on('beforeResponse', (answer, request) => {
    issuer.asked.push({ body: { ...request.body }, by: String(request.headers.authorization) });
    issuer.change(answer);
    token = (answer.body as { access_token?: string }).access_token;
  });
  return issuer;
}

/** A shop that takes only the newest token, and each for `uses` requests. */
async function guardedShop(issuer: Issuer, uses: number): Promise<Shop> {
  const shop = await startShop('page');
  shop.orders = tenOrders();
  const used = new Map<string, number>();
  shop.fault = (request, response) => {
    const told = String(request.headers.authorization).replace('Bearer ', '');
    used.set(told, (used.get(told) ?? 0) + 1);
    if (told === issuer.token() && (used.get(told) ?? 0) <= uses) return undefined;
    response.writeHead(401).end('the token has expired');
    return true;
  };
  return shop;
}

function puller(shop: Shop, auth: AuthSpec, warn: (text: string) => void = () => {}) {
  const spec: RestSpec = {
    kind: 'rest',
    url: `${shop.url}/orders`,
    rows: 'data.orders',
    paging: { type: 'page', parameter: 'page' },
    auth,
  };
  const ports = { clock: systemClock, scheduler: systemScheduler };
  return new RestPuller({ name: 'orders', spec, secrets, ...ports, warn });
}

const byCredentials = (issuer: Issuer): AuthSpec => ({
  type: 'client-credentials',
  issuer: issuer.url,
  clientId: 'millrace',
  clientSecret: { env: 'CLIENT_SECRET' },
  scope: 'orders:read',
});

test('client credentials: one token for all pages', async () => {
  const issuer = await startIssuer();
  const shop = await guardedShop(issuer, 100);
  const { records } = await pull({ puller: puller(shop, byCredentials(issuer)) });
  expect(records).toEqual(asRecords(shop.orders));
  const by = `Basic ${Buffer.from('millrace:hidden').toString('base64')}`;
  const body = { grant_type: 'client_credentials', scope: 'orders:read' };
  expect(issuer.asked).toEqual([{ body, by }]);
});

test('a token that expires in the middle is replaced, and no page is lost', async () => {
  const issuer = await startIssuer();
  const shop = await guardedShop(issuer, 2);
  const { records, troubles } = await pull({ puller: puller(shop, byCredentials(issuer)) });
  expect(records).toEqual(asRecords(shop.orders));
  expect(issuer.asked).toHaveLength(3);
  expect(troubles).toEqual([]);
});

test('a token whose life is over is replaced before the other side refuses it', async () => {
  const issuer = await startIssuer();
  issuer.change = ({ body }) => {
    if (body !== '') body['expires_in'] = 0;
  };
  const shop = await guardedShop(issuer, 1);
  const { records } = await pull({ puller: puller(shop, byCredentials(issuer)) });
  expect(records).toEqual(asRecords(shop.orders));
  expect(shop.asked).toHaveLength(6);
});

test('an issuer that is away is waited for; one that refuses is named', async () => {
  const issuer = await startIssuer();
  const shop = await guardedShop(issuer, 100);
  let n = 0;
  issuer.change = (answer) => {
    if (n++ < 2) answer.statusCode = 503;
  };
  const waited = await pull({ puller: puller(shop, byCredentials(issuer)) });
  expect(waited.records).toEqual(asRecords(shop.orders));
  expect(waited.troubles.join()).toContain('the issuer answers 503');
  issuer.change = (answer) => {
    answer.statusCode = 400;
    answer.body = { error: 'invalid_client', error_description: 'no such client' };
  };
  await expect(pull({ puller: puller(shop, byCredentials(issuer)) })).rejects.toThrow(
    'the token endpoint answers invalid_client: no such client',
  );
});

test('a refresh token that the issuer changes is kept in its file', async () => {
  const issuer = await startIssuer();
  const folder = await mkdtemp(join(tmpdir(), 'millrace-test-'));
  onTestFinished(() => rm(folder, { recursive: true }));
  const file = join(folder, 'token');
  await writeFile(file, 'refresh-0\n');
  let n = 0;
  issuer.change = ({ body }) => {
    if (body !== '') body['refresh_token'] = `refresh-${++n}`;
  };
  const shop = await guardedShop(issuer, 2);
  const auth = (refreshToken: { file: string } | { env: string }): AuthSpec => ({
    type: 'refresh-token',
    tokenUrl: `${issuer.url}/token`,
    clientId: 'millrace',
    clientSecret: { env: 'CLIENT_SECRET' },
    send: 'post',
    refreshToken,
  });
  const { records } = await pull({ puller: puller(shop, auth({ file })) });
  expect(records).toEqual(asRecords(shop.orders));
  const asked = issuer.asked.map(({ body }) => body['refresh_token']);
  expect(asked).toEqual(['refresh-0', 'refresh-1', 'refresh-2']);
  expect(issuer.asked[0]?.body['client_secret']).toBe('hidden');
  expect(await readFile(file, 'utf8')).toBe('refresh-3');
  // In an environment variable it cannot be kept, and that is said.
  const warnings: string[] = [];
  const warn = (text: string) => void warnings.push(text);
  await pull({ puller: puller(shop, auth({ env: 'FIRST_TOKEN' }), warn) });
  expect(warnings[0]).toContain('keep it in a file');
});

test('a key that was changed in its file is read again when it is refused', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'millrace-test-'));
  onTestFinished(() => rm(folder, { recursive: true }));
  const file = join(folder, 'key');
  await writeFile(file, 'k1');
  const shop = await startShop('page');
  shop.orders = tenOrders();
  let [key, n] = ['k1', 0];
  shop.fault = async (request, response) => {
    if (n++ === 3) {
      key = 'k2';
      await writeFile(file, key);
    }
    if (request.headers['x-api-key'] === key) return undefined;
    response.writeHead(401).end('unknown key');
    return true;
  };
  const auth: AuthSpec = { type: 'api-key', header: 'X-Api-Key', value: { file } };
  const { records } = await pull({ puller: puller(shop, auth) });
  expect(records).toEqual(asRecords(shop.orders));
});

test('a secret that is missing is named, and never shown', async () => {
  const shop = await startShop('page');
  const auth: AuthSpec = { type: 'bearer', token: { env: 'NOT_SET' } };
  await expect(pull({ puller: puller(shop, auth) })).rejects.toThrow(
    'sources.orders.auth.token: the environment variable NOT_SET is not set',
  );
  shop.fault = (_, response) => {
    response.writeHead(403).end('no');
    return true;
  };
  const denied = pull({
    puller: puller(shop, { type: 'basic', user: 'ann', password: { env: 'KEY' } }),
  });
  await expect(denied).rejects.toThrow(/answers 403: no$/);
});
