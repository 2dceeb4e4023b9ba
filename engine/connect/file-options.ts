/** How a source reads files and what their rows become. */
import type { Topic } from '../graph/topic.ts';
import type { RowOptions } from './rows.ts';

export interface MappedRecord<K, V> {
  readonly key: K;
  readonly value: V;
  readonly timestamp: number;
}

export type Mapped<K, V> =
  | MappedRecord<K, V>
  /** The row yields several records. */
  | { readonly records: readonly MappedRecord<K, V>[] }
  /** The row is skipped, for example another kind of record. */
  | 'skip'
  /** The row is skipped and counted by this reason. */
  | { readonly skip: string }
  | { readonly reject: string };

export interface FileSourceOptions<K, V> extends RowOptions {
  readonly name: string;
  /** Read one after the other, in this order; '-' is standard input. */
  readonly files: readonly string[];
  readonly topic: Topic<K, V>;
  /** Name or path of the mapping that `map` is: kept in dead letters, so that a replay finds it. */
  readonly mapping?: string;
  /**
   * 'time': the rows are sorted by time in memory before they enter, so only for bounded files. A
   * row that cannot be mapped stays with the row before it. Default: the order of the files.
   */
  readonly order?: 'file' | 'time';
  /** `id` distinguishes rows of equal text by file and ordinal. */
  map(fields: Readonly<Record<string, unknown>>, id: string): Mapped<K, V>;
}

/** How the rows are read and what they become. */
export type FileReaderOptions<K, V> = Omit<FileSourceOptions<K, V>, 'name' | 'topic'>;

/** The records of a row; none if it is refused or skipped. */
export function recordsOf<K, V>(mapped: Mapped<K, V>): readonly MappedRecord<K, V>[] {
  if (mapped === 'skip' || 'skip' in mapped || 'reject' in mapped) return [];
  return 'records' in mapped ? mapped.records : [mapped];
}

export function isRefused<K, V>(mapped: Mapped<K, V>): mapped is { readonly reject: string } {
  return mapped !== 'skip' && 'reject' in mapped;
}
