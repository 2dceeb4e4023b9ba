/**
 * Serves GET /metrics, GET /health and the application's own routes, by default on the loopback
 * interface.
 */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { type ErrorCode, isMillraceError, MillraceError, messageOf } from '../base/errors.ts';
import { jsonOf } from '../base/json-text.ts';
import { Streams } from './event-stream.ts';
import { type Health, isReady } from './health.ts';
import type { Registry } from './metrics.ts';
import type { PageAnswer, PageServer } from './page.ts';
import { requestTrace } from './request-trace.ts';
import {
  type AnyRoute,
  addBodyValues,
  isStream,
  lastEventId,
  type Served,
  servedRoutes,
  valuesInPath,
} from './routes.ts';

export interface HttpOptions {
  /** 0 takes a free one. */
  readonly port: number;
  /** Default: the loopback interface. */
  readonly host?: string;
  readonly health: () => Health;
  /** The metrics in the text format of Prometheus. */
  readonly metrics: () => Promise<{ readonly contentType: string; readonly text: string }>;
  /** Called for each request; undefined while the application is starting. */
  readonly routes?: () => readonly AnyRoute[] | undefined;
  /** The console, at / and below /console/. */
  readonly page?: PageServer;
}

/** A configuration with some thousand segments has a few hundred kilobytes. */
const bodyBytesMax = 4 * 1024 * 1024;
/** How much of an oversized body is read, and for how long, before the response. */
const [restBytesMax, restMs] = [16 * bodyBytesMax, 1_000];
const statuses: Partial<Record<ErrorCode, number>> = {
  BODY_TOO_LARGE: 413,
  SEGMENT_UNKNOWN: 404,
  NOT_OURS: 401,
  OPERATE_REFUSED: 403,
  STATE_AWAY: 503,
  STATE_MOVED: 503,
  STORE_UNKNOWN: 404,
  SUBJECT_UNKNOWN: 404,
  TOPIC_UNKNOWN: 404,
  TOO_BUSY: 429,
  QUESTION_TOO_LARGE: 503,
};
const ownPaths = ['/metrics', '/health'];

/** The status for an error of a question; 400 if the client can correct it. */
export function statusOf(code: ErrorCode): number {
  return statuses[code] ?? 400;
}

export interface HttpEndpoint {
  readonly port: number;
  /** What it counts itself. */
  readonly registry?: Registry;
  close(): Promise<void>;
}

/**
 * @throws HTTP_UNAVAILABLE unless the port can be listened on now; 0 always can, if the host is
 * ours
 */
export async function checkPort(port: number, host = '127.0.0.1'): Promise<void> {
  const probe = createServer();
  await listening(probe, port, host);
  await new Promise((resolve) => probe.close(resolve));
}

function listening(server: Server, port: number, host: string): Promise<void> {
  return new Promise<void>((resolve, reject) => {
    server.once('error', (error) => {
      reject(new MillraceError('HTTP_UNAVAILABLE', { host, port, problem: messageOf(error) }));
    });
    server.listen(port, host, resolve);
  });
}

