/**
 * Reads the rows of a table in the order of a column that increases with each change. A run starts
 * at the newest value of earlier runs minus the overlap, because a transaction may commit an older
 * value late; known rows are skipped. Within a run, a page starts after the last row of the
 * previous page.
 */
import type { Client, QueryResult } from 'pg';
import { isMillraceError, messageOf } from '../../../base/errors.ts';
import { optionalPackage } from '../../../base/optional-package.ts';
import { type Page, type PulledRow, type Puller, refused, unavailable } from '../puller.ts';
import { readSecret, type Secrets } from '../secrets.ts';
import { hashOf, Seen, type SeenImage } from '../seen.ts';
import {
  atName,
  describeTable,
  keyName,
  reachedName,
  type Table,
  updatedOf,
} from './page-statements.ts';
import type { PostgresSpec } from './postgres-spec.ts';
import { faithfulTypes } from './values.ts';

export interface PostgresOptions {
  readonly name: string;
  readonly spec: PostgresSpec;
  readonly secrets: Secrets;
  warn(text: string): void;
}

interface TablePosition {
  /** The greatest value of `updated` in complete runs, as PostgreSQL writes it. */
  readonly newest?: string;
  /** A run that is not whole. */
  readonly run?: {
    readonly since?: string;
    readonly newest?: string;
    /** `updated` and keys of the last row. */
    readonly last: readonly string[];
  };
  readonly seen?: SeenImage;
}

type DatabaseRow = Readonly<Record<string, unknown>>;

/** Number of rows remembered besides those of the overlap. */
const recentRows = 2_000;
const connectTimeoutMs = 10_000;

export class PostgresPuller implements Puller {
  readonly #options: PostgresOptions;
  #warned = false;

  constructor(options: PostgresOptions) {
    this.#options = options;
  }

  async *run(given: unknown, signal: AbortSignal): AsyncGenerator<Page> {
    const client = await this.#connect();
    // The next statement detects a connection that broke meanwhile.
    client.on('error', () => {});
    const stop = () => void client.end().catch(() => {});
    signal.addEventListener('abort', stop);
    try {
      yield* this.#pages(client, (given ?? {}) as TablePosition, signal);
    } catch (error) {
      throw this.#failure(error);
    } finally {
      signal.removeEventListener('abort', stop);
      await client.end().catch(() => {});
    }
  }

  async close(): Promise<void> {}

