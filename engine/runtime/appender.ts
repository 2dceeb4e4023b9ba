/**
 * Appends records from outside, such as those of an HTTP request, and resolves when they are
 * durable. Appends that arrive during a commit share the next one (group commit), so they share the
 * cost of a synced write.
 *
 *     append ─┐
 *     append ─┼─▶ waiting ──▶ one commit ──▶ every append of it resolves
 *     append ─┘      ▲             │
 *                    └─ the next ──┘
 */

import { emptyBytes } from '../base/bytes.ts';
import { commitIdOf, nextCommit, noCommit } from '../base/commit-id.ts';
import { MillraceError, messageOf } from '../base/errors.ts';
import type { Sink } from '../graph/topic.ts';
import type { Append, Log, Writer } from '../log/log.ts';
import { type BatchBuilder, PackedBatch } from '../record/batch.ts';
import { encodeHeaders, type Headers } from '../record/headers.ts';
import { Outputs } from '../task/outputs.ts';

/** A record for a topic; `recordFor` creates one with the key and value types of the topic. */
export interface OutsideRecord {
  readonly topic: Sink<never, never>;
  readonly key: unknown;
  readonly value: unknown;
  /** ms UTC. */
  readonly timestamp: number;
  readonly headers?: Headers;
}

/** @param timestamp ms UTC */
export function recordFor<K, V>(
  topic: Sink<K, V>,
  key: K | null,
  value: V | null,
  timestamp: number,
  headers?: Headers,
): OutsideRecord {
  return {
    topic: topic as Sink<never, never>,
    key,
    value,
    timestamp,
    ...(headers === undefined ? {} : { headers }),
  };
}

/** Raw bytes for partition 0 of a topic, as dead letters are written. */
export interface OutsideBytes {
  readonly topic: string;
  readonly value: Uint8Array;
  readonly timestamp: number;
  readonly headers: Headers;
}

export interface AppenderOptions {
  readonly log: Log;
  /** Id of the writer; a newer writer with the same id fences this one (LOG_FENCED). */
  readonly id: string;
  /** Partitions of every topic that is written, by name. */
  readonly partitionsOf: Readonly<Record<string, number>>;
  /** Maximal number of records that wait for a commit; default 100 000. Beyond it: APPEND_FULL. */
  readonly waitingMax?: number;
}

interface Waiting {
  readonly count: number;
  readonly done: () => void;
  readonly failed: (error: unknown) => void;
}

const defaultWaitingMax = 100_000;
/** Buffers larger than this are released after a commit, bytes. */
const keptBytesMax = 4 * 1024 * 1024;

export class Appender {
  readonly #options: AppenderOptions;
  readonly #waitingMax: number;
  #waiting: Waiting[] = [];
  /** The encoded waiting records. */
  #outputs: Outputs;
  #waitingRecords = 0;
  #writer: Writer | undefined;
  #last = noCommit;
  #committing: Promise<void> | undefined;
  #closed = false;

  constructor(options: AppenderOptions) {
    this.#options = options;
    this.#waitingMax = options.waitingMax ?? defaultWaitingMax;
    this.#outputs = this.#newOutputs();
  }

  /** Records that wait for a commit. */
  get waiting(): number {
    return this.#waitingRecords;
  }

  /**
   * Resolves when all records are durable; they are in one commit, all or none. Rejects with
   * APPEND_FULL if too many wait, with the encoder's error if a record cannot be encoded (then none
   * of this call is written), and with the log's error if the commit failed. After an error of the
   * log, it is unknown whether the records were written: the caller sends them again, and
   * duplicates are recognised by the event's id.
   */
  append(records: readonly OutsideRecord[], bytes: readonly OutsideBytes[] = []): Promise<void> {
    const count = records.length + bytes.length;
    if (count === 0) return Promise.resolve();
    if (this.#closed || this.#waitingRecords + count > this.#waitingMax) {
      return Promise.reject(new MillraceError('APPEND_FULL', { waiting: this.#waitingRecords }));
    }
    try {
      this.#write(records, bytes);
    } catch (error) {
      return Promise.reject(error);
    }
    return new Promise((done, failed) => {
      this.#waiting.push({ count, done, failed });
      this.#waitingRecords += count;
      this.#committing ??= this.#commitAll();
    });
  }

  /** Why a record cannot be written, such as its content or its size; undefined if it can. */
  problemOf(record: OutsideRecord): string | undefined {
    try {
      written(this.#outputs, record).dropLast();
      return undefined;
    } catch (error) {
      return messageOf(error);
    }
  }

  /** Commits the waiting records, and accepts no more. */
  async close(): Promise<void> {
    this.#closed = true;
    await this.#committing;
    await this.#writer?.close();
  }

  async #commitAll(): Promise<void> {
    // Calls in the same turn of the event loop share this commit.
    await Promise.resolve();
    while (this.#waiting.length > 0) {
      const taken = this.#waiting;
      this.#waiting = [];
      try {
        await this.#commit(this.#taken());
        for (const { done } of taken) done();
      } catch (error) {
        await this.#dropWriter();
        for (const { failed } of taken) failed(error);
      } finally {
        for (const { count } of taken) this.#waitingRecords -= count;
      }
    }
    this.#committing = undefined;
  }

  /**
   * Closes a writer whose commit failed: it may be fenced or lost. The next commit opens another.
   */
  async #dropWriter(): Promise<void> {
    const writer = this.#writer;
    this.#writer = undefined;
    // The failure was reported already; just release the connections.
    await writer?.close().catch(() => {});
  }

  /** Takes everything that waits. Later appends are in the next commit. */
  #taken(): Append[] {
    const outputs = this.#outputs;
    this.#outputs = this.#newOutputs();
    const appends = outputs.take().map(
      ({ topic, partition, image }): Append => ({
        topic,
        partition,
        batch: new PackedBatch(image),
      }),
    );
    const bytes = appends.reduce((sum, { batch }) => sum + batch.byteLength, 0);
    if (bytes <= keptBytesMax) this.#outputs = outputs;
    return appends;
  }

  async #commit(appends: readonly Append[]): Promise<void> {
    if (this.#writer === undefined) {
      this.#writer = await this.#options.log.openWriter(this.#options.id);
      const known = commitIdOf(this.#writer.lastCommitId);
      if (known > this.#last) this.#last = known;
    }
    this.#last = nextCommit(this.#last);
    await this.#writer.commit({ appends, offsets: [], commitId: this.#last });
  }

  /** Encodes all records, or none. */
  #write(records: readonly OutsideRecord[], bytes: readonly OutsideBytes[]): void {
    const outputs = this.#outputs;
    const builders: BatchBuilder[] = [];
    try {
      for (const record of records) builders.push(written(outputs, record));
      for (const { topic, value, timestamp, headers } of bytes) {
        builders.push(outputs.writeRaw(topic, null, value, timestamp, encodeHeaders(headers)));
      }
    } catch (error) {
      for (const builder of builders) builder.dropLast();
      throw error;
    }
  }

  #newOutputs(): Outputs {
    return new Outputs(this.#options.partitionsOf, this.#options.log.limits);
  }
}

/** Returns the batch to which the record was added. */
function written(
  outputs: Outputs,
  { topic, key, value, timestamp, headers }: OutsideRecord,
): BatchBuilder {
  const encoded = headers === undefined ? emptyBytes : encodeHeaders(headers);
  return outputs.write(topic.name, topic, key as never, value as never, timestamp, encoded);
}
