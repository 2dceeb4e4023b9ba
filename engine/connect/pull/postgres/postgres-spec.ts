/** `kind: postgres`: the rows of a table, by a column that rises with each change. */

import type { CommonSpec } from '../common-spec.ts';
import { type SecretSpec, secret } from '../secrets.ts';
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
  text,
  whole,
} from '../spec-check.ts';

export interface ConnectionSpec {
  /** postgres://user:password@host:port/database, instead of the single fields. */
  readonly url?: SecretSpec;
  readonly host?: string;
  readonly port?: number;
  readonly database?: string;
  readonly user?: string;
  readonly password?: SecretSpec;
  /**
   * 'require': TLS without checking the certificate; 'verify': TLS with the check; default 'off'.
   */
  readonly ssl?: 'off' | 'require' | 'verify';
}

export interface PostgresSpec extends CommonSpec {
  readonly kind: 'postgres';
  readonly connection: ConnectionSpec;
  /** Default public. */
  readonly schema?: string;
  readonly table: string;
  /** Columns that identify a row. */
  readonly keys: string | readonly string[];
  /** Column that increases whenever a row changes: a time or a whole number. */
  readonly updated?: string;
  /** The table was written by Fivetran: `updated` is _fivetran_synced. */
  readonly fivetran?: boolean;
  /** How far before the newest row each run starts, seconds; default 60. */
  readonly overlapSeconds?: number;
  /** The same if `updated` is a number; default 1000. */
  readonly overlapNumber?: number;
  /** Rows per page; default 1000. */
  readonly pageRows?: number;
  /** Timeout of a statement, seconds; default 60. */
  readonly timeoutSeconds?: number;
}

/** The server is given by fields or by an address. */
const place: Check = (value, path, tell) => {
  if (!isPlain(value)) return;
  const { url, ...others } = value as ConnectionSpec;
  const { ssl: _, ...parts } = others;
  if (url !== undefined) {
    for (const name of Object.keys(parts)) tell(`${path}.${name}`, "is in place of 'url'");
    return;
  }
  for (const name of ['host', 'database', 'user'] as const) {
    if (parts[name] === undefined) tell(`${path}.${name}`, "is missing, and there is no 'url'");
  }
};

export const postgresFields: Fields = {
  connection: all(
    fields({
      url: maybe(secret),
      host: maybe(text),
      port: maybe(whole(1, 65_535)),
      database: maybe(text),
      user: maybe(text),
      password: maybe(secret),
      ssl: maybe(oneOf('off', 'require', 'verify')),
    }),
    place,
  ),
  schema: maybe(text),
  table: text,
  keys: oneOrList(text),
  updated: maybe(text),
  fivetran: maybe(flag),
  overlapSeconds: maybe(numberFrom(0, 31_536_000)),
  overlapNumber: maybe(whole(0, Number.MAX_SAFE_INTEGER)),
  pageRows: maybe(whole(1, 100_000)),
  timeoutSeconds: maybe(numberFrom(0.01, 86_400)),
};

export const postgresRules: Check = (value, path, tell) => {
  const { updated, fivetran } = value as PostgresSpec;
  if (updated !== undefined && fivetran === true) {
    tell(`${path}.updated`, "is _fivetran_synced by 'fivetran'");
  }
  if (updated === undefined && fivetran !== true) {
    tell(`${path}.updated`, "is missing: a column that rises with each change, or 'fivetran'");
  }
};
