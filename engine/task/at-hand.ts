/**
 * What a task is at. A unit of work is a record, a result that time lets go, or what a step had
 * kept for later; each runs in a frame of its own. Frames nest: a timer that fires while a record
 * is processed has a frame within the record's. Whoever enters a frame leaves it, so the one around
 * it is found as it was.
 */
import { emptyBytes } from '../base/bytes.ts';
import type { SourcePlace } from '../record/marks.ts';
import type { TaskState } from '../state/task-state.ts';
import { unknown } from '../time/watermark.ts';
import { processed } from './counters.ts';
import type { Failure } from './failure.ts';
import { ownHeaders, type SourceQueue } from './source-queue.ts';
import type { RecordPlace, Suspended, SuspendedUnit } from './suspended.ts';

export class Frame {
  /** The record; undefined while a timer runs. */
  record: RecordPlace | undefined = undefined;
  /** Where the record was read first; only where records are put in order of time. */
  place: SourcePlace | undefined = undefined;
  /** How far the source partition of the record stood when it was read, ms UTC. */
  stand = unknown;
  /** Of the record, ms UTC. */
  timestamp = 0;
  /** Worst thing that happened to the record. */
  outcome: number = processed;
  /** The frame whose outcome is counted: that of the record of which this one is a part. */
  counted: Frame = this;
  /** False inside `enter` with another key than the record's: results do not get its headers. */
  ownsHeaders = true;
  /** Headers of a record that state had kept, while it goes on. */
  headers: Uint8Array | undefined = undefined;
  /** Why the unit is refused; undefined while it is not. */
  failure: Failure | undefined = undefined;
  /** The unit is one within a record, or beside all records. */
  isApart = false;
  /** What was suspended of the unit knows it by this. */
  unit: SuspendedUnit | undefined = undefined;
  /** What was kept of the record. */
  suspended: Suspended | undefined = undefined;
  /** Text of the key around the frame, where it has another one. */
  keyBefore: string | undefined = undefined;
}

export class AtHand {
  readonly partition: number;
  /** Records are late by their own source partition, and the watermark makes time pass. */
  readonly bySource: boolean;
  /** Greatest timestamp that was taken in, ms UTC; -Infinity at first. */
  streamTime = Number.NEGATIVE_INFINITY;
  /** The outermost frame: records that are taken from a queue run in it. */
  readonly record = new Frame();
  /** The innermost frame. */
  frame: Frame = this.record;
  readonly #state: TaskState;
  /** Frames by depth, which are used again. */
  readonly #frames: Frame[] = [this.record];
  #depth = 0;
  /**
   * Where the record lies, while nobody has asked for the id of its key: without stores hardly
   * anybody does.
   */
  #unnamed: SourceQueue | undefined;

  constructor(state: TaskState, partition: number, bySource: boolean) {
    this.#state = state;
    this.partition = partition;
    this.bySource = bySource;
  }

  /** Text of the current key; '' for a null key. */
  get keyText(): string {
    const queue = this.#unnamed;
    if (queue !== undefined) {
      this.#unnamed = undefined;
      this.#state.keyText = queue.keyTextOf(queue.index);
    }
    return this.#state.keyText;
  }

  /** Position of the record; a timer has none, offset -1. */
  get origin(): { topic: string; partition: number; offset: number } {
    const { record } = this.frame;
    const offset = record === undefined ? -1 : record.position - 1;
    return { topic: record?.topic ?? '', partition: this.partition, offset };
  }

  /** Headers that results get; empty for a timer. Not a copy. */
  headerBytes(): Uint8Array {
    const { headers, record, ownsHeaders } = this.frame;
    if (headers !== undefined) return headers;
    return record === undefined || !ownsHeaders ? emptyBytes : ownHeaders(record);
  }

  /** The key of the queue's record is the current one; its id is told when somebody asks. */
  nameLater(queue: SourceQueue): void {
    this.#unnamed = queue;
  }

  /** No key is the current one. */
  forgetKey(): void {
    this.#unnamed = undefined;
    this.#state.keyText = '';
  }

  /**
   * A frame within the one at hand, which begins as its copy; to be entered before another is asked
   * for.
   */
  inner(): Frame {
    const { frame } = this;
    const depth = this.#depth + 1;
    let inner = this.#frames[depth];
    if (inner === undefined) {
      inner = new Frame();
      this.#frames.push(inner);
    }
    inner.record = frame.record;
    inner.place = frame.place;
    inner.stand = frame.stand;
    inner.timestamp = frame.timestamp;
    inner.counted = frame.counted;
    inner.ownsHeaders = frame.ownsHeaders;
    inner.headers = frame.headers;
    inner.failure = frame.failure;
    inner.isApart = true;
    inner.unit = undefined;
    inner.suspended = undefined;
    return inner;
  }

  /**
   * Enters a frame; returns the one around it, which `leave` takes.
   * @param keyText of the current key inside; undefined: it stays
   */
  enter(frame: Frame, keyText?: string): Frame {
    const outer = this.frame;
    frame.keyBefore = keyText === undefined ? undefined : this.keyText;
    if (keyText !== undefined) this.#state.keyText = keyText;
    this.frame = frame;
    this.#depth++;
    return outer;
  }

  /** Leaves the frame at hand. @param outer answer of its `enter` */
  leave(outer: Frame): void {
    const { keyBefore } = this.frame;
    if (keyBefore !== undefined) this.#state.keyText = keyBefore;
    this.frame = outer;
    this.#depth--;
  }

  /** Runs what has nothing to do with the record at hand. */
  beside(body: () => void): void {
    const frame = this.inner();
    frame.record = undefined;
    frame.place = undefined;
    frame.headers = undefined;
    frame.counted = frame;
    const outer = this.enter(frame);
    try {
      body();
    } finally {
      this.leave(outer);
    }
  }

  /** Runs `body` as for a record with these headers. */
  withHeaders(headers: Uint8Array, body: () => void): void {
    const { frame } = this;
    const before = frame.headers;
    frame.headers = headers;
    try {
      body();
    } finally {
      frame.headers = before;
    }
  }
}
