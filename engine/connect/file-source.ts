/**
 * Files, or standard input, as a source. Rows become records of one topic. Rows that cannot be
 * mapped become dead letters with their text and the reason; skipped rows are counted by reason.
 * The cursor identifies each file by its content up to the position that was read: see
 * known-files.ts.
 */
import { MillraceError } from '../base/errors.ts';
import { systemScheduler } from '../base/scheduler.ts';
import type { Topic } from '../graph/topic.ts';
import { encodeHeaders, type Headers } from '../record/headers.ts';
import type { SourceChunk, SourceConnector, SourceStart } from '../runtime/connector.ts';
import { Outputs } from '../task/outputs.ts';
import { standardInput } from './content.ts';
import { type Cursor, checkOfFiles, cursorOf, isOldCursor, oldInputOf } from './cursor.ts';
import { type FileSourceOptions, recordsOf } from './file-options.ts';
import { FileReader, type Item } from './file-reader.ts';
import type { KnownFile } from './known-files.ts';
import { rowHeaders } from './row-letter.ts';
import type { RowOptions } from './rows.ts';
import { writeRow } from './write-rows.ts';

export type { FileSourceOptions, Mapped } from './file-options.ts';

/** Characters of a reason; the row itself is the value of the dead letter. */
const reasonMax = 1_000;

function shortened(reason: string): string {
  return reason.length <= reasonMax ? reason : `${reason.slice(0, reasonMax)}...`;
}

/** How long to wait for more rows of standard input before the available ones are delivered, ms. */
const patienceMs = 50;

export class FileSource<K, V> implements SourceConnector {
  readonly name: string;
  readonly topics: readonly Topic<K, V>[];
  readonly #options: FileSourceOptions<K, V>;
  #reader: FileReader<K, V> | undefined;
  #items: AsyncGenerator<Item<K, V>[]> | undefined;
  /** Available items, from `#at` on, and the block that is awaited. */
  #block: readonly Item<K, V>[] = [];
  #at = 0;
  #awaited: Promise<IteratorResult<Item<K, V>[]>> | undefined;
  #outputs: Outputs | undefined;
  #deadLetterTopic = '';
  #eventTime = Number.NEGATIVE_INFINITY;
  #failure: unknown;
  /** The cursor has the old format, until a new one replaces it. */
  #isOld = false;
  #handed: string | undefined;

  constructor(options: FileSourceOptions<K, V>) {
    this.#options = options;
    this.name = options.name;
    this.topics = [options.topic];
  }

  /** As given. */
  get files(): readonly string[] {
    return this.#options.files;
  }

  get topic(): Topic<K, V> {
    return this.#options.topic;
  }

  /** How rows are read. */
  get rowOptions(): RowOptions {
    return this.#options;
  }

