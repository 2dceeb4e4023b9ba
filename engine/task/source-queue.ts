/** The records of one source partition that a task holds and has not taken yet. */

import { emptyBytes, latin1 } from '../base/bytes.ts';
import type { SourceOptions } from '../graph/node.ts';
import type { AnyReceiver } from '../graph/processor.ts';
import type { Source } from '../graph/topic.ts';
import type { PackedBatch } from '../record/batch.ts';
import { decodePromises, type SourcePlace, type ToldPromise } from '../record/marks.ts';
import { warmedTogether } from '../state/entry-table.ts';
import type { TaskState } from '../state/task-state.ts';
import type { GuardVerdict } from '../time/guard.ts';
import { instantProblem, isInstant, SourceTime, type UpstreamTime } from '../time/watermark.ts';
import { QueueGuard } from './queue-guard.ts';
import { placeIn, standIn, standMarkIn, toldAhead } from './repartition-marks.ts';
import { SourceDecoder, Undecodable } from './source-decoder.ts';
import type { RecordPlace } from './suspended.ts';

export class SourceQueue {
  /** Name in the log. */
  readonly topic: string;
  readonly source: Source<unknown, unknown>;
  readonly options: SourceOptions;
  readonly receiver: AnyReceiver;
  /**
   * How far the topic's partition has come; of a repartition topic that tells, by its upstream
   * tasks.
   */
  readonly time: SourceTime | UpstreamTime;
  /** The same where it is the source's own. */
  readonly sourceTime: SourceTime | undefined;
  /** The records come from a keyBy, and may say how far their source partition stood. */
  readonly isRepartition: boolean;
  /** Offset after the last record taken; what a commit stores. */
  position: number;
  /** No more records are in the log now; an empty queue need not be waited for. */
  caughtUp = false;
  /** The guard refuses the next record. */
  isRefused = false;
  batch: PackedBatch | undefined;
  /** Index in `batch` of the record at hand. */
  index = -1;
  /** Greatest time of the batch, ms UTC; NaN when one of its times is no instant. */
  #greatest = Number.NaN;
  /** The guard has nothing to say of any record of the batch. */
  #isUnquestioned = false;
  readonly #guard: QueueGuard;
  readonly #decoder: SourceDecoder;
  #times: Float64Array | undefined;
  #values: unknown[] | undefined;
  /**
   * Where the state has the keys of the batch's records, as far as they were collected: rows by
   * store and record.
   */
  rows: readonly Int32Array[] = [];
  /** Up to this record their cells were looked at. */
  #warmedTo = 0;
  readonly #later: PackedBatch[] = [];

