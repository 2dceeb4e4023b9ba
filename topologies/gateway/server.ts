/**
 * The HTTP server of `serve` and `gateway`: takes events in, answers questions, and tells how the
 * process is. Routes are declared once; the OpenAPI document is made of the same declarations.
 */
import swagger from '@fastify/swagger';
import Fastify, { type FastifyInstance, type FastifyReply, type FastifyRequest } from 'fastify';
import { isMillraceError, MillraceError } from 'millrace';
import { type HttpEndpoint, type PageServer, type Route, statusOf } from 'millrace/engine';
import { Accounts, Refused } from './accounts.ts';
import { BodyError } from './body.ts';
import type { GatewayConfig, Role } from './config.ts';
import { addEventRoutes } from './event-routes.ts';
import type { Intake } from './intake.ts';
import { addPageRoutes } from './page-routes.ts';
import { addQuestionRoutes } from './question-routes.ts';
import { addWebhookRoutes, type WebhookWorld } from './webhook-routes.ts';
import { SignatureError } from './webhooks/signature.ts';

export interface GatewayOptions extends WebhookWorld {
  /** 0 takes a free one. */
  readonly port: number;
  /** Without accounts only the loopback interface is allowed. */
  readonly host: string;
  readonly config: GatewayConfig;
  /** Undefined until the log is open. */
  readonly intake: () => Intake | undefined;
  /** Records that the application is behind. */
  readonly backlog: () => Promise<number>;
  readonly health: () => { readonly status: string };
  readonly metrics: () => Promise<{ readonly contentType: string; readonly text: string }>;
  /** Questions that are answered beside. */
  readonly questions: readonly Route[];
  /** The console, at / and below /console/. */
  readonly page?: PageServer;
  readonly answered?: (event: Answered) => void;
}

/** What became of a request, for metrics. */
export interface Answered {
  readonly route: string;
  readonly status: number;
}

/** What the routes share. */
export interface Gateway {
  readonly app: FastifyInstance;
  readonly options: GatewayOptions;
  readonly limits: Required<NonNullable<GatewayConfig['limits']>>;
  readonly accounts: Accounts;
  /** @throws MillraceError LOG_UNAVAILABLE while the log is not open */
  intake(): Intake;
  /** Declares that callers of a route need this role. */
  allow(role: Role): (request: FastifyRequest) => Promise<void>;
  /** Refuses a request while the application is too far behind. */
  checkBacklog(): Promise<void>;
}

const loopback = ['127.0.0.1', '::1', 'localhost'];
const defaults = { bodyBytes: 1_048_576, events: 10_000, depth: 64, backlog: 1_000_000 };

/** OWASP ASVS 5: 3.2 (content), 3.4 (security headers), 14.3.2 (no caching). */
const securityHeaders = {
  'cache-control': 'no-store',
  'content-security-policy': "default-src 'none'; frame-ancestors 'none'",
  'cross-origin-resource-policy': 'same-origin',
  'referrer-policy': 'no-referrer',
  'x-content-type-options': 'nosniff',
};

/** A request that is refused until later. */
export class Later extends Error {
  readonly status: 429 | 503;
  /** Seconds. */
  readonly retryAfter: number;

  constructor(status: 429 | 503, retryAfter: number, message: string) {
    super(message);
    this.status = status;
    this.retryAfter = retryAfter;
  }
}

/** @throws MillraceError HTTP_UNAVAILABLE when the port is taken, CONFIG_INVALID for the configuration */
export async function serveGateway(options: GatewayOptions): Promise<HttpEndpoint> {
  const { port, host, config } = options;
  if (config.accounts === undefined && !loopback.includes(host)) {
    const problem = `${host} can be reached from outside: name accounts in --gateway first`;
    throw new MillraceError('CONFIG_INVALID', { field: '--http-host', problem });
  }
  const app = await gatewayApp(options);
  try {
    await app.listen({ port, host });
  } catch (error) {
    await app.close();
    const problem = error instanceof Error ? error.message : String(error);
    throw new MillraceError('HTTP_UNAVAILABLE', { host, port, problem });
  }
  const address = app.server.address();
  return {
    port: typeof address === 'object' && address !== null ? address.port : port,
    close: async () => {
      app.server.closeIdleConnections();
      await app.close();
    },
  };
}