  /** Reads files as if only these were known; the position of this source does not change. */
  reader(files: readonly string[], known: readonly KnownFile[]): FileReader<K, V> {
    return new FileReader({ ...this.#options, files }, { files: known, oldRows: 0 });
  }

  /** The contents of the dead letter of a refused row. */
  letterOf({ row, file, ordinal }: Item<K, V>, reason: string): Headers {
    const { topic, mapping } = this.#options;
    return {
      stage: 'source',
      step: this.name,
      reason: shortened(reason),
      callSite: 'mapping',
      topic: file,
      partition: '0',
      offset: String(ordinal),
      line: String(row.line),
      timestamp: '0',
      ...rowHeaders({ mapping, topic: topic.name, fields: row.fields, raw: row.raw }),
    };
  }

  get #isLive(): boolean {
    return this.#options.files.includes(standardInput);
  }

  async open({ cursor, partitionsOf, deadLetterTopic, limits }: SourceStart): Promise<void> {
    if (this.#isLive && this.#items !== undefined) return this.#reopenLive(cursor);
    const { files } = this.#options;
    await this.close();
    this.#failure = undefined;
    this.#outputs = new Outputs(partitionsOf, limits);
    this.#deadLetterTopic = deadLetterTopic;
    const given = cursor as Cursor | undefined;
    checkOfFiles(this.name, given);
    this.#eventTime = given?.eventTime ?? Number.NEGATIVE_INFINITY;
    const from = cursorOf(given, await oldInputOf(given, files));
    this.#isOld = isOldCursor(given);
    this.#reader = new FileReader(this.#options, from);
    this.#items = this.#reader.items();
  }

  /** Standard input cannot be read again: it can only continue from its current position. */
  #reopenLive(cursor: unknown): void {
    if (JSON.stringify(cursor) === this.#handed) return;
    const problem =
      'a commit failed, and what came since the one before cannot be read again; pipe it in again from its start: what was taken in is passed over';
    throw new MillraceError('INPUT_BROKEN', { file: standardInput, problem });
  }

  async next(limit: number): Promise<SourceChunk> {
    if (this.#failure !== undefined) throw this.#failure;
    const chunk = { records: 0, bytes: 0, deadLettered: 0, done: false };
    const skipped = new Map<string, number>();
    // A line that holds several rows is delivered whole.
    let isWhole = true;
    while (chunk.records < limit || !isWhole) {
      const item = this.#block[this.#at] ?? (await this.#nextItem(chunk));
      if (item === undefined) break;
      this.#at++;
      isWhole = item.isWhole;
      chunk.records++;
      chunk.bytes += item.row.raw.length + 1;
      if (this.#write(item, skipped) === 'refused') chunk.deadLettered++;
    }
    const reader = this.#reader as FileReader<K, V>;
    const eventTime = this.#eventTime;
    const cursor = reader.cursor(Number.isFinite(eventTime) ? eventTime : null);
    if (this.#isLive) this.#handed = JSON.stringify(cursor);
    const outputs = (this.#outputs as Outputs).take();
    const moved = this.#isOld && chunk.done;
    return { outputs, cursor, moved, ...chunk, skipped: Object.fromEntries(skipped), eventTime };
  }

  /**
   * undefined if there is none yet, or if the file is damaged here: earlier rows are delivered
   * first, and the next call throws.
   */
  async #nextItem(chunk: { records: number; done: boolean }): Promise<Item<K, V> | undefined> {
    const items = this.#items as AsyncGenerator<Item<K, V>[]>;
    try {
      this.#awaited ??= items.next();
      const next = await (this.#isLive ? this.#patiently(this.#awaited) : this.#awaited);
      if (next === undefined) return undefined;
      this.#awaited = undefined;
      if (next.done === true) {
        chunk.done = true;
        return undefined;
      }
      this.#block = next.value;
      this.#at = 0;
      return this.#block[0] ?? this.#nextItem(chunk);
    } catch (error) {
      this.#awaited = undefined;
      this.#failure = error;
      if (chunk.records === 0) throw error;
      return undefined;
    }
  }

  async #patiently<T>(awaited: Promise<T>): Promise<T | undefined> {
    const over = new AbortController();
    awaited.catch(() => {});
    const found = await Promise.race([
      awaited,
      systemScheduler.sleep(patienceMs, over.signal).then(() => undefined),
    ]);
    over.abort();
    return found;
  }

  async close(): Promise<void> {
    const items = this.#items;
    this.#items = undefined;
    this.#block = [];
    this.#at = 0;
    // Standard input may never end, so a pending read is not awaited.
    const isWaiting = this.#isLive && this.#awaited !== undefined;
    this.#awaited = undefined;
    const returned = items?.return(undefined);
    if (isWaiting) {
      returned?.catch(() => {});
      process.stdin.destroy();
    } else await returned;
  }

  #write(item: Item<K, V>, skipped: Map<string, number>): 'taken' | 'skipped' | 'refused' {
    const { row, mapped } = item;
    const reader = this.#reader as FileReader<K, V>;
    const outputs = this.#outputs as Outputs;
    reader.took(item);
    if (mapped === 'skip' || 'skip' in mapped) {
      const reason = mapped === 'skip' ? 'not wanted' : mapped.skip;
      skipped.set(reason, (skipped.get(reason) ?? 0) + 1);
      return 'skipped';
    }
    const reject = 'reject' in mapped ? mapped.reject : this.#taken(outputs, recordsOf(mapped));
    if (reject === undefined) return 'taken';
    const headers = encodeHeaders(this.letterOf(item, reject));
    outputs.writeRaw(this.#deadLetterTopic, null, Buffer.from(row.raw), 0, headers);
    return 'refused';
  }

  /** Writes the records of a row; returns the reason if it cannot. */
  #taken(outputs: Outputs, records: ReturnType<typeof recordsOf<K, V>>): string | undefined {
    const problem = writeRow(outputs, this.#options.topic, records);
    if (problem !== undefined) return problem;
    for (const { timestamp } of records) this.#eventTime = Math.max(this.#eventTime, timestamp);
    return undefined;
  }
}
