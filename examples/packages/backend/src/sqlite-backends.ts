/**
 * A state back end from outside the engine: one SQLite database for each store.
 *
 * The default export is what `--state-backend` and `execute` take. Blobs are compared byte by byte
 * in SQLite, which is the order that the port asks for. A write is one transaction.
 */
import { existsSync, mkdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { MillraceError } from 'millrace';
import type {
  BackendEntry,
  BackendFactory,
  BackendWrite,
  OpenOptions,
  RangeOptions,
  StateBackend,
} from 'millrace/engine';
import sqlite, { type Database, type Statement } from 'node-sqlite3-wasm';
import { lockDirectory } from './lock.js';

const file = 'state.sqlite';

class SqliteBackend implements StateBackend {
  readonly #db: Database;
  readonly #unlock: () => void;
  readonly #readOnly: boolean;
  readonly #get: Statement;
  readonly #put: Statement;
  readonly #remove: Statement;

  constructor(db: Database, unlock: () => void, readOnly: boolean) {
    this.#db = db;
    this.#unlock = unlock;
    this.#readOnly = readOnly;
    this.#get = db.prepare('SELECT v FROM cells WHERE k = ?');
    this.#put = db.prepare(
      'INSERT INTO cells VALUES (?, ?) ON CONFLICT DO UPDATE SET v = excluded.v',
    );
    this.#remove = db.prepare('DELETE FROM cells WHERE k = ?');
  }

  async getMany(keys: readonly Uint8Array[]): Promise<(Buffer | undefined)[]> {
    this.#mustBeOpen();
    return keys.map((key) => {
      const row = this.#get.get([key]) as { v: Uint8Array } | null | undefined;
      return row ? Buffer.from(row.v) : undefined;
    });
  }

  async range(options: RangeOptions): Promise<BackendEntry[]> {
    this.#mustBeOpen();
    const { from, to, reverse = false, limit } = options;
    const upTo = to === undefined || to === null ? '' : 'AND k < ?';
    const sql = `SELECT k, v FROM cells WHERE k >= ? ${upTo}
      ORDER BY k ${reverse ? 'DESC' : 'ASC'} LIMIT ${limit ?? -1}`;
    const rows = this.#db.all(sql, upTo === '' ? [from] : [from, to as Uint8Array]);
    return (rows as unknown as { k: Uint8Array; v: Uint8Array }[]).map(
      ({ k, v }) => [Buffer.from(k), Buffer.from(v)] as const,
    );
  }

  async write(batch: readonly BackendWrite[]): Promise<void> {
    this.#mustBeOpen();
    if (this.#readOnly) throw new Error('the store was opened to be read');
    this.#db.exec('BEGIN');
    try {
      for (const { key, value } of batch) {
        if (value === undefined) this.#remove.run([key]);
        else this.#put.run([key, value]);
      }
      this.#db.exec('COMMIT');
    } catch (error) {
      if (this.#db.inTransaction) this.#db.exec('ROLLBACK');
      throw error;
    }
  }

  /** Nothing to do: every transaction is in the database file when it ends. */
  async flush(): Promise<void> {
    this.#mustBeOpen();
  }

  memory(): number {
    return this.#db.isOpen ? 2 * 1024 * 1024 : 0;
  }

  async close(): Promise<void> {
    if (!this.#db.isOpen) return;
    for (const statement of [this.#get, this.#put, this.#remove]) statement.finalize();
    this.#db.close();
    this.#unlock();
  }

  #mustBeOpen(): void {
    if (!this.#db.isOpen) throw new Error('the store is closed');
  }
}

async function open(directory: string, options: OpenOptions = {}): Promise<StateBackend> {
  const { readOnly = false, create = true } = options;
  const path = join(directory, file);
  if ((readOnly || !create) && !existsSync(path)) {
    throw new MillraceError('STORE_CORRUPT', { directory, problem: 'there is no store' });
  }
  mkdirSync(directory, { recursive: true });
  const unlock = lockDirectory(directory);
  try {
    const db = new sqlite.Database(path, { readOnly });
    if (!readOnly) {
      db.exec(
        'CREATE TABLE IF NOT EXISTS cells (k BLOB PRIMARY KEY, v BLOB NOT NULL) WITHOUT ROWID',
      );
    }
    return new SqliteBackend(db, unlock, readOnly);
  } catch (error) {
    unlock();
    throw new MillraceError(
      'STORE_CORRUPT',
      { directory, problem: String(error) },
      { cause: error },
    );
  }
}

const sqliteBackends: BackendFactory = {
  open,
  destroy: async (directory) => rmSync(directory, { recursive: true, force: true }),
};

export default sqliteBackends;
