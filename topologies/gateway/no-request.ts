/**
 * Answers connections whose bytes never become a request: bytes that are not HTTP, heads that are
 * too large, senders that are too slow, and faults that Node would answer without a body. Each gets
 * one answer.
 */
import type { Server } from 'node:http';
import type { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import type { RequestMetrics } from 'millrace/engine';
import { securityHeaders } from './parts.ts';

/** Most bytes of an address with its headers, and of the trailers after a body. */
export const headBytes = 16_384;

const notHttp = ['400 Bad Request', 'the request is not valid HTTP'] as const;
const answersOfParser: Readonly<Record<string, readonly [status: string, problem: string]>> = {
  HPE_HEADER_OVERFLOW: [
    '431 Request Header Fields Too Large',
    `address and headers, or trailers, have more than ${headBytes} bytes`,
  ],
  ERR_HTTP_REQUEST_TIMEOUT: ['408 Request Timeout', 'the request came too slowly'],
};

/** For Fastify: what Node's parser refuses. */
export function answerRefusedBytes(requests: RequestMetrics | undefined) {
  const refused = new WeakSet<Socket>();
  return ({ code = '' }: { readonly code?: string }, socket: Socket): void => {
    // Whatever still comes behind is an error again.
    if (refused.has(socket)) return;
    refused.add(socket);
    const isSlow = code === 'ERR_HTTP_REQUEST_TIMEOUT';
    requests?.refusedConnection(isSlow ? 'too_slow' : 'malformed');
    const [status, problem] = answersOfParser[code] ?? notHttp;
    answerSocket(status, problem, socket);
  };
}

/** Connections beyond the limit, CONNECT, and what is expected besides 100-continue. */
export function answerBesideRequests(server: Server, requests: RequestMetrics | undefined): void {
  server.on('drop', () => requests?.refusedConnection('connections'));
  server.on('connect', (_, socket) => {
    requests?.refusedConnection('malformed');
    answerSocket('405 Method Not Allowed', 'CONNECT is for proxies, which this is not', socket);
  });
  server.on('checkExpectation', (_, response) => {
    requests?.refusedConnection('malformed');
    const body = JSON.stringify({ problem: 'of the header Expect only 100-continue is known' });
    response.writeHead(417, { ...securityHeaders, ...headersOf(body) }).end(body);
  });
}

function answerSocket(status: string, problem: string, socket: Duplex): void {
  if (!socket.writable) return void socket.destroy();
  const body = JSON.stringify({ problem });
  const headers = Object.entries({ ...securityHeaders, ...headersOf(body) });
  const head = [`HTTP/1.1 ${status}`, ...headers.map(([name, value]) => `${name}: ${value}`)];
  socket.end(`${head.join('\r\n')}\r\n\r\n${body}`);
}

function headersOf(body: string) {
  return {
    'content-type': 'application/json',
    'content-length': body.length,
    connection: 'close',
  };
}
