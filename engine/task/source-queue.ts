/** The waiting records of one source partition of a task. */

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
   * Time of the topic's partition; for a repartition topic with promises, by its upstream tasks.
   */
  readonly time: SourceTime | UpstreamTime;
  /** The same, if it is the source's own time. */
  readonly sourceTime: SourceTime | undefined;
  /** True for the topic of a keyBy, whose records may have a stand. */
  readonly isRepartition: boolean;
  /** Offset after the last processed record; a commit stores it. */
  position: number;
  /** The log has no more records now, so the task need not wait for an empty queue. */
  caughtUp = false;
  /** The guard refuses the next record. */
  isRefused = false;
  batch: PackedBatch | undefined;
  /** Index in `batch` of the current record. */
  index = -1;
  /** Greatest time of the batch, ms UTC; NaN if one of its times is not an instant. */
  #greatest = Number.NaN;
  /** True if no record of the batch needs a verdict of the guard. */
  #isUnquestioned = false;
  readonly #guard: QueueGuard;
  readonly #decoder: SourceDecoder;
  #times: Float64Array | undefined;
  #values: unknown[] | undefined;
  /**
   * Rows of the keys of the batch's records, by store and record, as far as they were collected.
   */
  rows: readonly Int32Array[] = [];
  /** Cells are warmed up to this record. */
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

  /** Adds a batch; its records below `position` are skipped. */
  add(batch: PackedBatch): void {
    if (batch.count > 0 && batch.nextOffset > this.position) this.#later.push(batch);
  }

  /** Begins the next batch if the last one is done. */
  refill(): void {
    if (this.batch !== undefined) return;
    const next = this.#later.shift();
    if (next !== undefined) this.#begin(next);
  }

  /** End offset of the available records, in the current batch or later ones. */
  get end(): number {
    return this.#later.at(-1)?.nextOffset ?? this.batch?.nextOffset ?? this.position;
  }

  /** True if the current batch is done and another waits for `refill`. */
  get wantsRefill(): boolean {
    return this.batch === undefined && this.#later.length > 0;
  }

  /** True if there is a next record. */
  get hasNext(): boolean {
    return this.batch !== undefined && this.index + 1 < this.batch.count;
  }

  /** Timestamp of the next record; there must be one. */
  get headTime(): number {
    return (this.#times as Float64Array)[this.index + 1] as number;
  }

  /**
   * Hands unprocessed records back. They are read again from `position` in the next cycle, so that
   * a cycle depends only on committed data.
   */
  clear(): void {
    this.#guard.endCycle();
    this.batch = undefined;
    this.#later.length = 0;
  }

  /** Timestamp of the current record in the log, ms UTC. */
  get loggedTime(): number {
    return this.batch?.timestamps[this.index] as number;
  }

  /** Makes the next record current and returns its timestamp, ms UTC. */
  take(): number {
    this.index++;
    const batch = this.batch as PackedBatch;
    this.position = (batch.offsets[this.index] as number) + 1;
    return (this.#times as Float64Array)[this.index] as number;
  }

  /** Makes the current record the next one again. */
  giveBack(): void {
    this.position = (this.batch as PackedBatch).offsets[this.index] as number;
    this.index--;
  }

  /** The guard's verdict on the next record; there must be one. */
  verdict(wall: number | undefined, final: boolean): GuardVerdict {
    const { sourceTime } = this;
    if (this.#isUnquestioned || this.isRepartition || sourceTime === undefined) return 'take';
    const { greatest } = sourceTime;
    const limit = this.#guard.unquestionedTo(greatest, wall);
    // Neither source time nor the steady clock goes back, so this holds to the end of the batch.
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
   * The number of next records, at most `most`, that need no check: none is refused, waits, or
   * carries marks of upstream tasks. Call after `verdict`.
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

  /** Call when the current record is done: releases the batch after its last record. */
  settle(): void {
    if (this.batch !== undefined && this.index + 1 === this.batch.count) this.batch = undefined;
  }

  /**
   * Finds the keys of the batch's next records in the state, and adds those that must be loaded to
   * `wanted`, some more than once. Returns the greatest timestamp of the records.
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
   * Call before the current record is entered: warms its cells and those of the following records,
   * in groups.
   */
  warm(state: TaskState): void {
    if (this.index < this.#warmedTo) return;
    const to = Math.min(this.index + warmedTogether, (this.batch as PackedBatch).count);
    state.warm(this.rows, this.index, to);
    this.#warmedTo = to;
  }

  /** The greatest promise that the waiting records can lead to. For prefetching. */
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

  /** If the next record carries promises of upstream tasks, takes it and returns them. */
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
   * Why the current record has no valid time; undefined if it has.
   * @param timestamp the record's own, not below 0
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
   * The stand of the current record, according to its mark.
   * @param timestamp the record's own, ms UTC
   */
  markedStand(timestamp: number): number {
    return standIn(this.batch as PackedBatch, this.index) ?? timestamp;
  }

  /** Where the current record was first read, if its mark has that. */
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

  /** Value of the current record; throws if it cannot be decoded. */
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

/** The greatest time; NaN if one of them is not an instant. */
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

/** Headers of a record without its time marks. */
export function ownHeaders(at: RecordPlace): Uint8Array {
  const { batch, index } = at;
  if (batch === undefined) return emptyBytes;
  const bytes = batch.headerBytes(index);
  return bytes.byteLength === 0 ? bytes : bytes.subarray(at.markLength(index));
}
