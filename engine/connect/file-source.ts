/**
 * Files as a source: rows become records of one topic; rows that cannot be mapped become dead letters
 * with their text and the reason. The cursor counts rows, so that a start goes on where the last commit ended.
 */
import { createHash } from 'node:crypto';
import { emptyBytes } from '../base/bytes.ts';
import { MillraceError } from '../base/errors.ts';
import type { Topic } from '../graph/topic.ts';
import { encodeHeaders } from '../record/headers.ts';
import type { SourceChunk, SourceConnector, SourceStart } from '../runtime/connector.ts';
import { Outputs } from '../task/outputs.ts';
import { type Row, type RowOptions, rowsOf } from './rows.ts';
import { fileSize } from './text.ts';

export type Mapped<K, V> =
  | { readonly key: K; readonly value: V; readonly timestamp: number }
  /** The row is not wanted, e.g. another kind of record. */
  | 'skip'
  | { readonly reject: string };

export interface FileSourceOptions<K, V> extends RowOptions {
  readonly name: string;
  /** Read one after the other, in this order. */
  readonly files: readonly string[];
  readonly topic: Topic<K, V>;
  /**
   * 'time': the rows are sorted by their time before they enter, in memory, so for bounded files only;
   * rows that cannot be mapped come first. Default: as they stand in the files.
   */
  readonly order?: 'file' | 'time';
  /** `id` tells rows of the same text apart by their ordinal. */
  map(fields: Readonly<Record<string, unknown>>, id: string): Mapped<K, V>;
}

interface Cursor {
  readonly rows: number;
  /** Names and sizes of the files; another input is refused. */
  readonly input: string;
  readonly eventTime: number;
}

/** When all of the first rows are refused, the mapping is wrong, not the rows. */
const suspicious = 50;

export class FileSource<K, V> implements SourceConnector {
  readonly name: string;
  readonly topics: readonly Topic<K, V>[];
  readonly #options: FileSourceOptions<K, V>;
  readonly #seen = new Map<string, number>();
  #rows: AsyncGenerator<{ row: Row; file: string }> | undefined;
  #outputs: Outputs | undefined;
  #deadLetterTopic = '';
  #input = '';
  #read = 0;
  #refused = 0;
  #eventTime = Number.NEGATIVE_INFINITY;
  #failure: unknown;

  constructor(options: FileSourceOptions<K, V>) {
    this.#options = options;
    this.name = options.name;
    this.topics = [options.topic];
  }

  async open({ cursor, partitionsOf, deadLetterTopic }: SourceStart): Promise<void> {
    const { files } = this.#options;
    this.#seen.clear();
    this.#failure = undefined;
    this.#read = 0;
    this.#refused = 0;
    this.#eventTime = Number.NEGATIVE_INFINITY;
    const sizes = await Promise.all(files.map(fileSize));
    this.#input = createHash('sha256')
      .update(JSON.stringify(files.map((file, i) => [file.split('/').pop(), sizes[i]])))
      .digest('hex')
      .slice(0, 16);
    this.#outputs = new Outputs(partitionsOf);
    this.#deadLetterTopic = deadLetterTopic;
    this.#rows = this.#all();
    if (cursor === undefined) return;
    const { rows, input, eventTime } = cursor as Cursor;
    if (input !== this.#input) {
      const problem = 'its name or size differs from what the committed position belongs to';
      throw new MillraceError('INPUT_CHANGED', { file: files.join(', '), problem });
    }
    this.#eventTime = eventTime ?? Number.NEGATIVE_INFINITY;
    while (this.#read < rows) {
      const { value, done } = await this.#rows.next();
      if (done === true) break;
      this.#idOf(value.row);
      this.#read++;
    }
  }

