/** Mappings by name, as the engine uses them: how rows are read, and which records they become. */
import type { Topic } from '../graph/topic.ts';
import type { Mapped } from './file-options.ts';
import { FileSource } from './file-source.ts';
import type { RowOptions } from './rows.ts';

export interface RowMapping {
  /** Name of the source that reads files by it, under which its position is stored. */
  readonly name: string;
  /** Name with which `RowMappings.read` finds it again, from any folder. */
  readonly reference: string;
  /** How files of such rows are read. */
  readonly rows: RowOptions;
  /** The order in which the rows of a file enter; default: as in the file. */
  readonly order?: 'file' | 'time';
  /** The rows of one value. */
  unpack(value: unknown): readonly unknown[];
  /** The records of a row; `id` distinguishes rows of equal text. */
  map(row: Readonly<Record<string, unknown>>, id: string): Mapped<unknown, unknown>;
}

export interface RowMappings {
  /** The default topic of their records. */
  readonly topic: Topic<unknown, unknown>;
  /** @throws MAPPING_INVALID if it cannot be read or is invalid */
  read(name: string): Promise<RowMapping>;
  /**
   * The input file of a mapping that has its own input, created in `folder` if it is missing;
   * undefined for any other mapping.
   */
  ownInput(name: string, folder: string): Promise<string | undefined>;
}

/** @param name of the source; default that of the mapping */
export function mappedFiles<K, V>(
  mapping: RowMapping,
  files: readonly string[],
  topic: Topic<K, V>,
  name: string = mapping.name,
): FileSource<K, V> {
  const { reference, order = 'file', rows } = mapping;
  const map = mapping.map as (row: Readonly<Record<string, unknown>>, id: string) => Mapped<K, V>;
  return new FileSource({ name, mapping: reference, files, order, topic, map, ...rows });
}
