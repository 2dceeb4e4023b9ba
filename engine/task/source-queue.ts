/**
 * The records of one source partition that a task holds and has not taken yet. Times come from the
 * log, or from the author's extractor, which needs the values: then they are decoded ahead, once.
 */

import { latin1 } from '../base/bytes.ts';
import { messageOf } from '../base/errors.ts';
import { refusePromise } from '../base/promises.ts';
import type { SourceOptions } from '../graph/node.ts';
import type { AnyReceiver } from '../graph/processor.ts';
import type { Source } from '../graph/topic.ts';
import type { PackedBatch } from '../record/batch.ts';
import { isChecked } from '../serde/faithful.ts';
import { knownKey } from '../serde/serde.ts';
import { lookedAtTogether } from '../state/store-state.ts';
import type { TaskState } from '../state/task-state.ts';

/** A value that could not be decoded, or a time that could not be told; kept until its turn. */
class Undecodable {
  readonly problem: string;
  constructor(problem: string) {
    this.problem = problem;
  }
}

export class SourceQueue {
  /** Name in the log. */
  readonly topic: string;
  readonly source: Source<unknown, unknown>;
  readonly options: SourceOptions;
  readonly receiver: AnyReceiver;
  /** Offset after the last record taken; what a commit stores. */
  position: number;
  /** No more records are in the log now; an empty queue need not be waited for. */
  caughtUp = false;
  batch: PackedBatch | undefined;
  /** Index in `batch` of the record at hand. */
  index = -1;
  #times: Float64Array | undefined;
  #values: unknown[] | undefined;
  /** Where the state has the keys of the batch's records, as far as they were collected: rows by store and record. */
  rows: readonly Int32Array[] = [];
  /** Up to this record their cells were looked at. */
  #approached = 0;
  readonly #later: PackedBatch[] = [];
  /** The decoder is one of ours, which answers no promises. */
  readonly #isChecked: boolean;

  constructor(
    topic: string,
    source: Source<unknown, unknown>,
    options: SourceOptions,
    receiver: AnyReceiver,
    position: number,
  ) {
    this.topic = topic;
    this.source = source;
    this.options = options;
    this.#isChecked = isChecked(source.valueDecoder);
    this.receiver = receiver;
    this.position = position;
  }

  /** Takes a batch over; records below `position` in it are passed over. */
  add(batch: PackedBatch): void {
    if (batch.count > 0 && batch.nextOffset > this.position) this.#later.push(batch);
  }

  /** Begins the next batch when the last one is done. */
  refill(): void {
    if (this.batch !== undefined) return;
    const next = this.#later.shift();
    if (next !== undefined) this.#begin(next);
  }

  /** True when the batch at hand is done and another waits for `refill`. */
  get wantsRefill(): boolean {
    return this.batch === undefined && this.#later.length > 0;
  }

  /** True while a next record is there. */
  get hasNext(): boolean {
    return this.batch !== undefined && this.index + 1 < this.batch.count;
  }