  async next(limit: number): Promise<SourceChunk> {
    if (this.#failure !== undefined) throw this.#failure;
    let [records, bytes, deadLettered, done] = [0, 0, 0, false];
    while (records < limit) {
      const next = await this.#nextRow(records > 0);
      if (next === undefined) break;
      if (next.done === true) {
        done = true;
        break;
      }
      const { row, file } = next.value;
      records++;
      bytes += row.raw.length + 1;
      this.#read++;
      if (!this.#write(row, file)) deadLettered++;
    }
    this.#refused += deadLettered;
    this.#checkMapping();
    const eventTime = this.#eventTime;
    const cursor: Cursor = { rows: this.#read, input: this.#input, eventTime };
    const outputs = (this.#outputs as Outputs).take();
    return { outputs, cursor, done, records, bytes, deadLettered, eventTime };
  }

  /** undefined when the file breaks here: what came before is handed over first, the next call throws. */
  async #nextRow(some: boolean): Promise<IteratorResult<{ row: Row; file: string }> | undefined> {
    try {
      return await (this.#rows as AsyncGenerator<{ row: Row; file: string }>).next();
    } catch (error) {
      if (!some) throw error;
      this.#failure = error;
      return undefined;
    }
  }

  async close(): Promise<void> {
    await this.#rows?.return(undefined);
    this.#rows = undefined;
  }

  async *#all(): AsyncGenerator<{ row: Row; file: string }> {
    if (this.#options.order === 'time') yield* await this.#sorted();
    else yield* this.#asTheyStand();
  }

  async *#asTheyStand(): AsyncGenerator<{ row: Row; file: string }> {
    for (const file of this.#options.files) {
      for await (const row of rowsOf(file, this.#options)) yield { row, file };
    }
  }

  async #sorted(): Promise<{ row: Row; file: string }[]> {
    const timed: { at: number; item: { row: Row; file: string } }[] = [];
    for await (const item of this.#asTheyStand()) {
      const mapped =
        item.row.fields === undefined ? 'skip' : this.#options.map(item.row.fields, '');
      const at = mapped !== 'skip' && 'timestamp' in mapped ? mapped.timestamp : 0;
      timed.push({ at, item });
    }
    return timed.sort((a, b) => a.at - b.at).map(({ item }) => item);
  }

  /** False when the row became a dead letter. */
  #write(row: Row, file: string): boolean {
    const id = this.#idOf(row);
    const outputs = this.#outputs as Outputs;
    const { map, topic } = this.#options;
    const mapped =
      row.fields === undefined ? { reject: row.problem ?? 'not a row' } : map(row.fields, id);
    if (mapped === 'skip') return true;
    if (!('reject' in mapped)) {
      outputs.write(topic.name, topic, mapped.key, mapped.value, mapped.timestamp, emptyBytes);
      this.#eventTime = Math.max(this.#eventTime, mapped.timestamp);
      return true;
    }
    const headers = encodeHeaders({
      stage: 'source',
      step: this.name,
      reason: mapped.reject,
      callSite: 'mapping',
      topic: file,
      partition: '0',
      offset: String(this.#read - 1),
      timestamp: '0',
    });
    outputs.writeRaw(this.#deadLetterTopic, null, Buffer.from(row.raw), 0, headers);
    this.#lastProblem = mapped.reject;
    return false;
  }

  #lastProblem = '';

  #checkMapping(): void {
    if (this.#read < suspicious || this.#refused < this.#read) return;
    throw new MillraceError('MAPPING_INVALID', {
      mapping: 'given',
      field: 'all fields',
      problem: `all of the first ${this.#read} rows are refused; the last because ${this.#lastProblem}`,
    });
  }

  /** Hash of the row's text and its ordinal among equal rows. */
  #idOf(row: Row): string {
    const hash = createHash('sha256').update(row.raw.trimEnd()).digest('hex').slice(0, 16);
    const n = this.#seen.get(hash) ?? 0;
    this.#seen.set(hash, n + 1);
    return n === 0 ? hash : `${hash}-${n}`;
  }
}
