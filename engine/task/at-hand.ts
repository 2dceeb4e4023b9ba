/**
 * The current unit of work of a task: a record, a result that time releases, or suspended work that
 * continues. Each unit runs in its own frame. Frames nest: a timer that fires while a record is
 * processed has a frame within the record's. Code that enters a frame also leaves it, so the
 * enclosing frame is unchanged.
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
  /** Where the record was first read; only if records are ordered by time. */
  place: SourcePlace | undefined = undefined;
  /** The record's stand: the time of its source partition when it was read, ms UTC. */
  stand = unknown;
  /** Timestamp of the record, ms UTC. */
  timestamp = 0;
  /** Worst outcome of the record so far. */
  outcome: number = processed;
  /** The frame whose outcome is counted: the frame of the record that this one is part of. */
  counted: Frame = this;
  /** False inside `enter` with another key than the record's: results do not get its headers. */
  ownsHeaders = true;
  /** Headers of a buffered record, while it is forwarded. */
  headers: Uint8Array | undefined = undefined;
  /** Why the unit was refused; undefined if it was not. */
  failure: Failure | undefined = undefined;
  /** True for a unit within a record, or outside of all records. */
  isApart = false;
  /** The unit, as suspended work refers to it. */
  unit: SuspendedUnit | undefined = undefined;
  /** The suspended copy of the record. */
  suspended: Suspended | undefined = undefined;
  /** Text of the enclosing frame's key, if it differs. */
  keyBefore: string | undefined = undefined;
}

export class AtHand {
  readonly partition: number;
  /**
   * True if the task follows its sources: lateness by the record's own source partition, time by
   * the watermark.
   */
  readonly bySource: boolean;
  /** Greatest timestamp of a record so far, ms UTC; -Infinity at first. */
  streamTime = Number.NEGATIVE_INFINITY;
  /** The outermost frame, in which records of a queue run. */
  readonly record = new Frame();
  /** The innermost frame. */
  frame: Frame = this.record;
  readonly #state: TaskState;
  /** Frames by depth, for reuse. */
  readonly #frames: Frame[] = [this.record];
  #depth = 0;
  /** The record's queue until the id of its key is first needed; without stores that is rare. */
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

  /** Makes the key of the queue's record current; its id is computed on first use. */
  nameLater(queue: SourceQueue): void {
    this.#unnamed = queue;
  }

  /** Clears the current key. */
  forgetKey(): void {
    this.#unnamed = undefined;
    this.#state.keyText = '';
  }

  /** Returns a frame within the current one, as its copy; enter it before requesting another. */
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
   * @param keyText id of the current key inside; undefined: unchanged
   */
  enter(frame: Frame, keyText?: string): Frame {
    const outer = this.frame;
    frame.keyBefore = keyText === undefined ? undefined : this.keyText;
    if (keyText !== undefined) this.#state.keyText = keyText;
    this.frame = frame;
    this.#depth++;
    return outer;
  }

  /** Leaves the current frame. @param outer result of its `enter` */
  leave(outer: Frame): void {
    const { keyBefore } = this.frame;
    if (keyBefore !== undefined) this.#state.keyText = keyBefore;
    this.frame = outer;
    this.#depth--;
  }

  /** Runs work that does not belong to the current record. */
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
