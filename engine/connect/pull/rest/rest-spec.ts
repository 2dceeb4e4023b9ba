/** `kind: rest`: rows of an HTTP interface with JSON responses. */

import { address, type CommonSpec, instant, seconds, type ValueSpec } from '../common-spec.ts';
import { type InstantForm, instantForms } from '../instants.ts';
import { type SecretSpec, secret, textOrSecret } from '../secrets.ts';
import {
  all,
  type Check,
  type Fields,
  fields,
  flag,
  isPlain,
  maybe,
  numberFrom,
  oneOf,
  oneOrList,
  record,
  text,
  variants,
  whole,
} from '../spec-check.ts';

interface TokenSpec {
  /** Its metadata names the token endpoint; or `tokenUrl` does. */
  readonly issuer?: string;
  readonly tokenUrl?: string;
  readonly clientId: string;
  /** How the client sends its secret; default basic. */
  readonly send?: 'basic' | 'post';
  readonly scope?: string;
}

export interface ClientCredentialsSpec extends TokenSpec {
  readonly type: 'client-credentials';
  readonly clientSecret: SecretSpec;
  readonly audience?: string;
}

export interface RefreshTokenSpec extends TokenSpec {
  readonly type: 'refresh-token';
  readonly clientSecret?: SecretSpec;
  /** The file is rewritten when the issuer returns another token. */
  readonly refreshToken: SecretSpec;
}

export type AuthSpec =
  | ClientCredentialsSpec
  | RefreshTokenSpec
  | { readonly type: 'bearer'; readonly token: SecretSpec }
  | { readonly type: 'basic'; readonly user: string; readonly password: SecretSpec }
  | { readonly type: 'api-key'; readonly header: string; readonly value: SecretSpec };

export type PagingSpec =
  /** The answer contains the token of the next page at `from`; it is sent as `parameter`. */
  | { readonly type: 'cursor'; readonly from: string; readonly parameter: string }
  /** The answer holds the address of the next page at `from`. */
  | { readonly type: 'url'; readonly from: string }
  | {
      readonly type: 'page';
      readonly parameter: string;
      readonly first?: number;
      readonly sizeParameter?: string;
      readonly size?: number;
    }
  | {
      readonly type: 'offset';
      readonly parameter: string;
      readonly limitParameter: string;
      readonly limit: number;
    }
  /** RFC 8288: `Link: <...>; rel="next"`. */
  | { readonly type: 'link' };

export interface IncrementalSpec {
  /** Field with the time of the last change of a row. */
  readonly field: string;
  /** Format of the field and the parameter; default iso. */
  readonly format?: InstantForm;
  /** The parameter for the start instant of the requested rows. */
  readonly parameter: string;
  /** How much earlier than the newest row a request starts, seconds; default 300. */
  readonly overlapSeconds?: number;
  /** Where the first run starts, ISO 8601; default: without the parameter. */
  readonly start?: string;
}

export interface RestSpec extends CommonSpec {
  readonly kind: 'rest';
  readonly url: string;
  readonly headers?: Readonly<Record<string, ValueSpec>>;
  readonly query?: Readonly<Record<string, ValueSpec>>;
  readonly auth?: AuthSpec;
  /** Path of the list of rows in an answer; default: the answer. */
  readonly rows?: string;
  /** Fields that identify rows, besides the field of `incremental`; default: the whole row. */
  readonly id?: string | readonly string[];
  readonly paging?: PagingSpec;
  readonly incremental?: IncrementalSpec;
  readonly limits?: {
    readonly requestsPerMinute?: number;
    /** Limit of an answer after decompression; default 64 MiB. */
    readonly bodyBytes?: number;
  };
  /** Timeout of a request, seconds; default 60. */
  readonly timeoutSeconds?: number;
  /** Allows plain http to other machines. */
  readonly insecure?: boolean;
}

const token: Fields = {
  issuer: maybe(address),
  tokenUrl: maybe(address),
  clientId: text,
  send: maybe(oneOf('basic', 'post')),
  scope: maybe(text),
};

/** Exactly one of `issuer` and `tokenUrl`. */
const tokenPlace: Check = (value, path, tell) => {
  if (!isPlain(value)) return;
  if (value['type'] !== 'client-credentials' && value['type'] !== 'refresh-token') return;
  const named = [value['issuer'], value['tokenUrl']].filter((one) => one !== undefined);
  if (named.length !== 1) tell(path, "needs one of 'issuer' and 'tokenUrl'");
};

const auth = all(
  variants('type', {
    'client-credentials': { ...token, clientSecret: secret, audience: maybe(text) },
    'refresh-token': { ...token, clientSecret: maybe(secret), refreshToken: secret },
    bearer: { token: secret },
    basic: { user: text, password: secret },
    'api-key': { header: text, value: secret },
  }),
  tokenPlace,
);

const paging = variants('type', {
  cursor: { from: text, parameter: text },
  url: { from: text },
  page: {
    parameter: text,
    first: maybe(whole(0, 1_000_000)),
    sizeParameter: maybe(text),
    size: maybe(whole(1, 1_000_000)),
  },
  offset: { parameter: text, limitParameter: text, limit: whole(1, 1_000_000) },
  link: {},
});

export const restFields: Fields = {
  url: address,
  headers: maybe(record(textOrSecret)),
  query: maybe(record(textOrSecret)),
  auth: maybe(auth),
  rows: maybe(text),
  id: maybe(oneOrList(text)),
  paging: maybe(paging),
  incremental: maybe(
    fields({
      field: text,
      format: maybe(oneOf(...instantForms)),
      parameter: text,
      overlapSeconds: maybe(numberFrom(0, 31_536_000)),
      start: maybe(instant),
    }),
  ),
  limits: maybe(
    fields({
      requestsPerMinute: maybe(numberFrom(0.01, 1_000_000)),
      bodyBytes: maybe(whole(1, 2 ** 30)),
    }),
  ),
  timeoutSeconds: maybe(seconds),
  insecure: maybe(flag),
};

const loopback = ['127.0.0.1', 'localhost', '[::1]'];

/** Credentials require TLS, except to this machine. */
export const restRules: Check = (value, path, tell) => {
  const spec = value as RestSpec;
  if (spec.insecure === true) return;
  const { issuer, tokenUrl } = (spec.auth ?? {}) as Partial<TokenSpec>;
  const addresses = { url: spec.url, 'auth.issuer': issuer, 'auth.tokenUrl': tokenUrl };
  for (const [field, one] of Object.entries(addresses)) {
    if (typeof one !== 'string' || !URL.canParse(one)) continue;
    const { protocol, hostname } = new URL(one);
    if (protocol !== 'http:' || loopback.includes(hostname)) continue;
    tell(`${path}.${field}`, 'must begin with https:, or "insecure": true says that it is meant');
  }
};
