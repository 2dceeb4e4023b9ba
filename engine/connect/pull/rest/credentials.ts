/**
 * The authorisation headers of a request. Tokens of OAuth 2.0 are kept until shortly before they
 * expire.
 */
import {
  type AuthorizationServer,
  allowInsecureRequests,
  type Client,
  type ClientAuth,
  ClientSecretBasic,
  ClientSecretPost,
  clientCredentialsGrantRequest,
  discoveryRequest,
  None,
  processClientCredentialsResponse,
  processDiscoveryResponse,
  processRefreshTokenResponse,
  ResponseBodyError,
  refreshTokenGrantRequest,
  type TokenEndpointResponse,
} from 'oauth4webapi';
import type { Clock } from '../../../base/clock.ts';
import { isMillraceError, messageOf } from '../../../base/errors.ts';
import { retryAfterMs } from '../back-off.ts';
import { refused, unavailable } from '../puller.ts';
import { readSecret, type SecretSpec, type Secrets } from '../secrets.ts';
import type { AuthSpec, ClientCredentialsSpec, RefreshTokenSpec } from './rest-spec.ts';

type Headers = Readonly<Record<string, string>>;

export interface Credentials {
  headers(signal: AbortSignal): Promise<Headers>;
  /** The server has answered 401. Returns true if other credentials may help. */
  refused(): boolean;
}

export interface CredentialsOptions {
  readonly source: string;
  readonly auth: AuthSpec | undefined;
  readonly secrets: Secrets;
  readonly clock: Clock;
  warn(text: string): void;
}

/**
 * A token is replaced this long before it expires, ms; a short-lived one, a tenth of its life
 * before.
 */
const earlyMs = 30_000;
const tokenTimeoutMs = 30_000;

export function credentials(options: CredentialsOptions): Credentials {
  const { auth, source, secrets } = options;
  if (auth === undefined) return { headers: async () => ({}), refused: () => false };
  const read = async (spec: SecretSpec, field: string) =>
    (await readSecret(spec, `sources.${source}.auth.${field}`, secrets)).reveal();
  switch (auth.type) {
    case 'bearer':
      return kept(async () => ({ authorization: `Bearer ${await read(auth.token, 'token')}` }));
    case 'basic':
      return kept(async () => {
        const both = `${auth.user}:${await read(auth.password, 'password')}`;
        return { authorization: `Basic ${Buffer.from(both).toString('base64')}` };
      });
    case 'api-key':
      return kept(async () => ({ [auth.header]: await read(auth.value, 'value') }));
    default:
      return new Tokens(options, auth, read);
  }
}

/** A secret may have been changed in its file: it is read again once when it is refused. */
function kept(make: () => Promise<Headers>): Credentials {
  let known: Headers | undefined;
  return {
    headers: async () => {
      known ??= await make();
      return known;
    },
    refused: () => {
      const had = known !== undefined;
      known = undefined;
      return had;
    },
  };
}

class Tokens implements Credentials {
  readonly #options: CredentialsOptions;
  readonly #auth: ClientCredentialsSpec | RefreshTokenSpec;
  readonly #read: (spec: SecretSpec, field: string) => Promise<string>;
  #server: AuthorizationServer | undefined;
  #token: { readonly value: string; readonly until: number } | undefined;
  /** The latest token of the issuer. */
  #refreshToken: string | undefined;

  constructor(
    options: CredentialsOptions,
    auth: ClientCredentialsSpec | RefreshTokenSpec,
    read: (spec: SecretSpec, field: string) => Promise<string>,
  ) {
    this.#options = options;
    this.#auth = auth;
    this.#read = read;
  }

  async headers(signal: AbortSignal): Promise<Headers> {
    const now = this.#options.clock.monotonic();
    if (this.#token === undefined || now >= this.#token.until)
      this.#token = await this.#ask(signal);
    return { authorization: `Bearer ${this.#token.value}` };
  }

  refused(): boolean {
    const had = this.#token !== undefined;
    this.#token = undefined;
    return had;
  }

  async #ask(signal: AbortSignal) {
    const asked = this.#options.clock.monotonic();
    const { source } = this.#options;
    let answer: TokenEndpointResponse;
    try {
      const within = AbortSignal.any([signal, AbortSignal.timeout(tokenTimeoutMs)]);
      answer = await this.#grant(within);
    } catch (error) {
      if (isMillraceError(error)) throw error;
      if (error instanceof ResponseBodyError) {
        const told = error.error_description === undefined ? '' : `: ${error.error_description}`;
        throw refused(source, `the token endpoint answers ${error.error}${told}`);
      }
      throw unavailable(source, `the token endpoint gives no token: ${causeOf(error)}`);
    }
    const lifeMs = (answer.expires_in ?? Number.POSITIVE_INFINITY) * 1_000;
    const until = asked + lifeMs - Math.min(earlyMs, lifeMs / 10);
    return { value: answer.access_token, until: Number.isNaN(until) ? asked : until };
  }

