/** What the routes of the gateway share. */
import type { FastifyInstance, FastifyRequest } from 'fastify';
import type { AnyRoute, PageServer, RequestMetrics, RequestTrace } from 'millrace/engine';
import type { Accounts } from './accounts.ts';
import type { Refusal } from './answers.ts';
import type { Intake } from './event-intake.ts';
import type { GatewayConfig, Role } from './gateway-config.ts';
import type { Origins } from './origins.ts';

/** What webhooks need of their environment. */
export interface WebhookWorld {
  /** ms UTC. */
  readonly now: () => number;
  readonly env: Readonly<Record<string, string | undefined>>;
  /** The text of a file that holds a secret. */
  readonly readSecret: (file: string) => Promise<string>;
  /** GET of an https address, for Amazon SNS; returns the body. */
  readonly get: (url: URL) => Promise<string>;
}

export interface GatewayOptions extends WebhookWorld {
  /** 0 chooses a free port. */
  readonly port: number;
  /** Without accounts only the loopback interface is allowed. */
  readonly host: string;
  readonly config: GatewayConfig;
  /** Undefined until the log is open. */
  readonly intake: () => Intake | undefined;
  /** The number of records that the application is behind. */
  readonly backlog: () => Promise<number>;
  readonly health: () => { readonly status: string };
  readonly metrics: () => Promise<{ readonly contentType: string; readonly text: string }>;
  /** Questions that are answered on the same listener. */
  readonly questions: readonly AnyRoute[];
  /** The console, at / and below /console/. */
  readonly page?: PageServer;
  /** Called with the result of each request. */
  readonly requests?: RequestMetrics;
}

export interface Gateway {
  readonly app: FastifyInstance;
  readonly options: GatewayOptions;
  readonly limits: Required<NonNullable<GatewayConfig['limits']>>;
  readonly accounts: Accounts;
  /** Whose web pages may send events. */
  readonly origins: Origins;
  /** Undefined for a request that is not traced. */
  traceOf(request: FastifyRequest): RequestTrace | undefined;
  /** @throws MillraceError LOG_UNAVAILABLE while the log is not open */
  intake(): Intake;
  /** Declares that callers of a route need this role. */
  allow(role: Role): (request: FastifyRequest) => Promise<void>;
  /** Refuses a request when the application is too far behind. */
  checkBacklog(): Promise<void>;
  /** Records why a request is refused, when the route itself makes the answer. */
  refuse(request: FastifyRequest, why: Refusal): void;
}

/** OWASP ASVS 5: 3.2 (content), 3.4 (security headers), 14.3.2 (no caching). */
export const securityHeaders = {
  'cache-control': 'no-store',
  'content-security-policy': "default-src 'none'; frame-ancestors 'none'",
  'cross-origin-resource-policy': 'same-origin',
  'referrer-policy': 'no-referrer',
  'x-content-type-options': 'nosniff',
};
