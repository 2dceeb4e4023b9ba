/** The cursor of a file source, committed with the rows that it has delivered. */
import { createHash } from 'node:crypto';
import { MillraceError } from '../base/errors.ts';
import { fileSize } from './content.ts';
import { baseName, type KnownFile } from './known-files.ts';

export interface Cursor {
  /** Greatest event time delivered, ms UTC. */
  readonly eventTime?: number | null;
  /** The files that rows were read from, in the order in which they were started. */
  readonly files?: readonly KnownFile[];
  /**
   * With `order: 'time'`: the files that are read together, each in its final state, and the number
   * of their sorted rows that have been read.
   */
  readonly batch?: { readonly files: readonly KnownFile[]; readonly taken: number };
}

/** The old format: rows read, and a hash of the names and sizes of all files. */
export interface OldCursor {
  readonly rows: number;
  readonly input: string;
  readonly eventTime?: number | null;
}

/** Where a reader begins. */
export interface Start {
  readonly files: readonly KnownFile[];
  readonly batch?: Cursor['batch'];
  /** Rows to skip for a cursor of the old format. */
  readonly oldRows: number;
}

export function isOldCursor(cursor: Cursor | OldCursor | undefined): cursor is OldCursor {
  return cursor !== undefined && 'rows' in cursor;
}

/** The hash of these files in an old cursor; undefined for a new one. */
export async function oldInputOf(
  cursor: Cursor | undefined,
  files: readonly string[],
): Promise<string | undefined> {
  if (!isOldCursor(cursor)) return undefined;
  const sizes = await Promise.all(files.map(fileSize));
  const named = files.map((file, i) => [baseName(file), sizes[i]]);
  return createHash('sha256').update(JSON.stringify(named)).digest('hex').slice(0, 16);
}

/** Throws SOURCE_CHANGED for the position of a pulled source, which has a kind. */
export function checkOfFiles(source: string, cursor: object | undefined): void {
  if (cursor === undefined || !('kind' in cursor)) return;
  const before = String(cursor.kind);
  throw new MillraceError('SOURCE_CHANGED', { source, before, now: 'files' });
}

/** Throws INPUT_CHANGED when an old cursor belongs to other files than those of `oldInput`. */
export function cursorOf(cursor: Cursor | undefined, oldInput: string | undefined): Start {
  if (!isOldCursor(cursor)) {
    const { files = [], batch } = cursor ?? {};
    return { files, oldRows: 0, ...(batch === undefined ? {} : { batch }) };
  }
  if (cursor.input !== oldInput) {
    const problem =
      'its position was committed by an earlier version, which knew files by name and size, and one of them differs; give the same files once more, then go on';
    throw new MillraceError('INPUT_CHANGED', { file: 'given', problem });
  }
  return { files: [], oldRows: cursor.rows };
}
