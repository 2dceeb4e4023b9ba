/**
 * Source times for a log that loses offset metadata (Kafka with plain calls): records of a
 * compacted topic, in the same commit as the offsets.
 *
 * Format: key '<topic>/<partition>', value '<offset> t=<text>' (time/watermark.ts has the text). An
 * entry is valid for that offset only.
 */
import { timesTopic } from '../graph/topic-names.ts';
import type { Append, Log, TopicPartition } from '../log/log.ts';
import { keyOf } from '../log/partition-key.ts';
import { BatchBuilder } from '../record/batch.ts';
import type { CycleWork } from './cycle-work.ts';
import { offsetMetadata, timeOf } from './ledger.ts';

/** Undefined when there is nothing to keep. */
export function timesAppend(
  application: string,
  results: CycleWork['results'],
): Append | undefined {
  const builder = new BatchBuilder();
  for (const { task, result } of results) {
    const { partition } = task.planned;
    for (const { topic, offset, time } of result.positions) {
      const text = offsetMetadata('', { time });
      if (text === undefined) continue;
      builder.append(Buffer.from(keyOf({ topic, partition })), Buffer.from(`${offset}${text}`), 0);
    }
  }
  if (builder.count === 0) return undefined;
  return { topic: timesTopic(application), partition: 0, batch: builder.finishAt(0) };
}

export class KeptTimes {
  readonly #log: Log;
  readonly #at: TopicPartition;
  readonly #kept = new Map<string, string>();
  /** Offset of the next read; undefined before the first. */
  #from: number | undefined;
  #reading: Promise<void> = Promise.resolve();

  constructor(log: Log, application: string) {
    this.#log = log;
    this.#at = { topic: timesTopic(application), partition: 0 };
  }

  /** The text committed with the offset; '' if there is none. */
  async of(at: TopicPartition, offset: number): Promise<string> {
    // Reads are serialised; each sees the records committed when it was requested.
    this.#reading = this.#reading.catch(() => {}).then(() => this.#read());
    await this.#reading;
    const kept = this.#kept.get(keyOf(at)) ?? '';
    return kept.startsWith(`${offset} `) ? timeOf(kept) : '';
  }

  async #read(): Promise<void> {
    const end = await this.#log.endOffset(this.#at);
    const start = await this.#log.startOffset(this.#at);
    for (let from = Math.max(this.#from ?? 0, start); from < end; this.#from = from) {
      const batch = await this.#log.read(this.#at, from, { records: 1_024 });
      if (batch === undefined) return;
      for (let i = 0; i < batch.count; i++) {
        const [key, value] = [batch.key(i), batch.value(i)];
        if (key !== null && value !== null) this.#kept.set(key.toString(), value.toString());
      }
      from = batch.nextOffset;
    }
  }
}
