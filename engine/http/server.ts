/** GET /metrics and GET /health, and an application's own routes, by default on the loopback interface. */
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { type ErrorCode, isMillraceError, MillraceError, messageOf } from '../base/errors.ts';
import type { Health } from './health.ts';

/** A question that an application answers. */
export interface Route {
  /** 'POST' has a body of JSON. */
  readonly method: 'GET' | 'POST';
  readonly path: string;
  /**
   * Answers what is sent as JSON. A MillraceError is the asker's: 400, or what `statusOf` says of it.
   * @param signal aborts when nobody waits for the answer any more
   */
  answer(query: URLSearchParams, body: unknown, signal: AbortSignal): Promise<object>;
}

export interface HttpOptions {
  /** 0 takes a free one. */
  readonly port: number;
  /** Default: the loopback interface. */
  readonly host?: string;
  readonly health: () => Health;
  /** The metrics in the text format of Prometheus. */
  readonly metrics: () => Promise<{ readonly contentType: string; readonly text: string }>;
  /** Asked anew at each request: undefined while the application is not there yet. */
  readonly routes?: () => readonly Route[] | undefined;
}

/** A configuration with some thousand segments has a few hundred kilobytes. */
const bodyBytesMax = 4 * 1024 * 1024;
const statusOf: Partial<Record<ErrorCode, number>> = {
  SUBJECT_UNKNOWN: 404,
  TOO_BUSY: 429,
  QUESTION_TOO_LARGE: 503,
};

export interface HttpEndpoint {
  readonly port: number;
  close(): Promise<void>;
}

/** Throws HTTP_UNAVAILABLE when the port is taken. */
export async function serveHttp(options: HttpOptions): Promise<HttpEndpoint> {
  const { port, host = '127.0.0.1' } = options;
  const server = createServer((request, response) => answer(request, response, options));
  await new Promise<void>((resolve, reject) => {
    server.once('error', (error) => {
      reject(new MillraceError('HTTP_UNAVAILABLE', { host, port, problem: messageOf(error) }));
    });
    server.listen(port, host, resolve);
  });
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
  request: IncomingMessage,
  response: ServerResponse,
  { health, metrics, routes = () => [] }: HttpOptions,
): Promise<void> {
  const { pathname, searchParams } = new URL(request.url ?? '/', 'http://here');
  const method = request.method === 'HEAD' ? 'GET' : request.method;
  if (pathname === '/health' && method === 'GET') {
    const now = health();
    return json(response, now.status === 'running' ? 200 : 503, now);
  }
  try {
    if (pathname === '/metrics' && method === 'GET') {
      const { contentType, text } = await metrics();
      response.writeHead(200, { 'content-type': contentType }).end(text);
      return;
    }
    const known = routes();
    if (known === undefined) return json(response, 503, { problem: 'it has not started yet' });
    const here = known.filter(({ path }) => path === pathname);
    const route = here.find((one) => one.method === method);
    if (route !== undefined) {
      const body = route.method === 'POST' ? await bodyOf(request) : undefined;
      return json(response, 200, await route.answer(searchParams, body, untilGone(response)));
    }
    const own = ['/metrics', '/health'];
    if (here.length === 0 && !own.includes(pathname)) {
      const paths = [...own, ...known.map(({ path }) => path)];
      return json(response, 404, { problem: `there are ${paths.join(', ')}` });
    }
    const allowed = here.length === 0 ? 'GET, HEAD' : here.map((one) => one.method).join(', ');
    response.setHeader('allow', allowed);
    json(response, 405, { problem: `${pathname} answers ${allowed}` });
  } catch (error) {
    if (!isMillraceError(error)) return json(response, 503, { problem: messageOf(error) });
    const { code, message: problem, remedy, context } = error;
    if (code === 'TOO_BUSY') response.setHeader('retry-after', String(context['seconds']));
    json(response, statusOf[code] ?? 400, { code, problem, remedy });
  }
}

/** Aborts when the connection is closed before the answer is sent. */
function untilGone(response: ServerResponse): AbortSignal {
  const gone = new AbortController();
  response.once('close', () => gone.abort());
  return gone.signal;
}

/** Throws CONFIG_INVALID for what is no JSON, or too much of it. */
async function bodyOf(request: IncomingMessage): Promise<unknown> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of request as AsyncIterable<Buffer>) {
    bytes += chunk.byteLength;
    if (bytes > bodyBytesMax) {
      const problem = `has more than ${bodyBytesMax} bytes`;
      throw new MillraceError('CONFIG_INVALID', { field: '(body)', problem });
    }
    chunks.push(chunk);
  }
  try {
    return JSON.parse(Buffer.concat(chunks).toString());
  } catch (error) {
    throw new MillraceError('CONFIG_INVALID', { field: '(body)', problem: messageOf(error) });
  }
}

function json(response: ServerResponse, status: number, body: object): void {
  response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body));
}
