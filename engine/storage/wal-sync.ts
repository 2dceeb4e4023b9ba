/**
 * Syncs the write-ahead log of a RocksDB database without the database: syncing any descriptor of a
 * file writes all its data that the system buffers. RocksDB passes each write to the system before
 * it reports success, and the write is in the current file, or in one that was current before the
 * memtable became a table.
 */
import { type FileHandle, open, readdir } from 'node:fs/promises';
import { basename, join } from 'node:path';

const walName = /^(\d+)\.log$/;

export class WalSync {
  readonly #directory: string;
  readonly #current: () => Promise<string>;
  #number = 0;
  #file: FileHandle | undefined;

  /** @param current returns the path of the current file; only its base name matters */
  constructor(directory: string, current: () => Promise<string>) {
    this.#directory = directory;
    this.#current = current;
  }

  /** Syncs all writes that the database has confirmed. */
  async sync(): Promise<void> {
    // Both in parallel: if the file is still the same, it contains all writes that completed
    // before.
    const synced = this.#file?.datasync();
    synced?.catch(() => {});
    const number = numberOf(await this.#current());
    await synced;
    if (number === this.#number) return;
    await this.#follow(number);
    await this.#file?.datasync();
  }

  async close(): Promise<void> {
    await this.#file?.close();
    this.#file = undefined;
  }

  /** Follows the log to another file; the files between may have writes as well. */
  async #follow(number: number): Promise<void> {
    await this.#file?.datasync();
    for (const name of await readdir(this.#directory)) {
      const other = numberOf(name);
      if (other <= this.#number || other >= number) continue;
      await syncFile(join(this.#directory, name));
    }
    await this.#file?.close();
    // 'r+': Windows syncs only writable files.
    this.#file = await open(join(this.#directory, `${String(number).padStart(6, '0')}.log`), 'r+');
    this.#number = number;
    // The name of the new file must be durable as well.
    if (process.platform !== 'win32') await syncFile(this.#directory, 'r');
  }
}

/** Number of a log file; 0 for any other file. */
function numberOf(path: string): number {
  return Number(walName.exec(basename(path))?.[1] ?? 0);
}

/** Syncs a file. A missing file has become a table, which is synced. */
async function syncFile(path: string, flags = 'r+'): Promise<void> {
  let file: FileHandle;
  try {
    file = await open(path, flags);
  } catch (error) {
    if ((error as { code?: string }).code === 'ENOENT') return;
    throw error;
  }
  try {
    await file.sync();
  } finally {
    await file.close();
  }
}
