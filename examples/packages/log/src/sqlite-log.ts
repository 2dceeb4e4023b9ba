/**
 * A log from outside the engine: one SQLite database, for one process.
 *
 * The default export is what `--log` and `execute` take. A commit is one SQL transaction, so it is
 * all or nothing. Writers fence each other by an epoch that every commit checks.
 */
import { mkdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { MillraceError } from 'millrace';
import {
  BatchBuilder,
  type Commit,
  type CommitReceipt,
  type CommittedOffset,
  type GroupOffset,
  type JoinOptions,
  type Log,
  type LogFactory,
  type PackedBatch,
  type ReadLimits,
  soleMember,
  type TopicDescription,
  type TopicPartition,
  type Writer,
} from 'millrace/engine';
import sqlite, { type Database } from 'node-sqlite3-wasm';
import { schema } from './schema.js';

type Value = string | number | null | Uint8Array;
type Row = Record<string, Value>;

interface PartitionRow {
  readonly first: number;
  readonly next: number;
  readonly cleaned: number;
}

export class SqliteLog implements Log {
  readonly #db: Database;

  constructor(path: string) {
    this.#db = new sqlite.Database(path);
    this.#db.exec('PRAGMA locking_mode = EXCLUSIVE');
    this.#db.exec(schema);
  }

  async createTopics(topics: readonly TopicDescription[]): Promise<void> {
    this.#atomically(() => {
      for (const { name, partitions, settings } of topics) {
        const found = this.#one('SELECT partitions FROM topics WHERE name = ?', [name]);
        if (found !== undefined) {
          const actual = found['partitions'] as number;
          if (actual === partitions) continue;
          throw new MillraceError('TOPIC_MISMATCH', { topic: name, actual, expected: partitions });
        }
        this.#db.run('INSERT INTO topics VALUES (?, ?, ?)', [
          name,
          partitions,
          JSON.stringify(settings),
        ]);
        for (let i = 0; i < partitions; i++) {
          this.#db.run('INSERT INTO partitions VALUES (?, ?, 0, 0, 0)', [name, i]);
        }
      }
    });
  }

  async topics(): Promise<readonly TopicDescription[]> {
    return this.#all('SELECT * FROM topics ORDER BY name').map((row) => ({
      name: row['name'] as string,
      partitions: row['partitions'] as number,
      settings: JSON.parse(row['settings'] as string) as TopicDescription['settings'],
    }));
  }

  async read(
    at: TopicPartition,
    from: number,
    limits: ReadLimits,
  ): Promise<PackedBatch | undefined> {
    const { first: start, next: end } = this.#partition(at);
    if (from < start || from > end) {
      throw new MillraceError('OFFSET_OUT_OF_RANGE', { ...at, offset: from, start, end });
    }
    const rows = this.#all(
      `SELECT * FROM records WHERE topic = ? AND partition = ? AND position >= ?
       ORDER BY position LIMIT ?`,
      [at.topic, at.partition, from, limits.records],
    );
    const builder = new BatchBuilder(rows.length);
    for (const row of rows) {
      const full = limits.bytes !== undefined && builder.byteLength >= limits.bytes;
      if (full && builder.count > 0) break;
      builder.append(
        row['key'] as Uint8Array | null,
        row['value'] as Uint8Array | null,
        row['time'] as number,
        row['headers'] as Uint8Array,
        row['position'] as number,
      );
    }
    return builder.count === 0 ? undefined : builder.finishAt(null);
  }

  async startOffset(at: TopicPartition): Promise<number> {
    return this.#partition(at).first;
  }

  async completeFrom(at: TopicPartition): Promise<number> {
    const { first, cleaned } = this.#partition(at);
    return Math.max(first, cleaned);
  }

  async endOffset(at: TopicPartition): Promise<number> {
    return this.#partition(at).next;
  }

  async committed(group: string, at: TopicPartition): Promise<CommittedOffset | undefined> {
    const row = this.#one(
      'SELECT position, metadata FROM offsets WHERE grp = ? AND topic = ? AND partition = ?',
      [group, at.topic, at.partition],
    );
    if (row === undefined) return undefined;
    const offset = row['position'] as number;
    return row['metadata'] === null ? { offset } : { offset, metadata: row['metadata'] as string };
  }

  async join(options: JoinOptions) {
    return soleMember(this, options);
  }

  async openWriter(id: string): Promise<Writer> {
    this.#db.run(
      `INSERT INTO writers VALUES (?, 1, 0) ON CONFLICT DO UPDATE SET epoch = epoch + 1`,
      [id],
    );
    const row = this.#one('SELECT * FROM writers WHERE id = ?', [id]) as Row;
    const epoch = row['epoch'];
    return {
      lastCommitId: row['commit_id'] as number,
      commit: async (commit) => {
        await commit.onPhase?.('commit');
        const now = this.#one('SELECT epoch FROM writers WHERE id = ?', [id]);
        if (now?.['epoch'] !== epoch) throw new MillraceError('LOG_FENCED', { writer: id });
        return this.#atomically(() => this.#commit(id, commit));
      },
      close: async () => {},
    };
  }

  async maintain(nowMs: number): Promise<void> {
    for (const { name, partitions, settings } of await this.topics()) {
      for (let partition = 0; partition < partitions; partition++) {
        const at = { topic: name, partition };
        this.#atomically(() => {
          if (settings.cleanup === 'compact') this.#compact(at);
          else this.#expire(at, settings.cleanup === 'consumed', nowMs, settings.retentionMs);
        });
      }
    }
  }

  async close(): Promise<void> {
    if (this.#db.isOpen) this.#db.close();
  }

  #commit(id: string, { appends, offsets, commitId }: Commit): CommitReceipt {
    const ends: GroupOffset[] = [];
    for (const { topic, partition, batch } of appends) {
      const at = { topic, partition };
      let { next } = this.#partition(at);
      for (let i = 0; i < batch.count; i++) {
        const { timestamps } = batch;
        const time = timestamps[i] as number;
        const blob = (bytes: Buffer | null) => bytes && new Uint8Array(bytes);
        const [key, value] = [blob(batch.key(i)), blob(batch.value(i))];
        const headers = new Uint8Array(batch.headerBytes(i));
        const values = [topic, partition, next, key, value, time, headers];
        this.#db.run('INSERT INTO records VALUES (?, ?, ?, ?, ?, ?, ?)', values);
        next++;
      }
      const end = [next, topic, partition];
      this.#db.run('UPDATE partitions SET next = ? WHERE topic = ? AND partition = ?', end);
      ends.push({ ...at, offset: next });
    }
    for (const { topic, partition, offset, metadata = null } of offsets) {
      const values = [id, topic, partition, offset, metadata];
      this.#db.run('INSERT OR REPLACE INTO offsets VALUES (?, ?, ?, ?, ?)', values);
    }
    this.#db.run('UPDATE writers SET commit_id = ? WHERE id = ?', [commitId, id]);
    return { ends };
  }

  /** Keeps the last record of each key, records without a key, and the very last record. */
  #compact({ topic, partition }: TopicPartition): void {
    const { next } = this.#partition({ topic, partition });
    this.#db.run(
      `DELETE FROM records WHERE topic = ?1 AND partition = ?2 AND position < ?3 - 1
         AND key IS NOT NULL AND (value IS NULL OR EXISTS (
           SELECT 1 FROM records later WHERE later.topic = ?1 AND later.partition = ?2
             AND later.key = records.key AND later.position > records.position))`,
      [topic, partition, next],
    );
    const cleaned = [next, topic, partition];
    this.#db.run('UPDATE partitions SET cleaned = ? WHERE topic = ? AND partition = ?', cleaned);
  }

  /** Deletes records at the front that are consumed, or older than the retention. */
  #expire(at: TopicPartition, consumed: boolean, nowMs: number, retentionMs?: number): void {
    const { topic, partition } = at;
    const { first, next } = this.#partition(at);
    let start: number | null;
    if (consumed) {
      const sql = 'SELECT MIN(position) p FROM offsets WHERE topic = ? AND partition = ?';
      start = (this.#one(sql, [topic, partition])?.['p'] ?? null) as number | null;
    } else {
      if (retentionMs === undefined) return;
      const sql = `SELECT MIN(position) p FROM records
        WHERE topic = ? AND partition = ? AND time >= ?`;
      const found = this.#one(sql, [topic, partition, nowMs - retentionMs]);
      start = (found?.['p'] ?? next) as number;
    }
    if (start === null || start <= first) return;
    const values = [start, topic, partition];
    this.#db.run('UPDATE partitions SET first = ? WHERE topic = ? AND partition = ?', values);
    this.#db.run('DELETE FROM records WHERE position < ? AND topic = ? AND partition = ?', values);
  }

  #partition(at: TopicPartition): PartitionRow {
    const row = this.#one('SELECT * FROM partitions WHERE topic = ? AND partition = ?', [
      at.topic,
      at.partition,
    ]);
    if (row === undefined) throw new MillraceError('TOPIC_UNKNOWN', { topic: at.topic });
    return row as unknown as PartitionRow;
  }

  #atomically<T>(body: () => T): T {
    this.#db.exec('BEGIN');
    try {
      const result = body();
      this.#db.exec('COMMIT');
      return result;
    } catch (error) {
      if (this.#db.inTransaction) this.#db.exec('ROLLBACK');
      throw error;
    }
  }

  #all(sql: string, values: Value[] = []): Row[] {
    return this.#db.all(sql, values) as unknown as Row[];
  }

  #one(sql: string, values: Value[]): Row | undefined {
    return this.#all(sql, values)[0];
  }
}

const sqliteLogs: LogFactory = {
  async open({ directory }) {
    mkdirSync(directory, { recursive: true });
    const path = join(directory, 'log.sqlite');
    // The lock of a process that was killed; the data directory has one owner.
    rmSync(`${path}.lock`, { recursive: true, force: true });
    return new SqliteLog(path);
  },
};

export default sqliteLogs;
