/** The row data in a dead letter, from which a replay can map the row again. */
import type { Headers } from '../record/headers.ts';

export interface RefusedRow {
  /**
   * Name or path of its mapping; undefined: it was mapped by named fields and cannot be replayed.
   */
  readonly mapping: string | undefined;
  /** The target topic of its records. */
  readonly topic: string;
  /** The row as it was read; undefined if the text is not a row. */
  readonly fields: Readonly<Record<string, unknown>> | undefined;
  /** The value of the letter. */
  readonly raw: string;
}

/** `row` is omitted if the value contains the same. */
export function rowHeaders({ mapping, topic, fields, raw }: RefusedRow): Headers {
  if (mapping === undefined) return {};
  const row = fields === undefined ? raw : JSON.stringify(fields);
  return { mapping, to: topic, ...(row === raw ? {} : { row }) };
}
