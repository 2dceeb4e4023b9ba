/** Mappings by name, as the engine uses them: how rows are read, and which records they become. */
import type { Topic } from '../graph/topic.ts';
import type { Mapped } from './file-options.ts';
import { FileSource } from './file-source.ts';
import type { RowOptions } from './rows.ts';

export interface RowMapping {
  /** Names the source that reads files by it, and so the place where its position is kept. */
  readonly name: string;
  /** By which `RowMappings.read` finds it again, from any folder. */
  readonly reference: string;
  /** How files of such rows are read. */
  readonly rows: RowOptions;
  /** In which order the rows of a file enter; default as they stand there. */
  readonly order?: 'file' | 'time';
  /** The rows that one value stands for. */
  unpack(value: unknown): readonly unknown[];
  /** What a row becomes; `id` tells rows of the same text apart. */
  map(row: Readonly<Record<string, unknown>>, id: string): Mapped<unknown, unknown>;
}

export interface RowMappings {
  /** Where their records go unless another topic is named. */
  readonly topic: Topic<unknown, unknown>;
  /** @throws MAPPING_INVALID for one that cannot be read, or is wrong */
  read(name: string): Promise<RowMapping>;
  /**
   * The file of a mapping that brings its own input, made in `folder` where it is not there yet;
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
