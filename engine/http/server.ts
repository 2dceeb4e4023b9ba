/** GET /metrics and GET /health, by default on the loopback interface; nothing else is answered. */
import { createServer, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { MillraceError, messageOf } from '../base/errors.ts';
import type { Health } from './health.ts';

export interface HttpOptions {
  /** 0 takes a free one. */
  readonly port: number;
  /** Default: the loopback interface. */
  readonly host?: string;
  readonly health: () => Health;
  /** The metrics in the text format of Prometheus. */
  readonly metrics: () => Promise<{ readonly contentType: string; readonly text: string }>;
}

export interface HttpEndpoint {
  readonly port: number;
  close(): Promise<void>;
}

/** Throws HTTP_UNAVAILABLE when the port is taken. */
export async function serveHttp(options: HttpOptions): Promise<HttpEndpoint> {
  const { port, host = '127.0.0.1', health, metrics } = options;
  const server = createServer(async (request, response) => {
    const { pathname } = new URL(request.url ?? '/', 'http://here');
    if (request.method !== 'GET' && request.method !== 'HEAD') {
      response.setHeader('allow', 'GET, HEAD');
      return json(response, 405, { problem: 'only GET is answered' });
    }
    if (pathname === '/health') {
      const now = health();
      return json(response, now.status === 'running' ? 200 : 503, now);
    }
    if (pathname !== '/metrics') {
      return json(response, 404, { problem: 'there are /metrics and /health' });
    }
    try {
      const { contentType, text } = await metrics();
      response.writeHead(200, { 'content-type': contentType }).end(text);
    } catch (error) {
      json(response, 503, { problem: messageOf(error) });
    }
  });
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

function json(response: ServerResponse, status: number, body: object): void {
  response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body));
}