/** Throws HTTP_UNAVAILABLE when the port is taken. */
export async function serveHttp(options: HttpOptions): Promise<HttpEndpoint> {
  const { port, host = '127.0.0.1' } = options;
  const streams = new Streams();
  const server = createServer((request, response) => {
    // No request may end the process.
    response.on('error', () => {});
    answer(streams, request, response, options).catch((error: unknown) => {
      if (response.headersSent) response.destroy();
      else json(response, 500, { problem: messageOf(error) });
    });
  });
  // By default Node closes the connection without an answer.
  server.on('connect', (_, socket) => {
    socket.on('error', () => {});
    socket.end('HTTP/1.1 405 Method Not Allowed\r\nconnection: close\r\ncontent-length: 0\r\n\r\n');
  });
  await listening(server, port, host);
  return {
    port: (server.address() as AddressInfo).port,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

async function answer(
  streams: Streams,
  request: IncomingMessage,
  response: ServerResponse,
  { health, metrics, routes = () => [], page }: HttpOptions,
): Promise<void> {
  const target = targetOf(request);
  if (typeof target === 'string') return json(response, 400, { problem: target });
  const { pathname, searchParams } = target;
  const method = request.method === 'HEAD' ? 'GET' : request.method;
  if (pathname === '/health' && method === 'GET') {
    const now = health();
    return json(response, isReady(now) ? 200 : 503, now);
  }
  try {
    if (pathname === '/metrics' && method === 'GET') {
      const { contentType, text } = await metrics();
      response.writeHead(200, { 'content-type': contentType }).end(text);
      return;
    }
    if (ownPaths.includes(pathname)) return refuseMethod(response, pathname, ['GET', 'HEAD']);
    if (page !== undefined && method === 'GET') {
      const signal = untilGone(response);
      const found = await page.answer(pathname, searchParams, signal);
      if (found !== undefined) return await sendPage(response, found, signal);
    }
    const known = routes();
    if (known === undefined) return json(response, 503, { problem: 'it has not started yet' });
    const here = servedRoutes(known).flatMap((served) => {
      const values = valuesInPath(served.path, pathname);
      return values === undefined ? [] : [{ served, values }];
    });
    const found = here.find(({ served }) => served.method === method);
    if (found !== undefined) {
      for (const [name, value] of found.values) searchParams.set(name, value);
      return await answerRoute(streams, request, response, found.served, searchParams);
    }
    if (here.length === 0) {
      const paths = [...ownPaths, ...new Set(known.filter(isTold).map(({ path }) => path))];
      return json(response, 404, { problem: `there are ${paths.join(', ')}` });
    }
    refuseMethod(response, pathname, allowedBy(here.map(({ served }) => served)));
  } catch (error) {
    if (response.headersSent) throw error;
    if (!isMillraceError(error)) return json(response, 503, { problem: messageOf(error) });
    const { code, message: problem, remedy, context } = error;
    if (code === 'BODY_TOO_LARGE') response.setHeader('connection', 'close');
    const status = statusOf(code);
    if (status === 429 || status === 503) {
      response.setHeader('retry-after', String(context['seconds'] ?? 1));
    }
    json(response, status, { code, problem, remedy });
  }
}

/** A stream is written no faster than the client reads it. */
async function sendPage(
  response: ServerResponse,
  { status, headers, body }: PageAnswer,
  signal: AbortSignal,
): Promise<void> {
  response.writeHead(status, { ...headers });
  const isText = typeof body === 'string' || body instanceof Uint8Array;
  if (isText || response.req.method === 'HEAD') {
    response.end(isText ? body : undefined);
    return;
  }
  await pipeline(Readable.from(body), response, { signal }).catch(() => response.destroy());
}

async function answerRoute(
  streams: Streams,
  request: IncomingMessage,
  response: ServerResponse,
  { method, route, byBody }: Served,
  query: URLSearchParams,
): Promise<void> {
  if (!isStream(route) && route.role === 'operate') checkNear(request);
  const body = method === 'POST' ? await bodyOf(request) : undefined;
  if (byBody) addBodyValues(query, body);
  const signal = untilGone(response);
  const trace = requestTrace(method, route.path, request.headers);
  if (trace !== undefined) response.once('close', () => trace.end(response.statusCode));
  if (!isStream(route)) {
    return json(
      response,
      200,
      await route.answer(query, byBody ? undefined : body, signal, request.headers.authorization),
    );
  }
  streams.check();
  const lastId = lastEventId(request.headers['last-event-id'], query);
  await streams.send(response, await route.subscribe(query, lastId, signal));
}

/**
 * This server has no accounts: operating requests must come from this machine, and not from a web
 * page (through another host name or a form).
 * @throws OPERATE_REFUSED
 */
function checkNear({ socket, headers: { host = '', origin } }: IncomingMessage): void {
  const isNear = [socket.remoteAddress, socket.localAddress].every((address) =>
    /^(::1|(::ffff:)?127\.[\d.]+)$/.test(address ?? ''),
  );
  const isOwn = (name: string) => /^(localhost|127\.[\d.]+|\[::1\])$/.test(name);
  const from = origin === undefined ? host : `${originHost(origin)}`;
  if (isNear && isOwn(host.replace(/:\d+$/, '')) && isOwn(from.replace(/:\d+$/, ''))) return;
  throw new MillraceError('OPERATE_REFUSED', {});
}

function originHost(origin: string): string {
  return URL.canParse(origin) ? new URL(origin).hostname : '';
}

function isTold(route: AnyRoute): boolean {
  return isStream(route) || route.isInternal !== true;
}

/** Aborts when the connection is closed before the answer is sent. */
function untilGone(response: ServerResponse): AbortSignal {
  const gone = new AbortController();
  response.once('close', () => gone.abort());
  return gone.signal;
}

/** The request's target; a string describes what is wrong with the request. */
function targetOf({ url = '', headers: { host } }: IncomingMessage): URL | string {
  // This is not a proxy, and two slashes would start a host name.
  if (!url.startsWith('/') || url.startsWith('//')) return 'the path must begin with one slash';
  if (host !== undefined && !hostName.test(host)) return 'the Host header names no host';
  try {
    decodeURIComponent(url);
    return new URL(url, 'http://here');
  } catch {
    return 'the path or query has a percent escape that is no UTF-8';
  }
}

/** A name or an address, and a port. Empty if the client knows none. */
const hostName = /^([\w.~-]+|\[[\da-fA-F:.]+\])?(:\d{1,5})?$/;

function allowedBy(routes: readonly Served[]): string[] {
  const methods = new Set<string>(routes.map(({ method }) => method));
  if (methods.has('GET')) methods.add('HEAD');
  return [...methods];
}

function refuseMethod(response: ServerResponse, path: string, methods: readonly string[]): void {
  const allowed = methods.join(', ');
  response.setHeader('allow', allowed);
  json(response, 405, { problem: `${path} answers ${allowed}` });
}

/** Throws CONFIG_INVALID if the body is not JSON, and BODY_TOO_LARGE. */
async function bodyOf(request: IncomingMessage): Promise<unknown> {
  const bytes = await bytesOf(request);
  try {
    return jsonOf(bytes.toString());
  } catch (error) {
    throw new MillraceError('CONFIG_INVALID', { field: '(body)', problem: messageOf(error) });
  }
}

/**
 * An oversized body is read and discarded for a moment. If the socket were closed while the client
 * writes, it would see a broken connection instead of the answer.
 */
function bytesOf(request: IncomingMessage): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = [];
    let bytes = 0;
    let rest: NodeJS.Timeout | undefined;
    const refuse = () => reject(new MillraceError('BODY_TOO_LARGE', { bytes: bodyBytesMax }));
    const isTooLarge = () => {
      chunks.length = 0;
      rest ??= setTimeout(refuse, restMs);
    };
    if (Number(request.headers['content-length'] ?? 0) > bodyBytesMax) isTooLarge();
    request.on('data', (chunk: Buffer) => {
      bytes += chunk.byteLength;
      if (bytes > bodyBytesMax) isTooLarge();
      if (rest === undefined) chunks.push(chunk);
      if (bytes > restBytesMax) refuse();
    });
    request.once('end', () => {
      if (rest === undefined) resolve(Buffer.concat(chunks));
      else refuse();
    });
    request.once('error', reject);
    request.once('close', () => {
      clearTimeout(rest);
      reject(new Error('the connection ended within the body'));
    });
  });
}

function json(response: ServerResponse, status: number, body: object): void {
  // Encoded before the head is written: if encoding fails, another answer is sent.
  const text = JSON.stringify(body);
  response.writeHead(status, { 'content-type': 'application/json' }).end(text);
}
