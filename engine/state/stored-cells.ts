/**
 * The backend's format of cells: whole, or a head and parts. The checksum of a head covers a mark,
 * so that it cannot be mistaken for a whole cell; the checksum of a part covers its key, so that it
 * cannot be mistaken for another part.
 */

import { checksummed, checksummedBy, contentOf } from '../base/checksummed.ts';
import { written } from '../base/scratch.ts';
import type { CellParts, StoreSpec } from '../graph/store-spec.ts';
import { withoutCheck } from '../serde/faithful.ts';
import type { BackendEntry, BackendWrite, StateBackend } from '../storage/backend.ts';
import type { CellReader } from './cell-reader.ts';
import { chunksOf } from './chunks.ts';
import type { CacheEntry } from './entry.ts';
import type { StoreKeys } from './key-layout.ts';
import { headOfParts, PartsLogged } from './parts-logged.ts';

const headMark = Buffer.from('head of parts');

/**
 * Cells that are always in parts in the changelog are stored whole on disk up to this size, bytes.
 */
const storedWholeMost = 65_536;

export interface StoredCell {
  readonly cell: unknown;
  /** Set for a cell in parts. */
  readonly inParts: PartsLogged | undefined;
  readonly bytes: number;
}

/** The backend value of a whole cell; undefined without a cell. */
export function cellWithChecksum<C>(
  spec: Pick<StoreSpec<never, C>, 'write'>,
  cell: C | undefined,
): Buffer | undefined {
  if (cell === undefined) return undefined;
  return withoutCheck(() => checksummedBy((to) => spec.write(cell, to)));
}

/** The state of a key: a cache entry, or the result of a restore. */
export type Kept = Pick<CacheEntry, 'keyText' | 'cell' | 'bytes' | 'inParts'>;

/** True if a cell is stored on disk in parts. */
export function isSavedInParts(
  { parts }: StoreSpec<unknown, unknown>,
  { cell, bytes, inParts }: Kept,
): boolean {
  if (parts === undefined || cell === undefined) return false;
  if (parts.always !== true) return inParts?.inLog === true;
  return inParts?.stored === true || bytes > storedWholeMost;
}

/**
 * The backend value under the cell's key; undefined without a cell. Writes of its parts are added
 * to `writes`.
 */
export function storedValue(
  writes: BackendWrite[],
  spec: StoreSpec<unknown, unknown>,
  keys: StoreKeys,
  entry: Kept,
): Buffer | undefined {
  const { cell, keyText } = entry;
  const { parts } = spec;
  const before = entry.inParts;
  const splits = isSavedInParts(spec, entry);
  if (!splits && before?.stored !== true) return cellWithChecksum(spec, cell);
  const unsaved = before?.takeUnsaved() ?? [];
  if (!splits || parts === undefined) {
    for (const part of unsaved) if (part !== headOfParts) writes.push(noPart(keys, keyText, part));
    if (before !== undefined) before.stored = false;
    return cellWithChecksum(spec, cell);
  }
  const inParts = before ?? new PartsLogged();
  const toWrite = inParts.stored ? unsaved : parts.partsOf(cell);
  entry.inParts = inParts;
  inParts.stored = true;
  for (const part of toWrite) {
    if (part !== headOfParts) writes.push(partWrite(parts, keys, keyText, cell, part));
  }
  return sealedHead(parts, cell);
}

export function sealedHead(parts: CellParts<unknown>, cell: unknown): Buffer {
  return checksummed(
    written((to) => parts.writeHead(cell, to)),
    headMark,
  );
}

export function noPart(keys: StoreKeys, keyText: string, part: number): BackendWrite {
  return { key: keys.part(keyText, part), value: undefined };
}

export function partWrite(
  parts: CellParts<unknown>,
  keys: StoreKeys,
  keyText: string,
  cell: unknown,
  part: number,
): BackendWrite {
  const key = keys.part(keyText, part);
  let some = false;
  const bytes = written((to) => {
    some = parts.writePart(cell, part, to);
  });
  return { key, value: some ? checksummed(bytes, key) : undefined };
}

/** Reads stored cells. */
export class StoredCells {
  readonly #backend: StateBackend;
  readonly #reader: CellReader;

  constructor(backend: StateBackend, reader: CellReader) {
    this.#backend = backend;
    this.#reader = reader;
  }

  /** The cell of a value; undefined if the value is the head of a cell in parts. */
  whole(spec: StoreSpec<unknown, unknown>, value: Buffer): StoredCell | undefined {
    const content =
      spec.parts === undefined ? this.#reader.content(value, spec.name) : contentOf(value);
    if (content === undefined) return undefined;
    return {
      cell: this.#reader.cell(spec, content),
      inParts: undefined,
      bytes: value.byteLength,
    };
  }

  /** Reads the cell of a key's value, with its parts. */
  async read(
    spec: StoreSpec<unknown, unknown>,
    keys: StoreKeys,
    keyText: string,
    value: Buffer,
  ): Promise<StoredCell> {
    return (
      this.whole(spec, value) ??
      this.#assemble(spec, keys, value, await this.#backend.range(keys.partsOf(keyText)))
    );
  }

  #assemble(
    spec: StoreSpec<unknown, unknown>,
    keys: StoreKeys,
    value: Buffer,
    entries: readonly BackendEntry[],
  ): StoredCell {
    const parts = spec.parts as CellParts<unknown>;
    const head = contentOf(value, headMark);
    if (head === undefined) throw this.#reader.corrupt(spec.name, 'CRC-32C does not match');
    const inParts = new PartsLogged();
    inParts.inLog = parts.always !== true;
    inParts.stored = true;
    inParts.noteChunks(headOfParts, chunksOf(head.byteLength));
    const cell = this.#reader.guard(spec.name, () => {
      const made = parts.withHead(undefined, head);
      for (const [key, stored] of entries) {
        const bytes = contentOf(stored, key);
        if (bytes === undefined) throw new RangeError('CRC-32C of a part does not match');
        const part = keys.partOf(key);
        inParts.noteChunks(part, chunksOf(bytes.byteLength));
        parts.setPart(made, part, bytes);
      }
      return made;
    });
    return { cell, inParts, bytes: Math.round(parts.bytesOf(cell)) };
  }
}
