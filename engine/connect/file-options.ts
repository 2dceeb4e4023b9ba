/** How files are read as a source, and what their rows become. */
import type { Topic } from '../graph/topic.ts';
import type { RowOptions } from './rows.ts';

export interface MappedRecord<K, V> {
  readonly key: K;
  readonly value: V;
  readonly timestamp: number;
}

export type Mapped<K, V> =
  | MappedRecord<K, V>
  /** The row stands for several. */
  | { readonly records: readonly MappedRecord<K, V>[] }
  /** The row is not wanted, e.g. another kind of record. */
  | 'skip'
  /** As before, counted by this reason. */
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
   * 'time': the rows are sorted by their time before they enter, in memory, so for bounded files
   * only; a row that cannot be mapped goes with the one before it. Default: as they stand in the
   * files.
   */
  readonly order?: 'file' | 'time';
  /** `id` tells rows of the same text apart by file and ordinal. */
  map(fields: Readonly<Record<string, unknown>>, id: string): Mapped<K, V>;
}

/** How the rows are read, and what they become. */
export type FileReaderOptions<K, V> = Omit<FileSourceOptions<K, V>, 'name' | 'topic'>;

/** What a row becomes; nothing when it is refused or not wanted. */
export function recordsOf<K, V>(mapped: Mapped<K, V>): readonly MappedRecord<K, V>[] {
  if (mapped === 'skip' || 'skip' in mapped || 'reject' in mapped) return [];
  return 'records' in mapped ? mapped.records : [mapped];
}

export function isRefused<K, V>(mapped: Mapped<K, V>): mapped is { readonly reject: string } {
  return mapped !== 'skip' && 'reject' in mapped;
}
