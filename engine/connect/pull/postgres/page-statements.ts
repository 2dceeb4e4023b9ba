/** The statements that read a table page by page, created once its columns are known. */
import type { Client } from 'pg';
import { refused } from '../puller.ts';
import type { PostgresSpec } from './postgres-spec.ts';

/** Names in the result besides the columns. */
export const atName = '__millrace_at';
export const reachedName = '__millrace_reached';
export const keyName = (i: number): string => `__millrace_key_${i}`;

const timeTypes = /^(timestamp|date)/;
const numberTypes = /^(smallint|integer|bigint|numeric)/;

export interface Table {
  readonly isTime: boolean;
  readonly keys: readonly string[];
  /** Counts rows without a value in `updated`, which are never read. */
  readonly unread: string;
  /**
   * One page. Parameters: the newest value of earlier runs or null; then the values of the last
   * row, or null.
   */
  readonly page: string;
}

export const fivetranSynced = '_fivetran_synced';

export const updatedOf = ({ updated, fivetran }: PostgresSpec): string =>
  fivetran === true ? fivetranSynced : (updated ?? '');

/** @throws SOURCE_REFUSED where the table or a column is not there */
export async function describeTable(
  client: Client,
  source: string,
  spec: PostgresSpec,
): Promise<Table> {
  const { schema = 'public', table, overlapSeconds = 60, overlapNumber = 1_000 } = spec;
  const name = `${quoted(schema)}.${quoted(table)}`;
  const found = await client.query<{ name: string; type: string }>(
    `select attname as name, format_type(atttypid, atttypmod) as type from pg_attribute
     where attrelid = to_regclass($1) and attnum > 0 and not attisdropped`,
    [name],
  );
  if (found.rows.length === 0) throw refused(source, `there is no table ${schema}.${table}`);
  const typeOf = new Map(found.rows.map((row) => [row.name, row.type]));
  const updated = updatedOf(spec);
  const keys = [spec.keys].flat();
  const missing = [updated, ...keys].find((column) => !typeOf.has(column));
  if (missing !== undefined) {
    const names = [...typeOf.keys()].join(', ');
    throw refused(source, `${schema}.${table} has no column ${missing}; it has ${names}`);
  }
  const type = typeOf.get(updated) ?? '';
  const isTime = timeTypes.test(type);
  if (!isTime && !numberTypes.test(type)) {
    throw refused(source, `${schema}.${table}.${updated} is ${type}, not a time or a number`);
  }
  const at = quoted(updated);
  const overlap = isTime ? `interval '${overlapSeconds} seconds'` : String(overlapNumber);
  const order = [at, ...keys.map(quoted)];
  const last = [updated, ...keys].map((column, i) => `$${i + 2}::text::${typeOf.get(column)}`);
  // A time in the future would hide all rows after it.
  const reached = isTime ? `least(${at}, now()::${type})` : at;
  const more = keys.map((key, i) => `${quoted(key)}::text as ${keyName(i)}`);
  return {
    isTime,
    keys,
    unread: `select count(*)::int as count from ${name} where ${at} is null`,
    page: `select *, ${at}::text as ${atName}, ${reached}::text as ${reachedName}, ${more.join(', ')}
      from ${name}
      where ($1::text is null or ${at} >= $1::text::${type} - ${overlap})
      and ($2::text is null or (${order.join(', ')}) > (${last.join(', ')}))
      and ${at} is not null
      order by ${order.join(', ')} limit ${spec.pageRows ?? 1_000}`,
  };
}

function quoted(name: string): string {
  return `"${name.replaceAll('"', '""')}"`;
}
