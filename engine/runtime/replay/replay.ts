/**
 * Replays dead letters: writes each original record back to its topic, once. The list of replayed
 * letters is committed with the records; a newer replay fences this one.
 * docs/decisions/1020-a-letter-is-replayed-once.md.
 */

import { emptyBytes } from '../../base/bytes.ts';
import { commitIdOf, nextCommit } from '../../base/commit-id.ts';
import { deadLetterTopic } from '../../graph/topic-names.ts';
import type { Append, Log, RecordLimits, TopicPartition } from '../../log/log.ts';
import { keyOf } from '../../log/partition-key.ts';
import { BatchBuilder, PackedBatch } from '../../record/batch.ts';
import { attemptsOf, cutHeader, replayedHeaders } from '../../record/letter-headers.ts';
import { Outputs } from '../../task/outputs.ts';
import type { OutsideRecord } from '../appender.ts';
import { cursorAppend, readCursors } from '../cursors.ts';
import { type Letter, lettersIn, timeOfRecord } from './letter-topic.ts';
import { ReplayedLetters } from './replayed-letters.ts';
import { letterFilter, type Where } from './where.ts';

/** Reasons why a letter is left. */
export const skipReasons = [
  'not selected',
  'replayed before',
  'tried before',
  'no record',
  'topic gone',
  'no mapping',
  'not a row',
  'not wanted',
  'refused again',
  'too large',
  'too far ahead',
] as const;
export type SkipReason = (typeof skipReasons)[number];

/** The result of mapping a refused row again. */
export type Remapped =
  | { readonly records: readonly OutsideRecord[] }
  | { readonly skip: SkipReason };

export interface ReplayOptions {
  readonly log: Log;
  readonly application: string;
  /** Selects letters; default all. */
  readonly where?: Where;
  /** Also replay letters that failed again after a replay, because their cause is fixed. */
  readonly afterFix?: boolean;
  /** Write nothing; the report shows what would be written. */
  readonly dryRun?: boolean;
  /** Maps rows of files, sources and requests again; default: they are left. */
  readonly remap?: (letter: Letter) => Promise<Remapped>;
  /** Wall time, ms UTC; a log may limit how far ahead of it a record's time may be. */
  readonly now: number;
  /** Stops the replay between two commits; committed records stay. */
  readonly signal?: AbortSignal;
}

export type Counts = Readonly<Record<string, number>>;

/** Invariant: letters = replayed + the sum of `skipped`. */
export interface ReplayReport {
  readonly application: string;
  readonly topic: string;
  readonly dryRun: boolean;
  readonly letters: number;
  readonly replayed: number;
  /** Written records; a row may become several. */
  readonly records: number;
  readonly skipped: Counts;
  /** Counts of replayed letters (or of those that would be). */
  readonly stages: Counts;
  readonly steps: Counts;
  readonly topics: Counts;
}

/** Maximal number of names that are counted separately. */
const namesMost = 100;

/**
 * Replays all current letters.
 * @throws TOPIC_UNKNOWN if the application never ran, LOG_FENCED if another replay begins,
 * CONFIG_INVALID for an invalid `where`, and errors of the log; commits before the error stay
 */
export async function replayLetters(options: ReplayOptions): Promise<ReplayReport> {
  const { log, application, where = {}, dryRun = false, signal } = options;
  const isSelected = letterFilter(where);
  const topic = deadLetterTopic(application);
  const topics = await log.topics();
  const partitionsOf = Object.fromEntries(topics.map(({ name, partitions }) => [name, partitions]));
  // Open the writer first: it fences an older replay, whose commits are then all visible.
  const writer = dryRun ? undefined : await log.openWriter(`${application}-replay`);
  try {
    const done = new ReplayedLetters(await readCursors(log, application));
    const counted = new Counted();
    let last = commitIdOf(writer?.lastCommitId ?? 0);
    for await (const block of lettersIn(log, topic, topics)) {
      if (signal?.aborted === true) break;
      const writing = new Writing(partitionsOf, log.limits, options.now);
      for (const letter of block) {
        const skip = isSelected(letter)
          ? await replayed(letter, options, done, writing)
          : 'not selected';
        counted.add(letter, skip);
        if (skip === undefined) done.add(letter.partition, letter.offset);
      }
      counted.records += writing.records;
      const cursors = done.take();
      if (writer === undefined || cursors.size === 0) continue;
      const appends = [...writing.take(), cursorAppend(application, cursors)];
      last = nextCommit(last);
      await writer.commit({ appends, offsets: [], commitId: last });
    }
    return { application, topic, dryRun, ...counted.report() };
  } finally {
    await writer?.close();
  }
}

