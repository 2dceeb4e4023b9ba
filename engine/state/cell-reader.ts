/**
 * Decodes a task's cells. Damaged bytes are an error that names task, store and folder.
 */

import { contentOf } from '../base/checksummed.ts';
import { MillraceError, messageOf } from '../base/errors.ts';
import type { StoreSpec } from '../graph/store-spec.ts';
import type { PackedCells } from './packed-cells.ts';

export class CellReader {
  readonly #task: string;
  readonly #directory: string;

  constructor(task: string, directory: string) {
    this.#task = task;
    this.#directory = directory;
  }

  /** Bytes [start, end) of a cell. */
  cell(
    spec: StoreSpec<unknown, unknown>,
    bytes: Buffer,
    start = 0,
    end = bytes.byteLength,
  ): unknown {
    try {
      return spec.decode(bytes, start, end);
    } catch (error) {
      throw this.corrupt(spec.name, messageOf(error), error);
    }
  }

  /** Returns the result of `read`; reports anything it throws as damage of the store. */
  guard<T>(store: string, read: () => T): T {
    try {
      return read();
    } catch (error) {
      throw this.corrupt(store, messageOf(error), error);
    }
  }

  /** Decodes a packed cell; undefined when it is deleted. */
  packed(spec: StoreSpec<unknown, unknown>, packed: PackedCells, row: number): unknown {
    const bytes = packed.cellOf(row);
    return bytes && this.cell(spec, bytes);
  }

  /**
   * The content of a backend value, after its checksum.
   * @param owner name of the store, for the error
   */
  content(value: Buffer, owner: string): Buffer {
    const content = contentOf(value);
    if (content === undefined) throw this.corrupt(owner, 'CRC-32C does not match');
    return content;
  }

  corrupt(store: string, problem: string, cause?: unknown): MillraceError {
    const context = { task: this.#task, store, problem, directory: this.#directory };
    return new MillraceError('STATE_CORRUPT', context, { cause });
  }
}
