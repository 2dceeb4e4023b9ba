/** What a dead letter keeps of a row, so that a replay can put it through its mapping again. */
import type { Headers } from '../record/headers.ts';

export interface RefusedRow {
  /**
   * The name or path of its mapping; undefined: it is mapped by named fields, and cannot be
   * replayed.
   */
  readonly mapping: string | undefined;
  /** That its records would be written to. */
  readonly topic: string;
  /** As it was read; undefined of what is no row. */
  readonly fields: Readonly<Record<string, unknown>> | undefined;
  /** The value of the letter. */
  readonly raw: string;
}

/** `row` is left out where the value says the same. */
export function rowHeaders({ mapping, topic, fields, raw }: RefusedRow): Headers {
  if (mapping === undefined) return {};
  const row = fields === undefined ? raw : JSON.stringify(fields);
  return { mapping, to: topic, ...(row === raw ? {} : { row }) };
}
