/**
 * Reads an external source page by page. A puller only reads; scheduling, mapping and retries are
 * the same for all kinds: pull-source.ts.
 */
import { MillraceError } from '../../base/errors.ts';
import type { Mapped } from '../file-options.ts';
import { isPlain } from './spec-check.ts';

export interface PulledRow {
  /** Undefined if it is not a row; `problem` gives the reason. */
  readonly fields: Readonly<Record<string, unknown>> | undefined;
  readonly problem?: string;
  /** It is skipped, and counted by this reason. */
  readonly skip?: string;
  /** Its text in a dead letter. */
  readonly raw: string;
  /** Identifies it among all rows of the source; the id of the event if the mapping names none. */
  readonly id: string;
  /** Its origin and position, for dead letters. */
  readonly from: string;
  readonly offset: string;
}

export interface Page {
  readonly rows: readonly PulledRow[];
  /** A JSON value: `run` continues after this page. */
  readonly position: unknown;
  readonly bytes: number;
}

export interface Puller {
  /**
   * Reads the available rows from a position on; undefined: from the start. It may be called again
   * with the position of any page, also after an error.
   * @throws SOURCE_UNAVAILABLE where trying again may help, SOURCE_REFUSED where it does not
   */
  run(position: unknown, signal: AbortSignal): AsyncGenerator<Page>;
  close(): Promise<void>;
}

/** @param retryAfterMs how long the other side asks to wait */
export function unavailable(source: string, problem: string, retryAfterMs?: number): MillraceError {
  const wait = retryAfterMs === undefined ? {} : { retryAfterMs };
  return new MillraceError('SOURCE_UNAVAILABLE', { source, problem, ...wait });
}

export function refused(source: string, problem: string): MillraceError {
  return new MillraceError('SOURCE_REFUSED', { source, problem });
}

/** A row of a JSON value. */
export function rowOf(value: unknown): Pick<PulledRow, 'fields' | 'problem'> {
  if (isPlain(value)) return { fields: value };
  return { fields: undefined, problem: 'it is not a JSON object' };
}

/** The records of a row by a mapping. */
export function mappedOf<K, V>(
  { map }: { map(fields: Readonly<Record<string, unknown>>, id: string): Mapped<K, V> },
  { fields, problem, skip, id }: PulledRow,
): Mapped<K, V> {
  if (skip !== undefined) return { skip };
  if (fields === undefined) return { reject: problem ?? 'it is not a row' };
  return map(fields, id);
}
