/**
 * Access control. A client is identified by a write key (as Basic user name, or as bearer) or by a
 * bearer token of OAuth 2.0. Without accounts, only the loopback interface is served, and only
 * under its own names, so that no web page can reach it through another name (DNS rebinding).
 */
import { createHash, timingSafeEqual } from 'node:crypto';
import { createRemoteJWKSet, errors, type JWTVerifyGetKey, jwtVerify } from 'jose';
import type { GatewayConfig, OAuthConfig, Role, WriteKey } from './gateway-config.ts';
import { loopbackHosts } from './loopback.ts';
import type { Origins } from './origins.ts';

export interface Caller {
  /** For logs: the name of the key, or the token's subject. */
  readonly name: string;
  readonly roles: readonly Role[];
}

export const refusedReasons = [
  'credentials_missing',
  'credentials_unknown',
  'token_expired',
  'token_refused',
  'role',
  'host',
  'origin',
] as const;
export type RefusedReason = (typeof refusedReasons)[number];

/** A refused request: 401 when the caller is not identified, 403 when the caller lacks the role. */
export class Refused extends Error {
  readonly status: 401 | 403;
  readonly reason: RefusedReason;

  constructor(status: 401 | 403, reason: RefusedReason, message: string) {
    super(message);
    this.status = status;
    this.reason = reason;
  }
}

export interface RequestParts {
  readonly method: string;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
}

/** Roles that include others. */
const included: Readonly<Record<Role, readonly Role[]>> = {
  admin: ['admin', 'operate', 'read', 'ingest'],
  operate: ['operate', 'read'],
  read: ['read'],
  ingest: ['ingest'],
};

export class Accounts {
  readonly #writeKeys: readonly (WriteKey & { readonly digest: Buffer })[];
  readonly #oauth: OAuthConfig | undefined;
  readonly #keys: JWTVerifyGetKey | undefined;
  readonly #hosts: ReadonlySet<string>;
  /** False: every caller on the loopback interface may do everything. */
  readonly closed: boolean;

  constructor({ accounts, hosts = [] }: GatewayConfig) {
    this.closed = accounts !== undefined;
    this.#writeKeys = (accounts?.writeKeys ?? []).map((key) => ({
      ...key,
      digest: Buffer.from(key.sha256, 'hex'),
    }));
    this.#oauth = accounts?.oauth;
    // jose fetches the keys again when a token names an unknown one, so keys may rotate.
    this.#keys =
      this.#oauth && createRemoteJWKSet(new URL(this.#oauth.jwksUri), { cooldownDuration: 1_000 });
    this.#hosts = new Set([...loopbackHosts, ...hosts]);
  }

  /**
   * @param origins whose web pages may send; default none
   * @throws Refused
   */
  async allow(request: RequestParts, role: Role, origins?: Origins): Promise<Caller> {
    this.checkHost(request, origins);
    if (!this.closed) return { name: 'loopback', roles: included.admin };
    return withRole(await this.#caller(request), role);
  }

  /** Checks the write key of a client that sends it elsewhere than in a header. @throws Refused */
  allowKey(key: unknown, role: Role): Caller {
    if (typeof key !== 'string' || key === '') throw missing();
    const caller = this.#byKey(key);
    if (caller === undefined) throw unknownKey();
    return withRole(caller, role);
  }

  /**
   * A request must name one of our hosts. A foreign web page reaches us under another name
   * (rebinding), and a foreign form sends its own Origin (cross-site request).
   * @throws Refused
   */
  checkHost(request: RequestParts, origins?: Origins): void {
    const { method, headers } = request;
    const host = hostName(oneOf(headers['host']) ?? '');
    if (!this.closed && !this.#hosts.has(host)) {
      throw new Refused(403, 'host', 'the Host is not one of this gateway; name it in `hosts`');
    }
    const origin = oneOf(headers['origin']);
    if (origin === undefined || method === 'GET' || method === 'HEAD') return;
    if (origins?.has(request) === true) return;
    const from = URL.canParse(origin) ? new URL(origin).hostname : '';
    if (!this.#hosts.has(from)) {
      throw new Refused(403, 'origin', 'the Origin is not one of this gateway; name it in `hosts`');
    }
  }

  async #caller({ headers }: RequestParts): Promise<Caller> {
    const [scheme = '', credentials = ''] = (oneOf(headers['authorization']) ?? '').split(' ');
    if (credentials === '') throw missing();
    if (scheme.toLowerCase() === 'basic') {
      const [user = ''] = Buffer.from(credentials, 'base64').toString('utf8').split(':');
      const caller = this.#byKey(user);
      if (caller === undefined) throw unknownKey();
      return caller;
    }
    if (scheme.toLowerCase() !== 'bearer')
      throw new Refused(401, 'credentials_unknown', 'use Basic or Bearer');
    return this.#byKey(credentials) ?? (await this.#byToken(credentials));
  }

  #byKey(key: string): Caller | undefined {
    const digest = createHash('sha256').update(key).digest();
    let found: WriteKey | undefined;
    // All keys are compared, so that the duration reveals nothing.
    for (const one of this.#writeKeys) if (timingSafeEqual(one.digest, digest)) found = one;
    if (found === undefined) return undefined;
    const roles = (found.roles ?? ['ingest']).flatMap((role) => included[role]);
    return { name: found.name, roles: [...new Set(roles)] };
  }

  async #byToken(token: string): Promise<Caller> {
    const oauth = this.#oauth;
    if (oauth === undefined || this.#keys === undefined) {
      throw new Refused(401, 'credentials_unknown', 'the key is not known');
    }
    try {
      const { payload } = await jwtVerify(token, this.#keys, {
        issuer: oauth.issuer,
        audience: oauth.audience,
        clockTolerance: oauth.clockToleranceSeconds ?? 30,
        requiredClaims: ['exp'],
        algorithms: ['RS256', 'PS256', 'ES256', 'ES384', 'EdDSA'],
      });
      const scopes = new Set(String(payload['scope'] ?? payload['scp'] ?? '').split(/[ ,]/));
      const granted = (Object.keys(included) as Role[]).filter((role) =>
        scopes.has(oauth.scopes?.[role] ?? `millrace:${role}`),
      );
      const all = granted.flatMap((role) => included[role]);
      return { name: payload.sub ?? 'token', roles: [...new Set(all)] };
    } catch (error) {
      const why = error instanceof errors.JWTExpired ? 'token_expired' : 'token_refused';
      throw new Refused(401, why, tokenProblem(error));
    }
  }
}

function withRole(caller: Caller, role: Role): Caller {
  if (caller.roles.includes(role)) return caller;
  throw new Refused(403, 'role', `needs the role ${role}`);
}

function missing(): Refused {
  return new Refused(401, 'credentials_missing', 'credentials are missing');
}

function unknownKey(): Refused {
  return new Refused(401, 'credentials_unknown', 'the write key is not known');
}

function tokenProblem(error: unknown): string {
  if (error instanceof errors.JWTExpired) return 'the token has expired';
  if (error instanceof errors.JWTClaimValidationFailed) {
    return `the token's claim ${error.claim} is not accepted`;
  }
  if (error instanceof errors.JWKSTimeout) return "the issuer's keys cannot be fetched";
  return 'the token is not valid';
}

function oneOf(value: string | string[] | undefined): string | undefined {
  return Array.isArray(value) ? value[0] : value;
}

/** `shop.example:8080` is `shop.example`; `[::1]:80` is `[::1]`. */
function hostName(host: string): string {
  return host.replace(/:\d+$/, '').toLowerCase();
}
