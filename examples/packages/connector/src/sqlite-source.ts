/**
 * A source from outside the engine: the rows of one SQLite table become records of one topic.
 *
 * Rows are read in the order of their rowid, which is the cursor. The table may grow while it is
 * read, but its rows must not be changed or deleted: a chunk that was not committed is read again.
 */
import type { Topic } from 'millrace';
import {
  encodeHeaders,
  Outputs,
  type SourceChunk,
  type SourceConnector,
  type SourceStart,
} from 'millrace/engine';
import sqlite, { type Database } from 'node-sqlite3-wasm';

export type Row = Readonly<Record<string, unknown>>;

export interface SqliteSourceOptions<K, V> {
  /** Unique in the application; names the cursor. */
  readonly name: string;
  /** Path of the database. */
  readonly path: string;
  readonly table: string;
  readonly topic: Topic<K, V>;
  /** The record of a row; its timestamp is ms UTC. A row for which it throws is a dead letter. */
  record(row: Row): { readonly key: K; readonly value: V; readonly timestamp: number };
  /** Goes on looking for rows at the end of the table; default false: the source is then done. */
  readonly follow?: boolean;
}

/** What is committed with the records: a JSON value. */
interface Cursor {
  readonly rowid: number;
  /** Greatest event time so far, ms UTC; null before the first. */
  readonly eventTime: number | null;
}

const noHeaders = encodeHeaders({});

export class SqliteSource<K, V> implements SourceConnector {
  readonly name: string;
  readonly topics: readonly [Topic<K, V>];
  readonly #options: SqliteSourceOptions<K, V>;
  #opened:
    | { readonly db: Database; readonly outputs: Outputs; readonly letters: string }
    | undefined;
  #cursor: Cursor = { rowid: 0, eventTime: null };

  constructor(options: SqliteSourceOptions<K, V>) {
    this.name = options.name;
    this.topics = [options.topic];
    this.#options = options;
  }

  async open({ cursor, partitionsOf, deadLetterTopic, limits }: SourceStart): Promise<void> {
    await this.close();
    this.#cursor = (cursor as Cursor | undefined) ?? { rowid: 0, eventTime: null };
    this.#opened = {
      db: new sqlite.Database(this.#options.path, { readOnly: true, fileMustExist: true }),
      outputs: new Outputs(partitionsOf, limits),
      letters: deadLetterTopic,
    };
  }

  async next(limit: number): Promise<SourceChunk> {
    if (this.#opened === undefined) throw new Error(`source ${this.name} is closed`);
    const { db, outputs } = this.#opened;
    const { table, follow = false } = this.#options;
    const rows = db.all(
      `SELECT rowid AS _rowid, * FROM "${table}" WHERE rowid > ? ORDER BY rowid LIMIT ?`,
      [this.#cursor.rowid, limit],
    ) as Row[];
    let bytes = 0;
    let deadLettered = 0;
    for (const { _rowid: rowid, ...row } of rows) {
      const text = JSON.stringify(row);
      bytes += Buffer.byteLength(text);
      const problem = this.#write(row, Number(rowid));
      if (problem === undefined) continue;
      deadLettered++;
      this.#refuse(text, Number(rowid), problem);
    }
    const atEnd = rows.length < limit;
    return {
      outputs: outputs.take(),
      cursor: this.#cursor,
      done: atEnd && !follow,
      idle: atEnd,
      records: rows.length,
      bytes,
      deadLettered,
      eventTime: this.#cursor.eventTime ?? Number.NEGATIVE_INFINITY,
    };
  }

  async close(): Promise<void> {
    this.#opened?.db.close();
    this.#opened = undefined;
  }

  /** Writes the record of a row; returns why it cannot be written. */
  #write(row: Row, rowid: number): string | undefined {
    const { topic, record } = this.#options;
    let { eventTime } = this.#cursor;
    try {
      const { key, value, timestamp } = record(row);
      this.#opened?.outputs.write(topic.name, topic, key, value, timestamp, noHeaders);
      eventTime = Math.max(eventTime ?? timestamp, timestamp);
    } catch (error) {
      return error instanceof Error ? error.message : String(error);
    } finally {
      this.#cursor = { rowid, eventTime };
    }
    return undefined;
  }

  /** `millrace dead-letters` shows these headers. */
  #refuse(text: string, rowid: number, reason: string): void {
    const headers = encodeHeaders({
      ...{ stage: 'source', step: this.name, reason },
      ...{ topic: this.#options.table, partition: '0', offset: String(rowid), timestamp: '0' },
    });
    const { outputs, letters } = this.#opened ?? {};
    outputs?.writeRaw(letters as string, null, Buffer.from(text), 0, headers);
  }
}
