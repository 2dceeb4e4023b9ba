/**
 * Syncs the write-ahead log of a RocksDB database past the database: a sync of any descriptor of a
 * file writes all of it that the system holds. RocksDB hands each write to the system before it
 * answers, and a write lies in the file that is current then, or was before the memtable became a
 * table.
 */
import { type FileHandle, open, readdir } from 'node:fs/promises';
import { basename, join } from 'node:path';

const walName = /^(\d+)\.log$/;

export class WalSync {
  readonly #directory: string;
  readonly #current: () => Promise<string>;
  #number = 0;
  #file: FileHandle | undefined;

  /** @param current answers the path of the file that takes writes now; its base name counts */
  constructor(directory: string, current: () => Promise<string>) {
    this.#directory = directory;
    this.#current = current;
  }

  /** All writes that the database has answered are on disk. */
  async sync(): Promise<void> {
    // Both at once: where the file is still the same, it holds what was answered before.
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

  /** The log goes on in another file: those between may hold writes as well. */
  async #follow(number: number): Promise<void> {
    await this.#file?.datasync();
    for (const name of await readdir(this.#directory)) {
      const other = numberOf(name);
      if (other <= this.#number || other >= number) continue;
      await syncFile(join(this.#directory, name));
    }
    await this.#file?.close();
    // 'r+': Windows syncs only what may be written.
    this.#file = await open(join(this.#directory, `${String(number).padStart(6, '0')}.log`), 'r+');
    this.#number = number;
    // The name of the new file must last as well.
    if (process.platform !== 'win32') await syncFile(this.#directory, 'r');
  }
}

/** 0 of another file. */
function numberOf(path: string): number {
  return Number(walName.exec(basename(path))?.[1] ?? 0);
}

/** A file that is gone has become a table, which is synced. */
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
