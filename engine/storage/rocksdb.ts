/**
 * StateBackend over the package `rocksdb-native` (RocksDB 10); the only file that uses it. The
 * package is prebuilt for Linux, macOS and Windows and runs on every Node.
 *
 * The package cannot sync a write, so the write-ahead log is synced here (wal-sync.ts). It does not
 * support Snappy, which the package `rocksdb` uses for its tables; a database of that package is
 * converted when it is opened (rocksdb-5/convert.ts).
 */
import { existsSync } from 'node:fs';
import { asBuffer } from '../base/bytes.ts';
import { MillraceError, messageOf } from '../base/errors.ts';
import { onDemand } from '../base/on-demand.ts';
import type {
  BackendEntry,
  BackendFactory,
  BackendWrite,
  OpenOptions,
  RangeOptions,
  StateBackend,
} from './backend.ts';
import { destroyDirectory, makeDirectory } from './directory.ts';
import { convert, isOfRocksDb5, settle } from './rocksdb-5/convert.ts';
import { storageError } from './storage-errors.ts';
import { WalSync } from './wal-sync.ts';

/** The used part of the package, which ships no types. */
interface NativeDb {
  ready(): Promise<void>;
  close(): Promise<void>;
  read(options: object): NativeReads;
  write(options: object): NativeWrites;
  iterator(range: object, options: object): AsyncIterable<{ key: Buffer; value: Buffer }>;
  flush(): Promise<void>;
  currentWalFile(): Promise<{ readonly path: string }>;
  getProperty(name: string): Promise<string | undefined>;
}

interface NativeReads {
  get(key: Uint8Array): Promise<Buffer | null>;
  flush(): Promise<void>;
}

interface NativeWrites {
  tryPut(key: Uint8Array, value: Uint8Array): void;
  tryDelete(key: Uint8Array): void;
  flush(): Promise<void>;
}

type NativeClass = new (directory: string, options: object) => NativeDb;

/**
 * Default bytes of a memtable; the budget may set less. The state above caches reads, so the
 * database has no block cache, which would be 32 MB per store.
 */
const writeBufferBytes = 8 * 1024 * 1024;
/** Initial memory of a memtable; RocksDB allocates it in pieces. */
const idleBytes = 64 * 1024;
/** Entries fetched from the database at once. */
const entriesPerFetch = 512;

const library = onDemand<NativeClass>('rocksdb-native');

/** Loads the package when the first database is opened: state in memory needs no native code. */
export function loadRocksDb(): NativeClass {
  try {
    return library();
  } catch (error) {
    const problem = messageOf(error).split('\n')[0] as string;
    const remedy = /libatomic/.test(messageOf(error))
      ? 'install libatomic1 (apt-get install libatomic1)'
      : 'npm install again on this machine, with the same Node';
    throw new MillraceError(
      'BACKEND_MISSING',
      { backend: 'rocksdb-native', problem, remedy },
      { cause: error },
    );
  }
}

export class RocksBackend implements StateBackend {
  readonly #db: NativeDb;
  readonly #directory: string;
  readonly #wal: WalSync;
  readonly #writeBufferBytes: number;
  /** Bytes written since the last table; an upper bound of the memtable's content. */
  #unflushed = 0;

  private constructor(db: NativeDb, directory: string, buffer: number) {
    this.#db = db;
    this.#directory = directory;
    this.#writeBufferBytes = buffer;
    this.#wal = new WalSync(directory, async () => (await db.currentWalFile()).path);
  }

  static async open(directory: string, options: OpenOptions = {}): Promise<RocksBackend> {
    const { readOnly = false, create = !readOnly } = options;
    const buffer = Math.min(writeBufferBytes, options.writeBufferBytes ?? writeBufferBytes);
    const Native = loadRocksDb();
    try {
      await settle(directory);
      if (create) await makeDirectory(directory);
      else if (!existsSync(directory)) throw new Error('no such file or directory');
      if (await isOfRocksDb5(directory)) {
        await convert(directory, (to) => RocksBackend.open(to));
      }
      const db = new Native(directory, {
        ...{ readOnly, createIfMissing: create, createMissingColumnFamilies: create },
        ...{ blockCache: false, tableCacheIndexAndFilterBlocks: false },
        writeBufferSize: buffer,
      });
      await db.ready();
      return new RocksBackend(db, directory, buffer);
    } catch (error) {
      throw storageError(error, directory, true);
    }
  }

  async getMany(keys: readonly Uint8Array[]): Promise<(Buffer | undefined)[]> {
    if (keys.length === 0) return [];
    return this.#call(async () => {
      const reads = this.#db.read({ capacity: keys.length, autoDestroy: true });
      const values = keys.map((key) => reads.get(asBuffer(key)));
      const all = Promise.all(values);
      // A failed read rejects each value and the batch; one error is enough.
      const done = reads.flush();
      done.catch(() => {});
      const found = await all;
      await done;
      return found.map((value) => value ?? undefined);
    });
  }

  range(options: RangeOptions): Promise<BackendEntry[]> {
    const { from, to, reverse = false, limit = Number.POSITIVE_INFINITY } = options;
    return this.#call(async () => {
      const entries: BackendEntry[] = [];
      if (limit <= 0) return entries;
      const iterator = this.#db.iterator(
        { gte: asBuffer(from), ...(to ? { lt: asBuffer(to) } : {}), reverse, limit },
        { capacity: Math.min(limit + 1, entriesPerFetch) },
      );
      for await (const { key, value } of iterator) entries.push([key, value]);
      return entries;
    });
  }

  write(
    batch: readonly BackendWrite[],
    { sync = false }: { readonly sync?: boolean } = {},
  ): Promise<void> {
    return this.#call(async () => {
      const writes = this.#db.write({ capacity: batch.length, autoDestroy: true });
      for (const { key, value } of batch) {
        if (value === undefined) writes.tryDelete(key);
        else writes.tryPut(key, value);
        this.#unflushed += key.byteLength + (value?.byteLength ?? 0);
      }
      await writes.flush();
      // On Windows, only RocksDB can open the file it writes, so flush to a table, which is synced.
      if (sync) await (process.platform === 'win32' ? this.#db.flush() : this.#wal.sync());
    });
  }

  flush(): Promise<void> {
    return this.#call(async () => {
      const before = this.#unflushed;
      await this.#db.flush();
      this.#unflushed -= before;
    });
  }

  memory(): number {
    return idleBytes + Math.min(this.#unflushed, this.#writeBufferBytes);
  }

  async close(): Promise<void> {
    await this.#call(() => this.#db.close());
    await this.#wal.close();
  }

  async #call<T>(run: () => Promise<T>): Promise<T> {
    try {
      return await run();
    } catch (error) {
      throw storageError(error, this.#directory);
    }
  }
}

export const rocksBackends: BackendFactory = {
  open: (directory, options) => RocksBackend.open(directory, options),
  destroy: async (directory) => {
    await settle(directory);
    await destroyDirectory(directory);
  },
};
