/**
 * The HTTP application of the gateway: it takes events in, answers questions, and tells how the
 * process is. Routes are declared once; the OpenAPI document is made of the same declarations.
 */
import swagger from '@fastify/swagger';
import Fastify, { type FastifyInstance, type FastifyReply, type FastifyRequest } from 'fastify';
import { isReady, type RequestTrace, requestTrace, valuesInPath } from 'millrace/engine';
import { nearest } from '../segments/nearest.ts';
import { Accounts } from './accounts.ts';
import { answerError, Later, type Refusal } from './answers.ts';
import { BodyError } from './body.ts';
import { addEventRoutes, answers } from './event-routes.ts';
import { answerBesideRequests, answerRefusedBytes, headBytes } from './no-request.ts';
import { Origins } from './origins.ts';
import { addPageRoutes } from './page-routes.ts';
import { type Gateway, type GatewayOptions, securityHeaders } from './parts.ts';
import { addQuestionRoutes } from './question-routes.ts';
import { isAlive, isHealthy, metricsAnswer, questionAnswer } from './schemas.ts';
import { addWebhookRoutes } from './webhook-routes.ts';

const defaults = {
  bodyBytes: 1_048_576,
  events: 10_000,
  depth: 64,
  backlog: 1_000_000,
  connections: 1_000,
};
/** Interval at which slow senders are looked for, ms; Node's default is half a minute. */
const slowCheckMs = 2_000;

/** Which routes a listener has: all, those that take events in, or the others. */
export type Part = 'all' | 'ingest' | 'admin';

/** Why each request was refused, for its metric. */
type Reasons = WeakMap<FastifyRequest, Refusal>;
/** The spans of the requests that are traced. */
type Traces = WeakMap<FastifyRequest, RequestTrace>;

/** The application without a listener; the OpenAPI document is made of it, too. */
export async function gatewayApp(
  options: GatewayOptions,
  part: Part = 'all',
): Promise<FastifyInstance> {
  const limits = { ...defaults, ...options.config.limits };
  const app = newApp(options, limits);
  const reasons: Reasons = new WeakMap();
  const traces: Traces = new WeakMap();
  const gateway = gatewayOf(app, options, limits, reasons, traces);
  addHooks(gateway, reasons);
  addTraces(app, traces);
  answerUnknownPaths(gateway, reasons);
  await app.register(swagger, { openapi: openApiHead(gateway.accounts.closed) });
  addLifeRoutes(gateway);
  if (part !== 'ingest') {
    addAdminRoutes(gateway);
    addQuestionRoutes(gateway);
    addPageRoutes(gateway);
  }
  if (part !== 'admin') {
    addEventRoutes(gateway);
    await addWebhookRoutes(gateway);
  }
  await app.ready();
  return app;
}

/** An application without routes: limits of connections, heads and bodies. */
function newApp({ requests }: GatewayOptions, limits: Gateway['limits']): FastifyInstance {
  const app = Fastify({
    logger: false,
    bodyLimit: limits.bodyBytes,
    // A slow sender holds a connection; these are shorter than Node's own limits.
    requestTimeout: 30_000,
    connectionTimeout: 60_000,
    keepAliveTimeout: 10_000,
    maxRequestsPerSocket: 10_000,
    http: {
      headersTimeout: 10_000,
      maxHeaderSize: headBytes,
      connectionsCheckingInterval: slowCheckMs,
    },
    clientErrorHandler: answerRefusedBytes(requests),
    // Such a path reaches no route and no hook.
    frameworkErrors: (error, _, reply: FastifyReply) => {
      requests?.refusedConnection('malformed');
      const problem = 'the path cannot be read: a % must be followed by the hex digits of UTF-8';
      const status = error.statusCode ?? 400;
      reply.code(status).headers(securityHeaders).send({ problem });
    },
    routerOptions: { maxParamLength: 200 },
    return503OnClosing: true,
    forceCloseConnections: true,
  });
  app.server.maxConnections = limits.connections;
  answerBesideRequests(app.server, requests);
  // Bodies reach the routes as bytes: signatures are made over them.
  app.removeAllContentTypeParsers();
  app.addContentTypeParser('*', { parseAs: 'buffer' }, (_, body, done) => done(null, body));
  app.setValidatorCompiler(() => () => true);
  return app;
}

/** What the routes share. */
function gatewayOf(
  app: FastifyInstance,
  options: GatewayOptions,
  limits: Gateway['limits'],
  reasons: Reasons,
  traces: Traces,
): Gateway {
  const accounts = new Accounts(options.config);
  const origins = new Origins(options.config.origins);
  return {
    app,
    options,
    limits,
    accounts,
    origins,
    intake: () => {
      const intake = options.intake();
      if (intake !== undefined) return intake;
      throw new Later(503, 5, 'it has not started yet');
    },
    allow: (role) => async (request) => {
      await accounts.allow(request, role);
    },
    checkBacklog: async () => {
      const behind = await options.backlog();
      if (behind > limits.backlog) {
        throw new Later(429, 5, `the application is ${behind} records behind`);
      }
    },
    refuse: (request, why) => void reasons.set(request, why),
    traceOf: (request) => traces.get(request),
  };
}

