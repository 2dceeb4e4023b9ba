/** Helpers of laws and tests to write and read records. */
import type { Append } from '../log/log.ts';
import { BatchBuilder, type PackedBatch } from '../record/batch.ts';

/** Key and value as UTF-8 text; the timestamp is ms UTC, default 0. */
export type Row = readonly [key: string | null, value: string | null, timestamp?: number];

/** Records for one partition. */
export function append(topic: string, partition: number, rows: readonly Row[]): Append {
  const builder = new BatchBuilder();
  for (const [key, value, timestamp = 0] of rows) {
    const bytes = (text: string | null) => (text === null ? null : Buffer.from(text));
    builder.append(bytes(key), bytes(value), timestamp);
  }
  return { topic, partition, batch: builder.finishAt(0) };
}

/** `offset:key=value` of each record. */
export function rowsOf(batch: PackedBatch | undefined): string[] {
  return keyedRows(batch).map((row, i) => `${batch?.offsets[i]}:${row}`);
}

/** `key=value` of each record, for logs whose offsets have gaps. */
export function keyedRows(batch: PackedBatch | undefined): string[] {
  if (batch === undefined) return [];
  const text = (bytes: Buffer | null) => bytes?.toString() ?? null;
  return Array.from(
    { length: batch.count },
    (_, i) => `${text(batch.key(i))}=${text(batch.value(i))}`,
  );
}
