/**
 * Web pages of other origins that send events: SDKs in browsers. The configuration names the
 * origins, and only routes that take events answer them. fetch.spec.whatwg.org: "CORS protocol".
 */
import type { FastifyRequest, onRequestHookHandler } from 'fastify';
import { Refused } from './accounts.ts';
import type { Gateway } from './parts.ts';

/** Headers that SDKs send, for which a browser asks first. */
const headersTaken = [
  'authorization',
  'content-type',
  'idempotency-key',
  // RudderStack's; Snowplow's, where no identifier is to be kept.
  'anonymousid',
  'sp-anonymous',
  ...['specversion', 'id', 'source', 'type', 'subject', 'time'].map((name) => `ce-${name}`),
].join(', ');
/** How long a browser need not ask again, seconds: the most that Chromium takes. */
const askedAgainSeconds = '7200';

/**
 * Before each request with events: what a browser needs, then whether the sender may.
 * @param keyInBody where `isKeyInBody` says so, the route checks the key when it has the body
 */
export function sending(gateway: Gateway, keyInBody = false): onRequestHookHandler[] {
  const { origins, accounts } = gateway;
  const letRead: onRequestHookHandler = (request, reply, done) => {
    origins.letRead(request, reply);
    done();
  };
  const allow = async (request: FastifyRequest) => {
    if (keyInBody && isKeyInBody(gateway, request)) accounts.checkHost(request, origins);
    else await accounts.allow(request, 'ingest', origins);
  };
  return [letRead, allow];
}

/** SDKs for browsers and phones name the write key beside the calls, not in a header. */
export function isKeyInBody({ accounts }: Gateway, { headers }: FastifyRequest): boolean {
  return accounts.closed && headers.authorization === undefined;
}

/** Answers the preflight requests of browsers: whether a web page may send the request. */
export function addAskedFirst(gateway: Gateway, method: 'GET' | 'POST', path: string): void {
  const { app, accounts, origins } = gateway;
  if (!origins.any) return;
  app.options(path, { schema: { hide: true } }, async (request, reply) => {
    origins.letRead(request, reply);
    accounts.checkHost(request, origins);
    if (request.headers.origin === undefined) {
      throw new Refused(403, 'origin', 'this is for browsers, which name the Origin of their page');
    }
    return reply
      .code(204)
      .header('access-control-allow-methods', method)
      .header('access-control-allow-headers', headersTaken)
      .header('access-control-max-age', askedAgainSeconds)
      .send();
  });
}
