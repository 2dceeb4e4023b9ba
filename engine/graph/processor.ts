/**
 * The contract between the engine and an operator. Records go depth first: a processor handles one
 * record completely, calling `receive` of the next ones as often as it likes, before it returns.
 *
 * The caller guarantees: one thread; records of a task in the order chosen by timestamp; the
 * context describes the record; cells of the current key are loaded. A processor may throw on a bad
 * record: the error policy decides, and the changes of the record in all steps (stores, outputs,
 * counters) are undone. A processor must not keep a key, value or context for later (use a store;
 * otherwise see `TaskContext.onUndo`), must not wait, and must not use a clock, randomness or I/O.
 */
import type { DropReason } from '../base/events.ts';
import type { World } from '../base/world.ts';
import type { Headers } from '../record/headers.ts';
import type { SourcePlace } from '../record/marks.ts';
import type { Cells, KeyedBy, StoreSpec } from './store-spec.ts';
import type { Sink } from './topic.ts';

export interface Receiver<in K = never, in V = never> {
  /**
   * @param timestamp event time, ms UTC
   * @param old on the edges of a table: the value before (undefined = none); never on a stream's
   */
  receive(key: K, value: V, timestamp: number, old?: V): void;
}

/** A receiver without types, which were checked where the step was created. */
export type AnyReceiver = Receiver<unknown, unknown>;

/** A receiver that ignores all records. */
export const discards: AnyReceiver = { receive() {} };

/** The interface of a task for its processors. */
export interface TaskContext {
  readonly partition: number;
  /**
   * The bytes of the current key as Latin-1 text (see base/bytes.ts); '' for a null key, which no
   * store accepts.
   */
  readonly keyText: string;
  /** @deprecated `keyText` */
  readonly keyId: string;
  /** Position of the current record; a timer has none, offset -1. */
  readonly origin: { readonly topic: string; readonly partition: number; readonly offset: number };
  /** Headers of the current record; empty for a timer. */
  headers(): Headers;
  /** The same as encoded bytes; a copy, so that state may keep it with the record. */
  headerBytes(): Uint8Array;
  /**
   * Runs `body` as for a record with these headers: for a buffered record that is forwarded now.
   */
  withHeaders(headers: Uint8Array, body: () => void): void;
  /** The task's stream time: the greatest timestamp so far, ms UTC; -Infinity at first. */
  readonly streamTime: number;
  /**
   * True if the task follows its sources: lateness by the record's own source partition, time by
   * the watermark. Otherwise each step follows its records.
   */
  readonly bySource: boolean;
  /**
   * The stand of the current record: the time of its source partition when it was read, ms UTC. A
   * step that releases results because time has passed, or joins earlier records, sets it for its
   * results and restores it.
   */
  stand: number;
  /** How far time has passed for every step, ms UTC; only in tasks that follow their sources. */
  readonly passedTime: number;
  /** Where the current record was first read, if records are ordered by time; set like `stand`. */
  place: SourcePlace | undefined;
  /** How far time has passed without records, ms UTC; -Infinity if unknown. */
  readonly idleClock: number;
  /**
   * Runs `body` with another current key, e.g. to close its windows. Its cells must be loaded. It
   * is a separate unit of work: if it fails, its changes are undone and it becomes a dead letter of
   * that key, while the current record continues. Cells that were read before must be read again
   * afterwards.
   */
  enter<K>(keyText: string, spec: KeyedBy<K>, body: (key: K) => void): void;
  /** The same without decoding the key. */
  enterUndecoded(keyText: string, body: () => void): void;
  /** @deprecated `enterUndecoded` */
  enterId(keyText: string, body: () => void): void;
  /** Counts a record that has no effect. */
  drop(step: string, reason: DropReason): void;
  /** Refuses the current record: it becomes a dead letter with its source bytes. Throws. */
  deadLetter(step: string, reason: string): void;
  /**
   * Call before changing anything outside of the step's stores: the current record then counts as
   * having changed state. If it returns true, call `onUndo`.
   */
  touch(): boolean;
  /**
   * Registers how to undo a change outside of the step's stores, if the current record fails later.
   * Call it when `touch` returns true.
   */
  onUndo(undo: () => void): void;
  /** Writes a record to a topic, at the commit. The partition follows from the key. */
  emit<K, V>(sink: Sink<K, V>, key: K, value: V | null, timestamp: number, headers?: Headers): void;
}

/** A row of a global table. */
export interface GlobalRow {
  readonly value: unknown;
  /** ms UTC. */
  readonly timestamp: number;
}

/** A step that acts when time passes. */
export interface TimedStep {
  /** Its next due instant, ms UTC; +Infinity for never. */
  nextDue(): number;
  /** Time has passed up to `until` (ms UTC): no later record has a stand before it. */
  pass(until: number): void;
  /** The same without records, including what falls due at `until` itself. Default: as `pass`. */
  passIdle?(until: number): void;
  /** The input has ended: releases everything that still waits, as if time had passed it. */
  end(): void;
  /**
   * The same for everything due up to `until` (ms UTC, see `nextDue`), for steps whose relative
   * order is visible.
   */
  endUntil?(until: number): void;
  /**
   * True if the step buffers records: at the end of the input, earlier due work of other steps runs
   * before each.
   */
  readonly holdsRecords?: boolean;
}

/** The argument of `Step.build`: the context, the stores by name, and the outputs. */
export interface BuildContext {
  readonly task: TaskContext;
  cells<C>(spec: StoreSpec<unknown, C>): Cells<C>;
  /** The row of a global table, by the topic's name and the text of its key. */
  globalRow(topic: string, keyText: string): GlobalRow | undefined;
  /** Receiver of the step's output number `port`; 0 is the main one. */
  output(port: number): AnyReceiver;
  /** Registers a step that acts when time passes other than by its own records. */
  onTime(step: TimedStep): void;
  /**
   * Registers a call, between two cycles, when the wall clock has passed one or more multiples of
   * the step's `wallClockMs`. `now` is the wall time, ms UTC; cells of stores on the wall clock
   * that are due by then are loaded.
   */
  onWallClock(tick: (now: number) => void): void;
  /**
   * Wraps time-driven work of a step, so that its error becomes a dead letter of its key and not of
   * the current record.
   */
  timer(inner: AnyReceiver): AnyReceiver;
  /**
   * Suspends the current record (key, position, headers) and returns a function that resumes it: in
   * the same commit, while `onSettle` runs. An error of `body` is the step's error on that record.
   */
  suspend(): Resume;
  /**
   * Registers work to wait for, after the records of a round and before the commit. All suspended
   * records must have been resumed when the promise resolves.
   */
  onSettle(settle: () => Promise<void>): void;
  /**
   * Registers a call after the records of a cycle and before its commit, upstream first. There is
   * no current record then; the cells of all keys of the cycle are loaded.
   */
  onCommit(release: () => void): void;
  /** Time and randomness for steps that call outside services; results must not depend on them. */
  readonly world: World;
}

export type Resume = (body: () => void) => void;
