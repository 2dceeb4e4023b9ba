/** StateBackend over RocksDB; the only file that knows the package `rocksdb`. */
import { rm } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { dirname } from 'node:path';
import { asBuffer } from '../base/bytes.ts';
import { MillraceError, messageOf } from '../base/errors.ts';
import type {
  BackendEntry,
  BackendFactory,
  BackendWrite,
  RangeOptions,
  StateBackend,
} from './backend.ts';
import { makeDirectory } from './directory.ts';

/** The part of the package that is used; it ships no types, so it is required, not imported. */
interface RocksDb {
  open(options: object, done: (error?: Error | null) => void): void;
  close(done: (error?: Error | null) => void): void;
  getMany(
    keys: readonly Uint8Array[],
    options: object,
    done: (error: Error | null, values?: (Buffer | undefined)[]) => void,
  ): void;
  batch(): RocksBatch;
  iterator(options: object): RocksIterator;
}

/** Is one, whole, when it is written. */
interface RocksBatch {
  put(key: Buffer, value: Buffer): void;
  del(key: Buffer): void;
  write(options: object, done: (error?: Error | null) => void): void;
}

interface RocksIterator {
  next(done: (error: Error | null, key?: Buffer, value?: Buffer) => void): void;
  end(done: (error?: Error | null) => void): void;
}

/** The first Node whose own C++ library gets between the prebuilt binary and its. */
const firstClashingNode = 22;

/** Loaded when the first database is opened: whoever keeps state in memory needs no native code. */
function loadRocksDb(): (path: string) => RocksDb {
  const load = createRequire(import.meta.url);
  const entry = load.resolve('rocksdb');
  const binary = createRequire(entry)('node-gyp-build').path(dirname(entry)) as string;
  const node = process.versions.node;
  // Loading it would abort the process: Node 22 and later export symbols of std::regex under the
  // names that the old ABI of the prebuilt binary uses too. One compiled here has the new ABI.
  if (
    process.platform === 'linux' &&
    binary.includes('prebuilds') &&
    Number.parseInt(node, 10) >= firstClashingNode
  ) {
    throw new MillraceError('ROCKSDB_BINARY', { node });
  }
  return load('rocksdb') as (path: string) => RocksDb;
}

/**
 * Keeps the binary loaded for the life of this thread. Node unloads it with the last thread that has it, and
 * a worker that loads it at that moment fails ("Module did not self-register"): so the main thread holds it
 * while workers come and go.
 */
export function holdRocksDb(): void {
  loadRocksDb();
}

export class RocksBackend implements StateBackend {
  readonly #db: RocksDb;
  readonly #directory: string;

  private constructor(db: RocksDb, directory: string) {
    this.#db = db;
    this.#directory = directory;
  }

  static async open(directory: string): Promise<RocksBackend> {
    try {
      await makeDirectory(directory);
      const db = loadRocksDb()(directory);
      await new Promise<void>((resolve, reject) => {
        db.open({ createIfMissing: true }, (error) => (error ? reject(error) : resolve()));
      });
      return new RocksBackend(db, directory);
    } catch (error) {
      throw storageError(error, directory);
    }
  }

  getMany(keys: readonly Uint8Array[]): Promise<(Buffer | undefined)[]> {
    return this.#call((done) => this.#db.getMany(keys.map(asBuffer), { asBuffer: true }, done));
  }

  async range(options: RangeOptions): Promise<BackendEntry[]> {
    const iterator = this.#db.iterator({
      gte: asBuffer(options.from),
      ...(options.to ? { lt: asBuffer(options.to) } : {}),
      reverse: options.reverse ?? false,
      limit: options.limit ?? -1,
      keyAsBuffer: true,
      valueAsBuffer: true,
    });
    const entries: BackendEntry[] = [];
    try {
      await this.#call<void>((done) => readAll(iterator, entries, done));
    } finally {
      await this.#call<void>((done) => iterator.end((error) => done(error ?? null)));
    }
    return entries;
  }

  /**
   * Operation by operation: of a list of them the package makes objects, twice. The database takes Buffers only; of any other byte
   * array it would store the text.
   */
  write(writes: readonly BackendWrite[], options: { readonly sync?: boolean } = {}): Promise<void> {
    return this.#call((done) => {
      const batch = this.#db.batch();
      for (const { key, value } of writes) {
        if (value === undefined) batch.del(asBuffer(key));
        else batch.put(asBuffer(key), asBuffer(value));
      }
      batch.write({ sync: options.sync ?? false }, (error) => done(error ?? null));
    });
  }

  close(): Promise<void> {
    return this.#call((done) => this.#db.close((error) => done(error ?? null)));
  }

  async #call<T>(run: (done: (error: Error | null, value?: T) => void) => void): Promise<T> {
    try {
      return await new Promise<T>((resolve, reject) => {
        run((error, value) => (error ? reject(error) : resolve(value as T)));
      });
    } catch (error) {
      throw storageError(error, this.#directory);
    }
  }
}

export const rocksBackends: BackendFactory = {
  open: (directory) => RocksBackend.open(directory),
  destroy: (directory) => rm(directory, { recursive: true, force: true }),
};

function readAll(
  iterator: RocksIterator,
  entries: BackendEntry[],
  done: (error: Error | null) => void,
): void {
  iterator.next((error, key, value) => {
    if (error || key === undefined || value === undefined) return done(error ?? null);
    entries.push([key, value]);
    readAll(iterator, entries, done);
  });
}

/** RocksDB says what happened in English only; the texts are those of its Status class. */
function storageError(error: unknown, directory: string): MillraceError {
  if (error instanceof MillraceError) return error;
  const problem = messageOf(error);
  if (/no space left/i.test(problem) || (error as { code?: string }).code === 'ENOSPC') {
    return new MillraceError('DISK_FULL', { directory }, { cause: error });
  }
  if (/corruption|checksum mismatch|bad (magic|block)/i.test(problem)) {
    return new MillraceError('STORE_CORRUPT', { directory, problem }, { cause: error });
  }
  return new MillraceError('STATE_UNAVAILABLE', { directory, problem }, { cause: error });
}
