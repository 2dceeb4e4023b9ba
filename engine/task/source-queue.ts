/**
 * The records of one source partition that a task holds and has not taken yet. Times come from the
 * log, or from the author's extractor, which needs the values: then they are decoded ahead, once.
 */

import { emptyBytes, latin1 } from '../base/bytes.ts';
import { messageOf } from '../base/errors.ts';
import { refusePromise } from '../base/promises.ts';
import type { SourceOptions } from '../graph/node.ts';
import type { AnyReceiver } from '../graph/processor.ts';
import type { Source } from '../graph/topic.ts';
import type { PackedBatch } from '../record/batch.ts';
import {
  decodePromises,
  markedPlace,
  markedStand,
  type SourcePlace,
  standMarkLength,
  type ToldPromise,
} from '../record/marks.ts';
import { isChecked } from '../serde/faithful.ts';
import { knownKey } from '../serde/serde.ts';
import { warmedTogether } from '../state/entry-table.ts';
import type { TaskState } from '../state/task-state.ts';
import {
  defaultMaxAheadMs,
  defaultMaxJumpMs,
  type GuardSettings,
  type GuardVerdict,
  judge,
  unquestionedTo,
} from '../time/guard.ts';
import { instantProblem, isInstant, SourceTime, type UpstreamTime } from '../time/watermark.ts';
import type { ReadLimits } from './read-limits.ts';
import type { RecordPlace } from './suspended.ts';

/** A value that could not be decoded, or a time that could not be told; kept until its turn. */
class Undecodable {
  readonly problem: string;
  constructor(problem: string) {
    this.problem = problem;
  }
}

/** So often, cycle by cycle, the records after one are asked for that it is judged by: they may be too large to come together. */
const asksMost = 50;

/** Records after the one at `offset`; they ended at `end`. */
interface Asked {
  readonly offset: number;
  readonly end: number;
  readonly times: number;
}

