/**
 * Rows of files that appear in a folder or bucket. A completely read file is identified by its name
 * and mark (size and time, or ETag), so that it is not opened again. An opened file is identified
 * by its content, like the files of `--input`.
 */
import { MillraceError } from '../../../base/errors.ts';
import type { Cursor } from '../../cursor.ts';
import { recordsOf } from '../../file-options.ts';
import { FileReader, type Item } from '../../file-reader.ts';
import type { KnownFile } from '../../known-files.ts';
import type { RowOptions } from '../../rows.ts';
import { type Page, type PulledRow, type Puller, refused } from '../puller.ts';
import { Seen, type SeenImage } from '../seen.ts';

/** A file that is complete. */
export interface FoundFile {
  /** Its name in the store. */
  readonly name: string;
  /** Changes when its content does. */
  readonly mark: string;
  /** Time of the last change, ms UTC. */
  readonly at: number;
  /** Its name in messages and dead letters. */
  readonly place: string;
}

export interface LocalFile {
  readonly path: string;
  /** It has been read: deletes its temporary copy. */
  release(): Promise<void>;
}

export interface FileStore {
  /**
   * Files in the order of reading.
   * @param after the greatest name that was read to its end
   */
  list(after: string | undefined, signal: AbortSignal): Promise<readonly FoundFile[]>;
  fetch(file: FoundFile, signal: AbortSignal): Promise<LocalFile>;
  /** Files from before an instant are known, because no new file has such a time. */
  readonly byTime: boolean;
  /**
   * Files read must be remembered from this time on, ms UTC; undefined: as long as they are listed.
   */
  forgetsBefore(newest: number): number | undefined;
  close(): Promise<void>;
}

export interface FilesOptions {
  readonly name: string;
  readonly store: FileStore;
  /** How a file is read; without a mapping by its file extension. */
  rowOptions(file: string): RowOptions;
  readonly order: 'file' | 'time';
}

interface FilesPosition {
  /** The files whose content is known, the newest last. */
  readonly files?: readonly KnownFile[];
  readonly batch?: Cursor['batch'];
  /** The file being read. */
  readonly current?: string;
  /** Hashes of name and mark of completely read files. */
  readonly seen?: SeenImage;
  readonly after?: string;
  readonly newest?: number;
}

/**
 * Number of files whose content is remembered. A copy of an older file under another name counts as
 * new.
 */
const rememberedFiles = 200;

export class FilesPuller implements Puller {
  readonly #options: FilesOptions;

  constructor(options: FilesOptions) {
    this.#options = options;
  }

  async *run(given: unknown, signal: AbortSignal): AsyncGenerator<Page> {
    const { store } = this.#options;
    let position = (given ?? {}) as FilesPosition;
    const seen = new Seen(position.seen);
    const listed = await store.list(position.after, signal);
    const floor = position.newest === undefined ? undefined : store.forgetsBefore(position.newest);
    const isNew = (file: FoundFile) =>
      !seen.has(identityOf(file)) && (floor === undefined || file.at >= floor || !store.byTime);
    const fresh = listed.filter(isNew);
    // A partly read file is finished first.
    const begun = fresh.findIndex((file) => identityOf(file) === position.current);
    if (begun > 0) fresh.unshift(...fresh.splice(begun, 1));
    for (const file of fresh) {
      if (signal.aborted) return;
      const local = await store.fetch(file, signal);
      try {
        for await (const page of this.#read(file, local.path, position)) {
          yield page;
          position = page.position as FilesPosition;
        }
      } finally {
        await local.release();
      }
      seen.add(identityOf(file), file.at);
      position = this.#done(position, file, seen, listed);
      yield { rows: [], bytes: 0, position };
    }
  }

  close(): Promise<void> {
    return this.#options.store.close();
  }

  #done(
    position: FilesPosition,
    file: FoundFile,
    seen: Seen,
    listed: readonly FoundFile[],
  ): FilesPosition {
    const newest = Math.max(position.newest ?? file.at, file.at);
    const before = this.#options.store.forgetsBefore(newest);
    if (before === undefined) seen.keep(listed.map(identityOf));
    else seen.forget(before, 0);
    const { current: _, batch: __, files = [], ...rest } = position;
    const after =
      position.after === undefined || file.name > position.after ? file.name : position.after;
    return { ...rest, files: files.slice(-rememberedFiles), after, newest, seen: seen.image() };
  }

  async *#read(file: FoundFile, path: string, position: FilesPosition): AsyncGenerator<Page> {
    const { order } = this.#options;
    const { files = [], batch } = position;
    const reader = new FileReader<string, string>(
      {
        ...this.#options.rowOptions(path),
        files: [path],
        order,
        // Rows are mapped elsewhere; here they only get their ids.
        map: (_fields, id) => ({ key: id, value: '', timestamp: 0 }),
      },
      { files, oldRows: 0, ...(batch === undefined ? {} : { batch }) },
    );
    try {
      for await (const items of reader.items()) {
        const rows = items.map((item) => this.#row(item, file, reader));
        const bytes = items.reduce((sum, { row }) => sum + row.raw.length + 1, 0);
        const { files: known = [], batch: left } = reader.cursor(null);
        const { batch: _, ...rest } = position;
        const current = identityOf(file);
        const now = { ...rest, files: known, current };
        yield { rows, bytes, position: left === undefined ? now : { ...now, batch: left } };
      }
    } catch (error) {
      if (!(error instanceof MillraceError)) throw error;
      throw refused(
        this.#options.name,
        `${file.place}: ${error.message.replaceAll(path, file.name)}`,
      );
    }
  }

  #row(
    item: Item<string, string>,
    { place }: FoundFile,
    reader: FileReader<string, string>,
  ): PulledRow {
    reader.took(item);
    const { row, mapped, ordinal } = item;
    const [record] = recordsOf(mapped);
    const own = { raw: row.raw, from: place, offset: String(ordinal) };
    const id = `${this.#options.name}:${record?.key ?? item.hash}`;
    if (row.empty !== undefined) return { ...own, id, fields: undefined, skip: row.empty };
    if (row.fields === undefined) {
      return { ...own, id, fields: undefined, problem: row.problem ?? 'it is not a row' };
    }
    return { ...own, id, fields: row.fields };
  }
}

function identityOf({ name, mark }: FoundFile): string {
  return JSON.stringify([name, mark]);
}

/**
 * True if the name of a file matches a pattern with `*` and `?`. Names that start with a dot never
 * match.
 */
export function fitting(pattern: string | undefined): (name: string) => boolean {
  if (pattern === undefined) return (name) => dataFile.test(name);
  const parts = pattern.split(/([*?])/);
  const source = parts.map((part) =>
    part === '*' ? '.*' : part === '?' ? '.' : part.replace(/[\\^$.|+()[\]{}]/g, '\\$&'),
  );
  const whole = new RegExp(`^(?!\\.)${source.join('')}$`);
  return (name) => whole.test(name);
}

const dataFile = /^[^.].*\.(csv|tsv|json|jsonl|ndjson)(\.gz)?$/;