/** The application without a listener: what the OpenAPI document is made of. */
export async function gatewayApp(options: GatewayOptions): Promise<FastifyInstance> {
  const limits = { ...defaults, ...options.config.limits };
  const app = Fastify({
    logger: false,
    bodyLimit: limits.bodyBytes,
    // A slow sender holds a connection; these are shorter than Node's own limits.
    requestTimeout: 30_000,
    connectionTimeout: 60_000,
    keepAliveTimeout: 10_000,
    maxRequestsPerSocket: 10_000,
    http: { headersTimeout: 10_000, maxHeaderSize: 16_384 },
    routerOptions: { maxParamLength: 200 },
    return503OnClosing: true,
    forceCloseConnections: true,
  });
  app.server.maxConnections = 1_000;
  const accounts = new Accounts(options.config);
  const gateway: Gateway = {
    app,
    options,
    limits,
    accounts,
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
  };
  // Bodies reach the routes as bytes: signatures are made over them.
  app.removeAllContentTypeParsers();
  app.addContentTypeParser('*', { parseAs: 'buffer' }, (_, body, done) => done(null, body));
  app.setValidatorCompiler(() => () => true);
  const routes = new Map<string, Set<string>>();
  app.addHook('onRoute', ({ url, method }) => {
    const methods = routes.get(url) ?? new Set();
    for (const one of [method].flat()) methods.add(one);
    routes.set(url, methods);
  });
  app.addHook('onSend', async (_, reply) => {
    // The page of the console has its own.
    for (const [name, value] of Object.entries(securityHeaders)) {
      if (!reply.hasHeader(name)) reply.header(name, value);
    }
  });
  app.addHook('onResponse', async (request, reply) => {
    const route = request.routeOptions.url ?? '(unknown)';
    options.answered?.({ route, status: reply.statusCode });
  });
  app.setErrorHandler((error, _, reply) => answerError(error, reply));
  app.setNotFoundHandler(async (request, reply) => {
    // Who has no account does not learn which routes there are.
    await accounts.allow(request, 'read');
    const path = request.url.split('?')[0] ?? '';
    const methods = routes.get(path);
    if (methods === undefined) {
      const problem = `there are ${[...routes.keys()].join(', ')}`;
      return reply.code(404).send({ problem });
    }
    const allowed = [...methods].join(', ');
    return reply
      .code(405)
      .header('allow', allowed)
      .send({ problem: `${path} answers ${allowed}` });
  });
  await app.register(swagger, {
    openapi: {
      openapi: '3.1.0',
      info: {
        title: 'Millrace',
        description: 'Events in, and questions about scores and segments.',
        version: '1',
      },
      components: {
        securitySchemes: {
          key: { type: 'http', scheme: 'basic', description: 'A write key as the user name.' },
          token: { type: 'http', scheme: 'bearer', description: 'A write key, or a token.' },
        },
      },
      ...(accounts.closed ? { security: [{ key: [] }, { token: [] }] } : {}),
    },
  });
  addOwnRoutes(gateway);
  addEventRoutes(gateway);
  await addWebhookRoutes(gateway);
  addQuestionRoutes(gateway);
  addPageRoutes(gateway);
  await app.ready();
  return app;
}

function addOwnRoutes({ app, options, allow }: Gateway): void {
  app.get('/live', { schema: { summary: 'The process lives.', security: [] } }, async () => ({
    status: 'live',
  }));
  app.get(
    '/ready',
    { schema: { summary: 'The application takes records.', security: [] } },
    async (_, reply) => {
      const { status } = options.health();
      return reply.code(status === 'running' ? 200 : 503).send({ status });
    },
  );
  app.get(
    '/health',
    { onRequest: allow('read'), schema: { summary: 'How the application is.' } },
    async (_, reply) => {
      const health = options.health();
      return reply.code(health.status === 'running' ? 200 : 503).send(health);
    },
  );
  app.get(
    '/metrics',
    { onRequest: allow('read'), schema: { summary: 'Metrics for Prometheus.' } },
    async (_, reply) => {
      const { contentType, text } = await options.metrics();
      return reply.header('content-type', contentType).send(text);
    },
  );
  app.get(
    '/openapi.json',
    { onRequest: allow('read'), schema: { summary: 'This document.' } },
    async () => app.swagger(),
  );
}

/** One clear answer for each way in which a request can be wrong; nothing of the inside is told. */
function answerError(error: unknown, reply: FastifyReply): FastifyReply {
  if (error instanceof Refused) {
    if (error.status === 401) reply.header('www-authenticate', 'Basic realm="millrace", Bearer');
    return reply.code(error.status).send({ problem: error.message });
  }
  if (error instanceof SignatureError) {
    return reply.code(401).send({ problem: error.message });
  }
  if (error instanceof BodyError) return reply.code(error.status).send({ problem: error.message });
  if (error instanceof Later) {
    return reply
      .code(error.status)
      .header('retry-after', String(error.retryAfter))
      .send({ problem: error.message });
  }
  if (isMillraceError(error)) return answerKnown(error, reply);
  const status = (error as { statusCode?: number }).statusCode ?? 500;
  if (status < 500) {
    const message = error instanceof Error ? error.message : 'the request is not valid';
    return reply.code(status).send({ problem: message });
  }
  return reply.code(500).send({ problem: 'the request could not be answered' });
}

function answerKnown(error: MillraceError, reply: FastifyReply): FastifyReply {
  const { code, message: problem, remedy } = error;
  if (code === 'APPEND_FULL') {
    return reply.code(503).header('retry-after', '1').send({ problem });
  }
  if (code === 'TOO_BUSY') {
    const seconds = String(error.context['seconds'] ?? 1);
    reply.header('retry-after', seconds);
  }
  if (/^(LOG|KAFKA|COMMIT|DISK|STATE)_/.test(code)) {
    const away = 'the log or the state is not available';
    return reply.code(503).header('retry-after', '5').send({ code, problem: away });
  }
  return reply.code(statusOf(code)).send({ code, problem, remedy });
}
