/**
 * Replays dead letters: writes their records back to the topics they came from, as they were, each
 * once. What a replay has done is committed with what it writes; a younger replay fences it.
 * docs/decisions/1020-a-letter-is-replayed-once.md.
 */

import { emptyBytes } from '../../base/bytes.ts';
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

/** Why a letter is left as it is. */
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

/** What a row that no record was made of becomes now. */
export type Remapped =
  | { readonly records: readonly OutsideRecord[] }
  | { readonly skip: SkipReason };

export interface ReplayOptions {
  readonly log: Log;
  readonly application: string;
  /** Which letters; default all. */
  readonly where?: Where;
  /** Also what failed again after a replay: its cause is mended now. */
  readonly afterFix?: boolean;
  /** Nothing is written; the answer says what would be. */
  readonly dryRun?: boolean;
  /** Puts rows of files, sources and requests through their mapping again; default: they stay. */
  readonly remap?: (letter: Letter) => Promise<Remapped>;
  /** Wall time, ms UTC: a log may limit how far a record's time lies ahead of it. */
  readonly now: number;
  /** Ends it between two commits; what is committed stays. */
  readonly signal?: AbortSignal;
}

export type Counts = Readonly<Record<string, number>>;

/** letters = replayed + all that is in `skipped`. */
export interface ReplayReport {
  readonly application: string;
  readonly topic: string;
  readonly dryRun: boolean;
  readonly letters: number;
  readonly replayed: number;
  /** Records that were written: a row may stand for several. */
  readonly records: number;
  readonly skipped: Counts;
  /** Of what was replayed, or would be. */
  readonly stages: Counts;
  readonly steps: Counts;
  readonly topics: Counts;
}

/** Names that are counted by themselves. */
const namesMost = 100;

/**
 * Goes through all letters that there are now.
 * @throws TOPIC_UNKNOWN where nothing has run, LOG_FENCED when another replay begins,
 * CONFIG_INVALID for a wrong `where`, and what the log throws: what was committed before stays done
 */
export async function replayLetters(options: ReplayOptions): Promise<ReplayReport> {
  const { log, application, where = {}, dryRun = false, signal } = options;
  const isSelected = letterFilter(where);
  const topic = deadLetterTopic(application);
  const topics = await log.topics();
  const partitionsOf = Object.fromEntries(topics.map(({ name, partitions }) => [name, partitions]));
  // First: what an older replay has committed is seen then, and it commits nothing more.
  const writer = dryRun ? undefined : await log.openWriter(`${application}-replay`);
  try {
    const done = new ReplayedLetters(await readCursors(log, application));
    const counted = new Counted();
    let commitId = writer?.lastCommitId ?? 0;
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
      await writer.commit({ appends, offsets: [], commitId: ++commitId });
    }
    return { application, topic, dryRun, ...counted.report() };
  } finally {
    await writer?.close();
  }
}

/** Writes the record of a letter; answers why not, if it does not. */
async function replayed(
  letter: Letter,
  { remap, afterFix = false }: ReplayOptions,
  done: ReplayedLetters,
  writing: Writing,
): Promise<SkipReason | undefined> {
  const { headers, partition, offset } = letter;
  if (done.has(partition, offset)) return 'replayed before';
  if (attemptsOf(headers) > 1 && !afterFix) return 'tried before';
  // Its record, or its row, is not all there.
  if (headers[cutHeader] !== undefined) return 'too large';
  if (headers['stage'] !== 'source') return writing.record(letter);
  if (remap === undefined) return 'no mapping';
  const mapped = await remap(letter);
  return 'skip' in mapped ? mapped.skip : writing.rows(mapped.records);
}

/** What a commit of a replay writes. */
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

  /** As it was, where it was. */
  record(letter: Letter): SkipReason | undefined {
    const { headers, key, value } = letter;
    const { topic = '' } = headers;
    const [partition, offset] = [Number(headers['partition']), Number(headers['offset'])];
    // Of a timer, or of what time let go.
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
      // All or nothing: what cannot be written is found before anything is.
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

/** Names beyond the first are counted together: files may be many. */
function count(counts: Map<string, number>, name: string): void {
  const own = counts.has(name) || counts.size < namesMost ? name : 'others';
  counts.set(own, (counts.get(own) ?? 0) + 1);
}