/** Writes the record of a letter; returns the reason if it does not. */
async function replayed(
  letter: Letter,
  { remap, afterFix = false }: ReplayOptions,
  done: ReplayedLetters,
  writing: Writing,
): Promise<SkipReason | undefined> {
  const { headers, partition, offset } = letter;
  if (done.has(partition, offset)) return 'replayed before';
  if (attemptsOf(headers) > 1 && !afterFix) return 'tried before';
  // The letter has only a part of its record or row.
  if (headers[cutHeader] !== undefined) return 'too large';
  if (headers['stage'] !== 'source') return writing.record(letter);
  if (remap === undefined) return 'no mapping';
  const mapped = await remap(letter);
  return 'skip' in mapped ? mapped.skip : writing.rows(mapped.records);
}

/** The writes of one commit of a replay. */
class Writing {
  records = 0;
  readonly #partitionsOf: Readonly<Record<string, number>>;
  readonly #limits: RecordLimits | undefined;
  readonly #now: number;
  readonly #builders = new Map<string, TopicPartition & { readonly builder: BatchBuilder }>();
  readonly #outputs: Outputs;

  constructor(
    partitionsOf: Readonly<Record<string, number>>,
    limits: RecordLimits | undefined,
    now: number,
  ) {
    this.#partitionsOf = partitionsOf;
    this.#limits = limits;
    this.#now = now;
    this.#outputs = new Outputs(partitionsOf);
  }

  /** Writes the original record to its original partition. */
  record(letter: Letter): SkipReason | undefined {
    const { headers, key, value } = letter;
    const { topic = '' } = headers;
    const [partition, offset] = [Number(headers['partition']), Number(headers['offset'])];
    // From a timer or a time-driven result.
    if (topic === '' || !(offset >= 0)) return 'no record';
    const partitions = Object.hasOwn(this.#partitionsOf, topic) ? this.#partitionsOf[topic] : 0;
    if (!(partition < (partitions ?? 0))) return 'topic gone';
    const time = timeOfRecord(letter);
    const bytes = replayedHeaders(letter.headerBytes, attemptsOf(headers));
    const { bytes: most, aheadMs } = this.#limits ?? noLimits;
    if ((key?.byteLength ?? 0) + (value?.byteLength ?? 0) + bytes.byteLength > most) {
      return 'too large';
    }
    if (time > this.#now + aheadMs) return 'too far ahead';
    this.#builder(topic, partition).append(key, value, time, bytes);
    this.records++;
    return undefined;
  }

  rows(records: readonly OutsideRecord[]): SkipReason | undefined {
    const gone = records.some(({ topic }) => !Object.hasOwn(this.#partitionsOf, topic.name));
    if (gone) return 'topic gone';
    try {
      // All or nothing: find records that cannot be written before writing any.
      writeAll(new Outputs(this.#partitionsOf, this.#limits), records);
    } catch {
      return 'refused again';
    }
    writeAll(this.#outputs, records);
    this.records += records.length;
    return undefined;
  }

  take(): Append[] {
    const raw = [...this.#builders.values()].map(({ topic, partition, builder }) => ({
      ...{ topic, partition },
      batch: builder.finishAt(0),
    }));
    const rows = this.#outputs.take().map(({ topic, partition, image }) => ({
      ...{ topic, partition },
      batch: new PackedBatch(image),
    }));
    return [...raw, ...rows];
  }

  #builder(topic: string, partition: number): BatchBuilder {
    const name = keyOf({ topic, partition });
    const known = this.#builders.get(name);
    if (known !== undefined) return known.builder;
    const builder = new BatchBuilder();
    this.#builders.set(name, { topic, partition, builder });
    return builder;
  }
}

function writeAll(outputs: Outputs, records: readonly OutsideRecord[]): void {
  for (const { topic, key, value, timestamp } of records) {
    outputs.write(topic.name, topic, key as never, value as never, timestamp, emptyBytes);
  }
}

const noLimits: RecordLimits = {
  bytes: Number.POSITIVE_INFINITY,
  aheadMs: Number.POSITIVE_INFINITY,
};

class Counted {
  records = 0;
  #letters = 0;
  #replayed = 0;
  readonly #skipped = new Map<string, number>();
  readonly #stages = new Map<string, number>();
  readonly #steps = new Map<string, number>();
  readonly #topics = new Map<string, number>();

  add({ headers }: Letter, skip: SkipReason | undefined): void {
    this.#letters++;
    if (skip !== undefined) {
      count(this.#skipped, skip);
      return;
    }
    this.#replayed++;
    count(this.#stages, headers['stage'] ?? 'unknown');
    count(this.#steps, headers['step'] ?? 'unknown');
    count(this.#topics, headers['topic'] ?? 'unknown');
  }

  report() {
    return {
      letters: this.#letters,
      replayed: this.#replayed,
      records: this.records,
      skipped: Object.fromEntries(this.#skipped),
      stages: Object.fromEntries(this.#stages),
      steps: Object.fromEntries(this.#steps),
      topics: Object.fromEntries(this.#topics),
    };
  }
}

/** Counts a name; names beyond the limit are counted together, because there may be many files. */
function count(counts: Map<string, number>, name: string): void {
  const own = counts.has(name) || counts.size < namesMost ? name : 'others';
  counts.set(own, (counts.get(own) ?? 0) + 1);
}