/** Hooks for every request: its Host header, the headers of its answer, its metrics. */
function addHooks({ app, options }: Gateway, reasons: Reasons): void {
  // Hooks that wait for nothing call back: a promise each would be part of what a request costs.
  app.addHook('onRequest', ({ raw }, _, done) => {
    // Of two Host headers a proxy may have routed by the other one (RFC 9112, 3.2).
    const once = timesThere('host', raw.rawHeaders) <= 1;
    done(once ? undefined : new BodyError(400, 'there must be exactly one Host header'));
  });
  const headers = Object.entries(securityHeaders);
  app.addHook('onSend', (_, reply, payload, done) => {
    // The page of the console sets its own.
    for (const [name, value] of headers) if (!reply.hasHeader(name)) reply.header(name, value);
    done(null, payload);
  });
  // Idle connections are closed. A client that has sent its whole request waits for its answer,
  // however long that takes.
  app.addHook('preHandler', (request, _, done) => {
    request.raw.socket?.setTimeout?.(0);
    done();
  });
  app.addHook('onResponse', (request, reply, done) => {
    const route = request.routeOptions.url ?? '(unknown)';
    options.requests?.answered({
      route,
      method: request.method,
      status: reply.statusCode,
      seconds: reply.elapsedTime / 1_000,
      refusal: reasons.get(request),
    });
    done();
  });
  app.setErrorHandler((error, request, reply) => {
    reasons.set(request, answerError(error, reply));
  });
}

/** Spans of the requests that bring a trace; a request without one pays a look at its headers. */
function addTraces(app: FastifyInstance, traces: Traces): void {
  app.addHook('onRequest', (request, _, done) => {
    const { headers, method, routeOptions } = request;
    if (headers['traceparent'] !== undefined) {
      const trace = requestTrace(method, routeOptions.url ?? '(unknown)', headers);
      if (trace !== undefined) traces.set(request, trace);
    }
    done();
  });
  app.addHook('onResponse', (request, reply, done) => {
    traces.get(request)?.end(reply.statusCode);
    done();
  });
}

/** 404 with the nearest path, or 405 with the methods that a path has. */
function answerUnknownPaths({ app, accounts }: Gateway, reasons: Reasons): void {
  const routes = new Map<string, Set<string>>();
  app.addHook('onRoute', ({ url, method }) => {
    const methods = routes.get(url) ?? new Set();
    for (const one of [method].flat()) methods.add(one);
    routes.set(url, methods);
  });
  app.setNotFoundHandler(async (request, reply) => {
    // A caller without an account does not learn which routes there are.
    await accounts.allow(request, 'read');
    const path = request.url.split('?')[0] ?? '';
    const pattern = [...routes.keys()].find((one) => matches(one, path));
    const methods = pattern === undefined ? undefined : routes.get(pattern);
    reasons.set(request, methods === undefined ? 'no_route' : 'method');
    if (methods === undefined) {
      return reply.code(404).send({ problem: noRoute(path, [...routes.keys()]) });
    }
    const allowed = [...methods].join(', ');
    return reply
      .code(405)
      .header('allow', allowed)
      .send({ problem: `${path} answers ${allowed}` });
  });
}

/** @param closed whether callers need an account */
function openApiHead(closed: boolean) {
  return {
    openapi: '3.1.0' as const,
    info: {
      title: 'Millrace',
      description: 'Events in, and questions about scores and segments.',
      version: '1',
    },
    components: {
      securitySchemes: {
        key: {
          type: 'http' as const,
          scheme: 'basic',
          description: 'A write key as the user name.',
        },
        token: {
          type: 'http' as const,
          scheme: 'bearer',
          description: 'A write key, or a token.',
        },
      },
    },
    ...(closed ? { security: [{ key: [] }, { token: [] }] } : {}),
  };
}

/** @param headers names and values in turn */
function timesThere(name: string, headers: readonly string[]): number {
  let times = 0;
  for (let i = 0; i < headers.length; i += 2) {
    const other = headers[i] as string;
    if (other.length === name.length && other.toLowerCase() === name) times++;
  }
  return times;
}

function matches(pattern: string, path: string): boolean {
  try {
    return valuesInPath(pattern, path) !== undefined;
  } catch {
    return false;
  }
}

function addLifeRoutes({ app, options }: Gateway): void {
  app.get(
    '/live',
    { schema: { summary: 'Whether the process is alive.', security: [], response: isAlive } },
    async () => ({
      status: 'live',
    }),
  );
  app.get(
    '/ready',
    {
      schema: {
        summary: 'Whether the application processes records.',
        security: [],
        response: isHealthy,
      },
    },
    async (_, reply) => {
      const { status } = options.health();
      return reply.code(isReady({ status }) ? 200 : 503).send({ status });
    },
  );
}

const { 401: unknown, 403: forbidden } = answers;
const refused = { 401: unknown, 403: forbidden };

function addAdminRoutes({ app, options, allow }: Gateway): void {
  app.get(
    '/health',
    {
      onRequest: allow('read'),
      schema: { summary: 'Health of the application.', response: { ...isHealthy, ...refused } },
    },
    async (_, reply) => {
      const health = options.health();
      return reply.code(isReady(health) ? 200 : 503).send(health);
    },
  );
  app.get(
    '/metrics',
    {
      onRequest: allow('read'),
      schema: {
        summary: 'Metrics for Prometheus.',
        response: { 200: metricsAnswer, ...refused },
      },
    },
    async (_, reply) => {
      const { contentType, text } = await options.metrics();
      return reply.header('content-type', contentType).send(text);
    },
  );
  app.get(
    '/openapi.json',
    {
      onRequest: allow('read'),
      schema: {
        summary: 'This document.',
        response: { 200: { description: 'OpenAPI 3.1.', ...questionAnswer }, ...refused },
      },
    },
    async () => app.swagger(),
  );
}

/** The path itself is not repeated: it may name a person. */
function noRoute(path: string, paths: readonly string[]): string {
  const near = nearest(path, paths);
  return `there is no such path${near === undefined ? '' : `; the nearest is ${near}`}: GET /openapi.json lists them`;
}
