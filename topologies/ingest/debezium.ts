/**
 * Change events of Debezium as rows: the row after the change, or before a deletion, and the facts
 * of the envelope under the names that Debezium's own unwrapping gives them.
 */

import { dayMs } from '../time-units.ts';
import { isObject, type Row } from './row-fields.ts';

/**
 * The rows of a change event; none for a tombstone. A value without an envelope is a row already.
 *
 *   { op: 'd', before: { id: 7 }, after: null, source: { table: 'orders', ts_ms: 5 } }
 *   -> { id: 7, __op: 'd', __deleted: true, __table: 'orders', __source_ts_ms: 5, __before: { id: 7 } }
 */
export function unwrapped(value: unknown): unknown[] {
  if (value === null) return [];
  if (!isObject(value)) return [value];
  const wrapped = isObject(value['payload']) && 'schema' in value;
  if ('schema' in value && value['payload'] === null) return [];
  const envelope = (wrapped ? value['payload'] : value) as Row;
  const op = envelope['op'];
  if (typeof op !== 'string' || !('before' in envelope || 'after' in envelope || op === 't')) {
    return [value];
  }
  const schema = wrapped ? value['schema'] : undefined;
  const before = rowOf(envelope['before'], fieldOf(schema, 'before'));
  const after = rowOf(envelope['after'], fieldOf(schema, 'after'));
  const isDeleted = op === 'd';
  const source = isObject(envelope['source']) ? envelope['source'] : {};
  const told: Record<string, unknown> = { __op: op, __deleted: isDeleted };
  for (const name of ['db', 'schema', 'table', 'ts_ms', 'lsn', 'pos', 'txId'] as const) {
    if (source[name] === undefined || source[name] === null) continue;
    told[name === 'ts_ms' ? '__source_ts_ms' : `__${name}`] = source[name];
  }
  if (envelope['ts_ms'] !== undefined) told['__ts_ms'] = envelope['ts_ms'];
  if (before !== undefined) told['__before'] = before;
  return [{ ...(isDeleted ? before : after), ...told }];
}

function rowOf(value: unknown, schema: Row | undefined): Row | undefined {
  if (!isObject(value)) return undefined;
  const fields = schema?.['fields'];
  if (!Array.isArray(fields)) return value;
  const row: Record<string, unknown> = { ...value };
  for (const field of fields) {
    if (!isObject(field)) continue;
    const name = String(field['field']);
    if (Object.hasOwn(row, name)) row[name] = readable(row[name], field);
  }
  return row;
}

function fieldOf(schema: unknown, name: string): Row | undefined {
  const fields = isObject(schema) ? schema['fields'] : undefined;
  if (!Array.isArray(fields)) return undefined;
  return fields.find((field): field is Row => isObject(field) && field['field'] === name);
}

/** Converts values whose form only the schema tells: days, microseconds, decimals as bytes. */
function readable(value: unknown, { name, parameters }: Row): unknown {
  switch (name) {
    case 'io.debezium.time.Date':
    case 'org.apache.kafka.connect.data.Date':
      return typeof value === 'number' ? iso(value * dayMs).slice(0, 10) : value;
    case 'io.debezium.time.Timestamp':
    case 'org.apache.kafka.connect.data.Timestamp':
      return typeof value === 'number' ? iso(value) : value;
    case 'io.debezium.time.MicroTimestamp':
      return fraction(value, 6);
    case 'io.debezium.time.NanoTimestamp':
      return fraction(value, 9);
    case 'org.apache.kafka.connect.data.Decimal': {
      const scale = isObject(parameters) ? Number(parameters['scale'] ?? 0) : 0;
      return typeof value === 'string' ? decimal(value, scale) : value;
    }
    default:
      return value;
  }
}

function iso(ms: number): string {
  return new Date(ms).toISOString();
}

/** Time in fractions of a second with all digits: numbers beyond 2^53 are text. */
function fraction(value: unknown, digits: number): unknown {
  const isWhole =
    typeof value === 'number' ? Number.isSafeInteger(value) : /^-?\d+$/.test(String(value));
  if (!isWhole) return value;
  const parts = BigInt(String(value));
  const unit = 10n ** BigInt(digits);
  const rest = ((parts % unit) + unit) % unit;
  const seconds = (parts - rest) / unit;
  return `${iso(Number(seconds) * 1_000).slice(0, 19)}.${String(rest).padStart(digits, '0')}Z`;
}

/** A two's complement number in base64, with the last `scale` digits behind the point. */
function decimal(base64: string, scale: number): string {
  const bytes = Buffer.from(base64, 'base64');
  if (bytes.byteLength === 0) return base64;
  const unscaled = BigInt.asIntN(bytes.byteLength * 8, BigInt(`0x${bytes.toString('hex')}`));
  const digits = String(unscaled < 0n ? -unscaled : unscaled).padStart(scale + 1, '0');
  const sign = unscaled < 0n ? '-' : '';
  if (scale === 0) return sign + digits;
  return `${sign}${digits.slice(0, -scale)}.${digits.slice(-scale)}`;
}
