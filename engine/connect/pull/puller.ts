/**
 * What is pulled from outside, page by page. A puller knows how to read; when it reads, what its
 * rows become and how failures are answered is the same for all: pull-source.ts.
 */
import { MillraceError } from '../../base/errors.ts';
import type { Mapped } from '../file-options.ts';
import { isPlain } from './spec-check.ts';

export interface PulledRow {
  /** Undefined when it is not a row; `problem` says why. */
  readonly fields: Readonly<Record<string, unknown>> | undefined;
  readonly problem?: string;
  /** It is not wanted; counted by this reason. */
  readonly skip?: string;
  /** What a dead letter of it holds. */
  readonly raw: string;
  /** Tells it from every other row of the source; of the event where the mapping names no id. */
  readonly id: string;
  /** Where it comes from and its place there, for dead letters. */
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
   * Reads what is there now, from a position on; undefined: from the start. It may be called again
   * with the position of any page, after an error as well.
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

/** What a row becomes by a mapping. */
export function mappedOf<K, V>(
  { map }: { map(fields: Readonly<Record<string, unknown>>, id: string): Mapped<K, V> },
  { fields, problem, skip, id }: PulledRow,
): Mapped<K, V> {
  if (skip !== undefined) return { skip };
  if (fields === undefined) return { reject: problem ?? 'it is not a row' };
  return map(fields, id);
}