  async #grant(signal: AbortSignal): Promise<TokenEndpointResponse> {
    const auth = this.#auth;
    const client: Client = { client_id: auth.clientId };
    const server = await this.#serverOf(signal);
    // The configuration check has already refused unintended plain http.
    const options = { signal, [allowInsecureRequests]: true };
    const { scope } = auth;
    const more: Record<string, string> = scope === undefined ? {} : { scope };
    if (auth.type === 'client-credentials') {
      if (auth.audience !== undefined) more['audience'] = auth.audience;
      const by = await this.#clientAuth(auth.clientSecret);
      const answer = await clientCredentialsGrantRequest(server, client, by, more, options);
      return processClientCredentialsResponse(server, client, await this.#usable(answer));
    }
    const by = await this.#clientAuth(auth.clientSecret);
    const token = this.#refreshToken ?? (await this.#read(auth.refreshToken, 'refreshToken'));
    const answer = await refreshTokenGrantRequest(server, client, by, token, {
      ...options,
      additionalParameters: more,
    });
    const told = await processRefreshTokenResponse(server, client, await this.#usable(answer));
    if (told.refresh_token !== undefined && told.refresh_token !== token) {
      await this.#keep(auth.refreshToken, told.refresh_token);
    }
    return told;
  }

  /** The new refresh token; the previous one may be invalid. */
  async #keep(spec: SecretSpec, token: string): Promise<void> {
    const { source, secrets, warn } = this.#options;
    this.#refreshToken = token;
    if ('file' in spec) await secrets.writeFile(spec.file, token);
    else {
      warn(
        `source ${source}: the issuer has changed the refresh token, which is in an environment variable: the next start will not have it; keep it in a file`,
      );
    }
  }

  async #clientAuth(spec: SecretSpec | undefined): Promise<ClientAuth> {
    if (spec === undefined) return None();
    const secret = await this.#read(spec, 'clientSecret');
    return this.#auth.send === 'post' ? ClientSecretPost(secret) : ClientSecretBasic(secret);
  }

  async #serverOf(signal: AbortSignal): Promise<AuthorizationServer> {
    const { issuer, tokenUrl } = this.#auth;
    if (tokenUrl !== undefined)
      return { issuer: new URL(tokenUrl).origin, token_endpoint: tokenUrl };
    if (this.#server !== undefined) return this.#server;
    const url = new URL(issuer as string);
    const options = { signal, [allowInsecureRequests]: true };
    const answer = await this.#usable(await discoveryRequest(url, options));
    this.#server = await processDiscoveryResponse(url, answer);
    return this.#server;
  }

  /**
   * Throws SOURCE_UNAVAILABLE if the issuer may respond differently later; drops the id token,
   * which is not used.
   */
  async #usable(answer: Response): Promise<Response> {
    const { source, clock } = this.#options;
    const { status, headers } = answer;
    if (status === 429 || status >= 500) {
      const wait = retryAfterMs(headers.get('retry-after'), clock.now());
      throw unavailable(source, `the issuer answers ${status}`, wait);
    }
    const text = await answer.text();
    let value: unknown;
    try {
      value = JSON.parse(text);
    } catch {
      return new Response(text, { status, headers });
    }
    if (typeof value === 'object' && value !== null && 'id_token' in value) delete value.id_token;
    return new Response(JSON.stringify(value), { status, headers });
  }
}

/** The cause of a failed fetch; its own message contains no reason. */
export function causeOf(error: unknown): string {
  const { cause } = (error ?? {}) as { cause?: unknown };
  return cause === undefined ? messageOf(error) : `${messageOf(error)} (${messageOf(cause)})`;
}