export class SourceQueue {
  /** Name in the log. */
  readonly topic: string;
  readonly source: Source<unknown, unknown>;
  readonly options: SourceOptions;
  readonly receiver: AnyReceiver;
  /** How far the topic's partition has come; of a repartition topic that tells, by its upstream tasks. */
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
  readonly #guard: GuardSettings;
  /** What was asked for in the last cycle, and is in this one. */
  #asked: Asked | undefined;
  #asking: Asked | undefined;
  /**
   * What was said of the next record. It stands, whatever is read with the record in the next cycle: another topic's
   * record may be waited for meanwhile.
   */
  #judged: { readonly offset: number; readonly verdict: GuardVerdict } | undefined;
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
    time: SourceTime | UpstreamTime = new SourceTime(options.disorder),
    isRepartition = false,
  ) {
    const { maxAhead = defaultMaxAheadMs, maxJump = defaultMaxJumpMs } = options;
    this.#guard = { maxAheadMs: maxAhead, maxJumpMs: maxJump };
    this.time = time;
    this.sourceTime = time instanceof SourceTime ? time : undefined;
    this.isRepartition = isRepartition;
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
   * Hands back what was not taken. It is read again from `position` in the next cycle, so that a cycle
   * depends on nothing but what is committed.
   */
  clear(): void {
    this.#asked = this.#asking;
    this.#asking = undefined;
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
    const limit = unquestionedTo(this.#guard, greatest, wall);
    // Neither source time nor the steady clock goes back: this holds to the end of the batch.
    this.#isUnquestioned = this.#greatest <= limit;
    const at = this.index + 1;
    const timestamp = this.headTime;
    if (timestamp <= limit || !isInstant(timestamp)) return 'take';
    const offset = (this.batch as PackedBatch).offsets[at] as number;
    if (this.#judged?.offset === offset) return this.#judged.verdict;
    const verdict = judge(this.#guard, timestamp, {
      greatest,
      wall,
      final,
      next: (n) => this.#timeAfter(at + n),
      more: this.#hasMore(offset),
    });
    if (verdict === 'take' || verdict === 'refuse') this.#judged = { offset, verdict };
    return verdict;
  }

  /**
   * Of the next records, at most `most`, how many can be taken without a question: none is refused,
   * waits, or tells of upstream tasks. To be asked after `verdict`.
   */
  plainAhead(most: number, readTo: number): number {
    if (!this.#isUnquestioned || this.isRepartition || this.#greatest > readTo) return 0;
    return Math.min(most, (this.batch as PackedBatch).count - 1 - this.index);
  }

  /** Records that follow those that are there can be had: not if they were asked for often, and none came. */
  #hasMore(offset: number): boolean {
    if (this.caughtUp) return false;
    const { end } = this;
    const { times = 0 } = this.#askedFor(offset, end) ?? {};
    this.#asking = { offset, end, times: times + 1 };
    return times < asksMost;
  }

  #askedFor(offset: number, end: number): Asked | undefined {
    const asked = this.#asked;
    return asked?.offset === offset && asked.end === end ? asked : undefined;
  }

  /** Time of record `i` of the batch, or of those after it. */
  #timeAfter(i: number): number | undefined {
    const batch = this.batch as PackedBatch;
    if (i < batch.count) return (this.#times as Float64Array)[i] as number;
    let left = i - batch.count;
    for (const later of this.#later) {
      if (left < later.count) return this.#timeOf(later, left);
      left -= later.count;
    }
    return undefined;
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
    const to = Math.min(this.index + warmedTogether, (this.batch as PackedBatch).count);
    state.approach(this.rows, this.index, to);
    this.#approached = to;
  }

  /**
   * What the records that wait can make the partition promise, at most; beyond what it promises now. For prefetching.
   */
  get promiseAhead(): number {
    const { batch, time } = this;
    if (!(time instanceof SourceTime))
      return batch === undefined ? time.promise : this.#toldAhead();
    let greatest = time.promise;
    if (batch === undefined) return greatest;
    const times = this.#times as Float64Array;
    for (let i = this.index + 1; i < batch.count; i++) {
      if ((times[i] as number) > greatest) greatest = times[i] as number;
    }
    return greatest;
  }

  #toldAhead(): number {
    const batch = this.batch as PackedBatch;
    let greatest = this.time.promise;
    for (let i = this.index + 1; i < batch.count; i++) {
      if (batch.keyLengths[i] !== -1) continue;
      for (const { promise } of decodePromises(batch.headerBytes(i)) ?? []) {
        if (promise > greatest && Number.isFinite(promise)) greatest = promise;
      }
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

  /** Why the record at hand has no time to go by; undefined when it has. @param timestamp its own, not below 0 */
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
    const { batch } = this;
    if (!this.isRepartition || batch === undefined) return 0;
    const at = batch.valueStart(i) + Math.max(0, batch.valueLengths[i] as number);
    const end = batch.starts[i + 1] as number;
    return at === end ? 0 : standMarkLength(batch.bytes, at, end);
  }

  /** How far the source partition of the record at hand stood, as it says. @param timestamp its own, ms UTC */
  markedStand(timestamp: number): number {
    const batch = this.batch as PackedBatch;
    const at = batch.valueStart(this.index) + Math.max(0, batch.valueLengths[this.index] as number);
    const end = batch.starts[this.index + 1] as number;
    if (at === end || standMarkLength(batch.bytes, at, end) === 0) return timestamp;
    return markedStand(batch.bytes, at);
  }

  /** Where the record at hand was read first, if it says so. */
  markedPlace(): SourcePlace | undefined {
    const length = this.markLength(this.index);
    if (length === 0) return undefined;
    const batch = this.batch as PackedBatch;
    const at = batch.valueStart(this.index) + Math.max(0, batch.valueLengths[this.index] as number);
    return markedPlace(batch.bytes, at, length);
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
    this.#readTimesAhead(batch);
    this.#greatest = greatestOf(this.#times as Float64Array, this.index + 1);
    this.#isUnquestioned = this.isRepartition && !Number.isNaN(this.#greatest);
    this.isRefused = false;
  }

  #readTimesAhead(batch: PackedBatch): void {
    const { time } = this.options;
    if (time === undefined) return;
    const extract = time as unknown as (value: unknown, key: unknown, timestamp: number) => number;
    this.#times = new Float64Array(batch.count);
    this.#values = new Array<unknown>(batch.count);
    for (let i = 0; i < batch.count; i++) this.#readAhead(batch, i, extract);
  }

  /** Time of a record of a batch that has not begun. */
  #timeOf(batch: PackedBatch, i: number): number {
    const logged = batch.timestamps[i] as number;
    const { time } = this.options;
    if (time === undefined) return logged;
    try {
      const value = this.#decode(batch, i);
      if (value === null) return logged;
      const told: unknown = time(value as never, this.#keyOf(batch, i) as never, logged);
      return isInstant(told) ? told : logged;
    } catch {
      return logged;
    }
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
      // The log's own may be negative: then the record is dropped and counted.
      if (isInstant(told) || told === logged) times[i] = told;
      else values[i] = new Undecodable(`its time is ${String(told)}, ${notAnInstant(told)}`);
    } catch (error) {
      values[i] = new Undecodable(messageOf(error));
    }
  }

  /** Key of record `i`, decoded; throws when it cannot be. @param keyId its id, '' where nobody knows it yet */
  key(i: number, keyId = ''): unknown {
    return this.#keyOf(this.batch as PackedBatch, i, keyId);
  }

  #keyOf(batch: PackedBatch, i: number, keyId = ''): unknown {
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

function notAnInstant(time: unknown): string {
  return Number.isFinite(time)
    ? 'not whole milliseconds from 0 to 8.64e15'
    : 'not a number of milliseconds';
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

/** The queue with the smallest head timestamp; undefined when one must be waited for, or all are empty. */
export function nextQueue(
  queues: readonly SourceQueue[],
  limits: ReadLimits,
): SourceQueue | undefined {
  if (limits.stops) return undefined;
  let next: SourceQueue | undefined;
  let wantsMore = false;
  for (const queue of queues) {
    if (!queue.hasNext) {
      if (!queue.caughtUp || queue.wantsRefill) return undefined;
      continue;
    }
    if (!queue.isRepartition) {
      const verdict = queue.verdict(limits.wall, limits.isFinal);
      if (verdict === 'more') {
        limits.wants.add(queue.topic);
        wantsMore = true;
        continue;
      }
      if (verdict === 'wait') {
        limits.undecided.add(queue.topic);
        continue;
      }
      if (queue.headTime > limits.readTo) {
        limits.waiting.add(queue.topic);
        continue;
      }
      queue.isRefused = verdict === 'refuse';
    }
    if (next === undefined || queue.headTime < next.headTime) next = queue;
  }
  return wantsMore ? undefined : next;
}
