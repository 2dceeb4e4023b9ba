/**
 * StateBackend over the package `rocksdb` (RocksDB 6); the only file that uses it. The package is
 * no longer maintained and has no binary for Node 22 and later; users who select it
 * (`--state-backend rocksdb`) must install it.
 *
 * Its iterators do not verify the blocks that they read, so `range` reads found entries again.
 */
import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname } from 'node:path';
import { asBuffer } from '../../base/bytes.ts';
import { MillraceError, messageOf } from '../../base/errors.ts';
import type {
  BackendEntry,
  BackendFactory,
  BackendWrite,
  OpenOptions,
  RangeOptions,
  StateBackend,
} from '../backend.ts';
import { destroyDirectory, makeDirectory } from '../directory.ts';
import { storageError } from '../storage-errors.ts';

/** The used part of the package, which ships no types, so it is required, not imported. */
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
  compactRange(from: Buffer, to: Buffer, done: (error?: Error | null) => void): void;
}

/** A write batch; applied atomically by `write`. */
interface RocksBatch {
  put(key: Buffer, value: Buffer): void;
  del(key: Buffer): void;
  write(options: object, done: (error?: Error | null) => void): void;
}

interface RocksIterator {
  next(done: (error: Error | null, key?: Buffer, value?: Buffer) => void): void;
  end(done: (error?: Error | null) => void): void;
}

/** A key above all others. */
const keyBytesMax = 64;

/** The first Node whose C++ symbols clash with those of the prebuilt binary. */
const firstClashingNode = 22;

/** Default bytes of a memtable and of the block cache; the budget may set less. */
const writeBufferBytes = 4 * 1024 * 1024;
const blockCacheBytes = 2 * 1024 * 1024;

/** Loads the package when the first database is opened: state in memory needs no native code. */
export function loadRocks5(): (path: string) => RocksDb {
  const load = createRequire(import.meta.url);
  const missing = (problem: string, remedy: string, cause?: unknown) =>
    new MillraceError('BACKEND_MISSING', { backend: 'rocksdb', problem, remedy }, { cause });
  let binary: string;
  try {
    const entry = load.resolve('rocksdb');
    binary = createRequire(entry)('node-gyp-build').path(dirname(entry)) as string;
  } catch (error) {
    const [problem = ''] = messageOf(error).split('\n');
    throw missing(problem, 'npm install rocksdb@5.2.1, or leave out --state-backend', error);
  }
  const node = process.versions.node;
  // Loading it would abort the process: Node 22 and later export symbols of std::regex under the
  // names that the old ABI of the prebuilt binary uses too. One compiled here has the new ABI.
  if (
    process.platform === 'linux' &&
    binary.includes('prebuilds') &&
    Number.parseInt(node, 10) >= firstClashingNode
  ) {
    throw missing(
      `its prebuilt binary does not run on Node ${node}`,
      'compile it, about five minutes: npm_config_build_from_source=true npm rebuild rocksdb; or leave out --state-backend',
    );
  }
  return load('rocksdb') as (path: string) => RocksDb;
}

export class Rocks5Backend implements StateBackend {
  readonly #db: RocksDb;
  readonly #directory: string;

  readonly #writeBufferBytes: number;
  #unflushed = 0;

  private constructor(db: RocksDb, directory: string, buffer: number) {
    this.#db = db;
    this.#directory = directory;
    this.#writeBufferBytes = buffer;
  }

  static async open(directory: string, options: OpenOptions = {}): Promise<Rocks5Backend> {
    const { readOnly = false, create = !readOnly } = options;
    const writeBufferSize = Math.min(
      writeBufferBytes,
      options.writeBufferBytes ?? writeBufferBytes,
    );
    const load = loadRocks5();
    try {
      if (create) await makeDirectory(directory);
      else if (!existsSync(directory)) throw new Error('no such file or directory');
      const db = load(directory);
      await new Promise<void>((resolve, reject) => {
        const settings = {
          ...{ createIfMissing: create, readOnly, writeBufferSize },
          cacheSize: blockCacheBytes,
        };
        db.open(settings, (error) => (error ? reject(error) : resolve()));
      });
      return new Rocks5Backend(db, directory, writeBufferSize);
    } catch (error) {
      throw storageError(error, directory, true);
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
    await this.#verify(entries);
    return entries;
  }

  /**
   * Reads found entries again, with checksums. This also detects lost neighbours, which are in the
   * same block.
   */
  async #verify(entries: readonly BackendEntry[]): Promise<void> {
    const values = await this.getMany(entries.map(([key]) => key));
    const other = entries.findIndex(([, value], i) => values[i]?.equals(value) !== true);
    if (other < 0) return;
    const problem = 'checksum mismatch: an iterator and a read differ';
    throw storageError(new Error(problem), this.#directory);
  }

  /**
   * Adds operations one by one, because the package copies a list of them into objects twice. The
   * database accepts only Buffers; of any other byte array it would store the text.
   */
  write(writes: readonly BackendWrite[], options: { readonly sync?: boolean } = {}): Promise<void> {
    return this.#call((done) => {
      const batch = this.#db.batch();
      for (const { key, value } of writes) {
        if (value === undefined) batch.del(asBuffer(key));
        else batch.put(asBuffer(key), asBuffer(value));
        this.#unflushed += key.byteLength + (value?.byteLength ?? 0);
      }
      batch.write({ sync: options.sync ?? false }, (error) => done(error ?? null));
    });
  }

  /** The package has no flush; a compaction writes the memtable first. */
  async flush(): Promise<void> {
    const before = this.#unflushed;
    const [from, to] = [Buffer.alloc(0), Buffer.alloc(keyBytesMax, 0xff)];
    await this.#call<void>((done) =>
      this.#db.compactRange(from, to, (error) => done(error ?? null)),
    );
    this.#unflushed -= before;
  }

  memory(): number {
    return blockCacheBytes + Math.min(this.#unflushed, this.#writeBufferBytes);
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

export const rocks5Backends: BackendFactory = {
  open: (directory, options) => Rocks5Backend.open(directory, options),
  destroy: destroyDirectory,
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