  constructor(
    topic: string,
    source: Source<unknown, unknown>,
    options: SourceOptions,
    receiver: AnyReceiver,
    position: number,
    time: SourceTime | UpstreamTime = new SourceTime(options.disorder),
    isRepartition = false,
  ) {
    this.#guard = new QueueGuard(options);
    this.#decoder = new SourceDecoder(source, options);
    this.time = time;
    this.sourceTime = time instanceof SourceTime ? time : undefined;
    this.isRepartition = isRepartition;
    this.topic = topic;
    this.source = source;
    this.options = options;
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

  /** Where the records end that are there, the one at hand's batch or those after it. */
  get end(): number {
    return this.#later.at(-1)?.nextOffset ?? this.batch?.nextOffset ?? this.position;
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
   * Hands back what was not taken. It is read again from `position` in the next cycle, so that a
   * cycle depends on nothing but what is committed.
   */
  clear(): void {
    this.#guard.endCycle();
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

  /** The record at hand is the next one again. */
  giveBack(): void {
    this.position = (this.batch as PackedBatch).offsets[this.index] as number;
    this.index--;
  }

  /** Whether the guard lets the next record pass; there must be one. */
  verdict(wall: number | undefined, final: boolean): GuardVerdict {
    const { sourceTime } = this;
    if (this.#isUnquestioned || this.isRepartition || sourceTime === undefined) return 'take';
    const { greatest } = sourceTime;
    const limit = this.#guard.unquestionedTo(greatest, wall);
    // Neither source time nor the steady clock goes back: this holds to the end of the batch.
    this.#isUnquestioned = this.#greatest <= limit;
    const timestamp = this.headTime;
    if (timestamp <= limit || !isInstant(timestamp)) return 'take';
    const at = this.index + 1;
    const offset = (this.batch as PackedBatch).offsets[at] as number;
    const { end, caughtUp } = this;
    const next = (n: number) => this.#timeAfter(at + n);
    return this.#guard.judge({ offset, timestamp, greatest, end, caughtUp, next }, wall, final);
  }

  /**
   * Of the next records, at most `most`, how many can be taken without a question: none is refused,
   * waits, or tells of upstream tasks. To be asked after `verdict`.
   */
  plainAhead(most: number, readTo: number): number {
    if (!this.#isUnquestioned || this.isRepartition || this.#greatest > readTo) return 0;
    return Math.min(most, (this.batch as PackedBatch).count - 1 - this.index);
  }

  /** Time of record `i` of the batch, or of those after it. */
  #timeAfter(i: number): number | undefined {
    const batch = this.batch as PackedBatch;
    if (i < batch.count) return (this.#times as Float64Array)[i] as number;
    let left = i - batch.count;
    for (const later of this.#later) {
      if (left < later.count) return this.#decoder.timeOf(later, left);
      left -= later.count;
    }
    return undefined;
  }

  /** To be called when the record at hand is done: lets go of the batch after its last record. */
  settle(): void {
    if (this.batch !== undefined && this.index + 1 === this.batch.count) this.batch = undefined;
  }

  /**
   * Finds the keys of the batch's next records in the state, and adds to `wanted` the texts of
   * those that it must load, some more than once; answers the greatest timestamp among the records.
   */
  collect(state: TaskState, wanted: string[]): number {
    let greatest = Number.NEGATIVE_INFINITY;
    const { batch } = this;
    if (batch === undefined) return greatest;
    const from = this.index + 1;
    this.#warmedTo = from;
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

  /**
   * Before the record at hand is entered: looks at its cells and those of the records after it,
   * some at a time.
   */
  warm(state: TaskState): void {
    if (this.index < this.#warmedTo) return;
    const to = Math.min(this.index + warmedTogether, (this.batch as PackedBatch).count);
    state.warm(this.rows, this.index, to);
    this.#warmedTo = to;
  }

  /**
   * What the records that wait can make the partition promise, at most; beyond what it promises
   * now. For prefetching.
   */
  get promiseAhead(): number {
    const { batch, time } = this;
    if (!(time instanceof SourceTime))
      return batch === undefined ? time.promise : toldAhead(batch, this.index + 1, time.promise);
    let greatest = time.promise;
    if (batch === undefined) return greatest;
    const times = this.#times as Float64Array;
    for (let i = this.index + 1; i < batch.count; i++) {
      if ((times[i] as number) > greatest) greatest = times[i] as number;
    }
    return greatest;
  }

  /** Takes the next record if it tells of upstream tasks, and is no other: what it tells. */
  takePromises(): readonly ToldPromise[] | undefined {
    if (!this.isRepartition) return undefined;
    const batch = this.batch as PackedBatch;
    const next = this.index + 1;
    if (batch.keyLengths[next] !== -1 || batch.valueLengths[next] !== -1) return undefined;
    const told = decodePromises(batch.headerBytes(next));
    if (told !== undefined) this.take();
    return told;
  }

  /**
   * Why the record at hand has no time to go by; undefined when it has.
   * @param timestamp its own, not below 0
   */
  timeProblem(timestamp: number): string | undefined {
    const { maxFutureSkewMs } = this.options;
    if (this.#isUnquestioned && maxFutureSkewMs === undefined) return undefined;
    if (!isInstant(timestamp)) return instantProblem(timestamp);
    if (this.isRefused) {
      return `its time, ${timestamp} ms UTC, lies too far ahead of the wall clock or of other records`;
    }
    return maxFutureSkewMs !== undefined && timestamp > this.loggedTime + maxFutureSkewMs
      ? `its time, ${timestamp} ms UTC, lies too far in the future`
      : undefined;
  }

  /** Bytes of the mark before the headers of record `i`. */
  markLength(i: number): number {
    return this.isRepartition && this.batch !== undefined ? standMarkIn(this.batch, i) : 0;
  }

  /**
   * How far the source partition of the record at hand stood, as it says.
   * @param timestamp its own, ms UTC
   */
  markedStand(timestamp: number): number {
    return standIn(this.batch as PackedBatch, this.index) ?? timestamp;
  }

  /** Where the record at hand was read first, if it says so. */
  markedPlace(): SourcePlace | undefined {
    return this.isRepartition ? placeIn(this.batch as PackedBatch, this.index) : undefined;
  }

  /** Text of record `i`'s key; '' for a null key. */
  keyTextOf(i: number): string {
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
    return this.#decoder.value(batch, i);
  }

  #begin(batch: PackedBatch): void {
    this.batch = batch;
    this.index = firstFrom(batch, this.position) - 1;
    const { times, values } = this.#decoder.timesOf(batch);
    this.#times = times;
    this.#values = values;
    this.#greatest = greatestOf(times, this.index + 1);
    this.#isUnquestioned = this.isRepartition && !Number.isNaN(this.#greatest);
    this.isRefused = false;
  }

  /**
   * Key of record `i`, decoded; throws when it cannot be.
   * @param keyText its text, '' where it is not known yet
   */
  key(i: number, keyText = ''): unknown {
    return this.#decoder.key(this.batch as PackedBatch, i, keyText);
  }
}

/** NaN when one of them is no instant. */
function greatestOf(times: Float64Array, from: number): number {
  let greatest = 0;
  for (let i = from; i < times.length; i++) {
    const time = times[i] as number;
    if (!isInstant(time)) return Number.NaN;
    if (time > greatest) greatest = time;
  }
  return greatest;
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

/** Headers of a record without those that tell its time. */
export function ownHeaders(at: RecordPlace): Uint8Array {
  const { batch, index } = at;
  if (batch === undefined) return emptyBytes;
  const bytes = batch.headerBytes(index);
  return bytes.byteLength === 0 ? bytes : bytes.subarray(at.markLength(index));
}