  async *#pages(
    client: Client,
    position: TablePosition,
    signal: AbortSignal,
  ): AsyncGenerator<Page> {
    const { spec, name } = this.#options;
    const table = await describeTable(client, name, spec);
    await this.#warnOfUnread(client, table);
    const { newest: before, run } = position;
    const seen = new Seen(position.seen);
    const since = run === undefined ? before : run.since;
    let newest = run?.newest ?? before;
    let last = run?.last;
    const most = spec.pageRows ?? 1_000;
    while (!signal.aborted) {
      const none = [undefined, ...table.keys].map(() => null);
      const { rows: found } = await this.#read(client, table.page, [
        since ?? null,
        ...(last ?? none),
      ]);
      const rows = found.map((row) => this.#pulled(row, table, seen));
      const bytes = rows.reduce((sum, { raw }) => sum + raw.length, 0);
      const end = found.at(-1);
      if (end !== undefined) {
        // Rows are ordered, so the last one has the greatest value.
        newest = String(end[reachedName]);
        last = [String(end[atName]), ...table.keys.map((_, i) => String(end[keyName(i)]))];
      }
      seen.forget(this.#keptFrom(newest, table), recentRows);
      const reached = { ...(newest === undefined ? {} : { newest }), seen: seen.image() };
      if (found.length < most || last === undefined) {
        yield { rows, bytes, position: reached };
        return;
      }
      const told = {
        ...(since === undefined ? {} : { since }),
        ...(newest === undefined ? {} : { newest }),
      };
      const whole = before === undefined ? {} : { newest: before };
      yield { rows, bytes, position: { ...whole, run: { ...told, last }, seen: reached.seen } };
    }
  }

  /** Runs in one read-only transaction with times in UTC. */
  async #read(client: Client, text: string, values: unknown[]): Promise<QueryResult<DatabaseRow>> {
    const { timeoutSeconds = 60 } = this.#options.spec;
    await client.query('begin read only');
    await client.query("set local timezone = 'UTC'");
    await client.query("set local datestyle = 'ISO'");
    await client.query(`set local statement_timeout = ${Math.ceil(timeoutSeconds * 1_000)}`);
    const result = await client.query<DatabaseRow>({ text, values, types: faithfulTypes });
    await client.query('commit');
    return result;
  }

  #pulled(row: DatabaseRow, { keys, isTime }: Table, seen: Seen): PulledRow {
    const { name, spec } = this.#options;
    const at = String(row[atName]);
    const key = keys.map((_, i) => row[keyName(i)]);
    const identity = JSON.stringify([...key, at]);
    const own = Object.entries(row).filter(([column]) => !column.startsWith('__millrace_'));
    const fields = Object.fromEntries(own);
    const isNew = seen.add(identity, placeOf(at, isTime));
    return {
      fields,
      ...(isNew ? {} : { skip: 'seen before' }),
      raw: JSON.stringify(fields),
      id: `${name}:${hashOf(identity)}`,
      from: `postgres:${spec.schema ?? 'public'}.${spec.table}`,
      offset: key.join('/'),
    };
  }

  #keptFrom(newest: string | undefined, { isTime }: Table): number {
    if (newest === undefined) return Number.NEGATIVE_INFINITY;
    const { overlapSeconds = 60, overlapNumber = 1_000 } = this.#options.spec;
    return placeOf(newest, isTime) - (isTime ? overlapSeconds * 1_000 : overlapNumber);
  }

  async #warnOfUnread(client: Client, table: Table): Promise<void> {
    if (this.#warned) return;
    this.#warned = true;
    const { name, spec, warn } = this.#options;
    const { rows } = await this.#read(client, table.unread, []);
    const count = Number(rows[0]?.['count'] ?? 0);
    if (count === 0) return;
    warn(`source ${name}: ${count} rows have no ${updatedOf(spec)}; they are not read`);
  }

  async #connect(): Promise<Client> {
    const { name, spec, secrets } = this.#options;
    const { url, password, ssl = 'off', ...place } = spec.connection;
    const read = async (of: NonNullable<typeof url>, field: string) =>
      (await readSecret(of, `sources.${name}.connection.${field}`, secrets)).reveal();
    const { default: pg } = await optionalPackage(name, 'pg', () => import('pg'));
    const client = new pg.Client({
      ...place,
      ...(url === undefined ? {} : { connectionString: await read(url, 'url') }),
      ...(password === undefined ? {} : { password: await read(password, 'password') }),
      ...(ssl === 'off' ? {} : { ssl: { rejectUnauthorized: ssl === 'verify' } }),
      connectionTimeoutMillis: connectTimeoutMs,
      application_name: 'millrace',
    });
    try {
      await client.connect();
    } catch (error) {
      await client.end().catch(() => {});
      throw this.#failure(error);
    }
    return client;
  }

  #failure(error: unknown): unknown {
    if (isMillraceError(error)) return error;
    const { code = '' } = (error ?? {}) as { code?: string };
    const problem = code === '' ? messageOf(error) : `${messageOf(error)} (${code})`;
    // Classes of SQLSTATE: wrong authorisation, no such database, wrong statement or rights.
    const isRefusal = /^(28|3D|42|22|0A)...$/.test(code);
    return (isRefusal ? refused : unavailable)(this.#options.name, problem);
  }
}

/** A value of `updated` as a number: ms UTC, or the number itself; as exact as overlaps need. */
function placeOf(text: string, isTime: boolean): number {
  const [date, time = '00:00', zone] = text.split(/[ T]|(?<=:\d\d(?:\.\d+)?)(?=[+-])/);
  const told = isTime ? Date.parse(`${date}T${time}${zoneOf(zone)}`) : Number(text);
  return Number.isNaN(told) ? 0 : told;
}

/** Rewrites +00 and +05:30 to forms that JavaScript parses. */
function zoneOf(zone = ''): string {
  return /^[+-]\d\d$/.test(zone) ? `${zone}:00` : zone || 'Z';
}
