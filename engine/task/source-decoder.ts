/**
 * Decodes keys, values and times of a source's records. Times come from the log, or from the
 * author's extractor, which needs the values; then values are decoded ahead, once.
 */
import { messageOf } from '../base/errors.ts';
import { refusePromise } from '../base/promises.ts';
import type { SourceOptions } from '../graph/node.ts';
import type { Source } from '../graph/topic.ts';
import type { PackedBatch } from '../record/batch.ts';
import { isChecked } from '../serde/faithful.ts';
import { knownKey } from '../serde/serde.ts';
import { isInstant } from '../time/watermark.ts';

type Extract = (value: unknown, key: unknown, timestamp: number) => number;

/**
 * A value that could not be decoded, or a time that could not be extracted; kept until the record's
 * turn.
 */
export class Undecodable {
  readonly problem: string;
  constructor(problem: string) {
    this.problem = problem;
  }
}

/** Times of a batch's records, ms UTC, and values if they were needed for them. */
export interface TimedRecords {
  readonly times: Float64Array;
  readonly values: unknown[] | undefined;
}

export class SourceDecoder {
  readonly #source: Source<unknown, unknown>;
  readonly #extract: Extract | undefined;
  /** True if the decoder is one of ours, which never returns a promise. */
  readonly #isChecked: boolean;

  constructor(source: Source<unknown, unknown>, { time }: SourceOptions) {
    this.#source = source;
    this.#extract = time as unknown as Extract | undefined;
    this.#isChecked = isChecked(source.valueDecoder);
  }

  /**
   * Key of record `i`; throws when it cannot be decoded.
   * @param keyText its text, '' where it is not known yet
   */
  key(batch: PackedBatch, i: number, keyText = ''): unknown {
    const length = batch.keyLengths[i] as number;
    if (length < 0) return null;
    const { keyDecoder } = this.#source;
    const known = keyText === '' ? undefined : knownKey(keyDecoder, keyText);
    if (known !== undefined) return known;
    const start = batch.starts[i] as number;
    return keyDecoder.decode(batch.bytes, start, start + length);
  }

  /** Value of record `i`; throws when it cannot be decoded. */
  value(batch: PackedBatch, i: number): unknown {
    const length = batch.valueLengths[i] as number;
    if (length < 0) return null;
    const start = batch.valueStart(i);
    const value = this.#source.valueDecoder.decode(batch.bytes, start, start + length);
    if (!this.#isChecked && typeof value === 'object') refusePromise(value, 'decode');
    return value;
  }

  /**
   * Times of all records of a batch; if a time cannot be extracted, the value is an `Undecodable`.
   */
  timesOf(batch: PackedBatch): TimedRecords {
    const extract = this.#extract;
    if (extract === undefined) return { times: batch.timestamps, values: undefined };
    const times = new Float64Array(batch.count);
    const values = new Array<unknown>(batch.count);
    for (let i = 0; i < batch.count; i++) this.#readAhead(batch, i, extract, times, values);
    return { times, values };
  }

  /** Time of record `i`, ms UTC; the log's time without an extractor. */
  timeOf(batch: PackedBatch, i: number): number {
    const logged = batch.timestamps[i] as number;
    if (this.#extract === undefined) return logged;
    try {
      const value = this.value(batch, i);
      if (value === null) return logged;
      const told: unknown = this.#extract(value, this.key(batch, i), logged);
      return isInstant(told) ? told : logged;
    } catch {
      return logged;
    }
  }

  #readAhead(
    batch: PackedBatch,
    i: number,
    extract: Extract,
    times: Float64Array,
    values: unknown[],
  ): void {
    const logged = batch.timestamps[i] as number;
    times[i] = logged;
    try {
      const value = this.value(batch, i);
      values[i] = value;
      if (value === null) return;
      const told = extract(value, this.key(batch, i), logged);
      if (typeof told === 'object') refusePromise(told, 'the time extractor');
      // The log's time may be negative: then the record is dropped and counted.
      if (isInstant(told) || told === logged) times[i] = told;
      else values[i] = new Undecodable(`its time is ${String(told)}, ${notAnInstant(told)}`);
    } catch (error) {
      values[i] = new Undecodable(messageOf(error));
    }
  }
}

function notAnInstant(time: unknown): string {
  return Number.isFinite(time)
    ? 'not whole milliseconds from 0 to 8.64e15'
    : 'not a number of milliseconds';
}