  /** Timestamp of the next record; there must be one. */
  get headTime(): number {
    return (this.#times as Float64Array)[this.index + 1] as number;
  }

  /**
   * Hands back what was not taken. It is read again from `position` in the next cycle, so that a cycle
   * depends on nothing but what is committed.
   */
  clear(): void {
    this.batch = undefined;
    this.#later.length = 0;
  }

  /** Timestamp of the record at hand in the log, ms UTC. */
  get loggedTime(): number {
    return this.batch?.timestamps[this.index] as number;
  }

  /** Makes the next record the one at hand and answers its timestamp. */
  take(): number {
    this.index++;
    const batch = this.batch as PackedBatch;
    this.position = (batch.offsets[this.index] as number) + 1;
    return (this.#times as Float64Array)[this.index] as number;
  }

  /** To be called when the record at hand is done: lets go of the batch after its last record. */
  settle(): void {
    if (this.batch !== undefined && this.index + 1 === this.batch.count) this.batch = undefined;
  }

  /**
   * Finds the keys of the batch's next records in the state, and adds to `wanted` the ids of those that it must load, some
   * more than once; answers the greatest timestamp among the records.
   */
  collect(state: TaskState, wanted: string[]): number {
    let greatest = Number.NEGATIVE_INFINITY;
    const { batch } = this;
    if (batch === undefined) return greatest;
    const from = this.index + 1;
    this.#approached = from;
    if ((this.rows[0]?.length ?? 0) < batch.count) {
      this.rows = Array.from({ length: state.storeCount }, () => new Int32Array(batch.count));
    }
    state.locate(batch, from, batch.count, this.rows, wanted);
    const times = this.#times as Float64Array;
    for (let i = from; i < batch.count; i++) {
      const time = times[i] as number;
      if (time > greatest) greatest = time;
    }
    return greatest;
  }

  /** Before the record at hand is entered: looks at its cells and those of the records after it, some at a time. */
  approach(state: TaskState): void {
    if (this.index < this.#approached) return;
    const to = Math.min(this.index + lookedAtTogether, (this.batch as PackedBatch).count);
    state.approach(this.rows, this.index, to);
    this.#approached = to;
  }

  /** Id of record `i`'s key; '' for a null key. */
  keyIdOf(i: number): string {
    const batch = this.batch as PackedBatch;
    const length = batch.keyLengths[i] as number;
    if (length < 0) return '';
    const start = batch.starts[i] as number;
    return latin1(batch.bytes, start, start + length);
  }

  /** Value of the record at hand; throws when it cannot be decoded. */
  value(): unknown {
    const batch = this.batch as PackedBatch;
    const i = this.index;
    if (this.#values !== undefined) {
      const value = this.#values[i];
      if (value instanceof Undecodable) throw new Error(value.problem);
      return value;
    }
    return this.#decode(batch, i);
  }

  #begin(batch: PackedBatch): void {
    this.batch = batch;
    this.index = firstFrom(batch, this.position) - 1;
    this.#times = batch.timestamps;
    this.#values = undefined;
    const { time } = this.options;
    if (time === undefined) return;
    const extract = time as unknown as (value: unknown, key: unknown, timestamp: number) => number;
    this.#times = new Float64Array(batch.count);
    this.#values = new Array<unknown>(batch.count);
    for (let i = 0; i < batch.count; i++) this.#readAhead(batch, i, extract);
  }

  #readAhead(
    batch: PackedBatch,
    i: number,
    extract: (value: unknown, key: unknown, timestamp: number) => number,
  ): void {
    const values = this.#values as unknown[];
    const times = this.#times as Float64Array;
    const logged = batch.timestamps[i] as number;
    times[i] = logged;
    try {
      const value = this.#decode(batch, i);
      values[i] = value;
      if (value === null) return;
      const told = extract(value, this.key(i), logged);
      if (typeof told === 'object') refusePromise(told, 'the time extractor');
      if (Number.isFinite(told)) times[i] = told;
      else values[i] = new Undecodable(`its time is ${String(told)}, not a number of milliseconds`);
    } catch (error) {
      values[i] = new Undecodable(messageOf(error));
    }
  }

  /** Key of record `i`, decoded; throws when it cannot be. @param keyId its id, '' where nobody knows it yet */
  key(i: number, keyId = ''): unknown {
    const batch = this.batch as PackedBatch;
    const length = batch.keyLengths[i] as number;
    if (length < 0) return null;
    const { keyDecoder } = this.source;
    const known = keyId === '' ? undefined : knownKey(keyDecoder, keyId);
    if (known !== undefined) return known;
    const start = batch.starts[i] as number;
    return keyDecoder.decode(batch.bytes, start, start + length);
  }

  #decode(batch: PackedBatch, i: number): unknown {
    const length = batch.valueLengths[i] as number;
    if (length < 0) return null;
    const start = batch.valueStart(i);
    const value = this.source.valueDecoder.decode(batch.bytes, start, start + length);
    if (!this.#isChecked && typeof value === 'object') refusePromise(value, 'decode');
    return value;
  }
}

/** Index of the first record at `offset` or after it. */
function firstFrom(batch: PackedBatch, offset: number): number {
  let [low, high] = [0, batch.count];
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((batch.offsets[middle] as number) < offset) low = middle + 1;
    else high = middle;
  }
  return low;
}

/** The queue with the smallest head timestamp; undefined when one must be waited for, or all are empty. */
export function nextQueue(queues: readonly SourceQueue[]): SourceQueue | undefined {
  let next: SourceQueue | undefined;
  for (const queue of queues) {
    if (!queue.hasNext) {
      if (!queue.caughtUp || queue.wantsRefill) return undefined;
    } else if (next === undefined || queue.headTime < next.headTime) next = queue;
  }
  return next;
}
