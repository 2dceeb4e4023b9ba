/**
 * The contract between the engine and an operator. Records go depth first: a processor handles one
 * record completely, calling `receive` of the next ones as often as it likes, before it returns.
 *
 * The caller guarantees: one thread; records of a task in the order chosen by timestamp; the
 * context describes the record; cells of the current key are loaded. A processor may throw on a bad
 * record: the error policy decides, and what the record has done in any step (stores, outputs,
 * counters) is taken back. It must not keep a key, value or context for later (the store is for
 * that; else see `TaskContext.onUndo`), must not wait, and must not look at a clock, at chance or
 * at the world.
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

/** Any receiver, when the types were checked where the step was made. */
export type AnyReceiver = Receiver<unknown, unknown>;

/** Where nobody reads what comes. */
export const discards: AnyReceiver = { receive() {} };

/** What a processor may ask of the task that runs it. */
export interface TaskContext {
  readonly partition: number;
  /**
   * The bytes of the current key as Latin-1 text, see base/bytes.ts; '' for a null key (which no
   * store accepts).
   */
  readonly keyText: string;
  /** @deprecated `keyText` */
  readonly keyId: string;
  /** Position of the record at hand; a timer has none, offset -1. */
  readonly origin: { readonly topic: string; readonly partition: number; readonly offset: number };
  /** Headers of the record at hand; empty for a timer. */
  headers(): Headers;
  /** The same as they are written; a copy, so that state may keep it with the record. */
  headerBytes(): Uint8Array;
  /** Runs `body` as for a record with these headers: one that state has kept and lets go on now. */
  withHeaders(headers: Uint8Array, body: () => void): void;
  /** The task's stream time: the greatest timestamp it has taken in, ms UTC; -Infinity at first. */
  readonly streamTime: number;
  /**
   * Records are late by their own source partition, and the watermark makes time pass; else each
   * step goes by its records.
   */
  readonly bySource: boolean;
  /**
   * How far the source partition of the record at hand had come when it was read, ms UTC. A step
   * that lets something go because time has passed, or joins what came before, sets it for its
   * results and sets it back.
   */
  stand: number;
  /** Time has passed up to here for every step, ms UTC; by source only. */
  readonly passedTime: number;
  /**
   * Where the record at hand was read first, where records are put in order of time; set as `stand`
   * is.
   */
  place: SourcePlace | undefined;
  /** How far time is known to have passed without records, ms UTC; -Infinity when nobody said. */
  readonly idleClock: number;
  /**
   * Runs `body` with another current key, e.g. to close its windows. Its cells must be loaded. It
   * is a unit of work of its own: what fails in it is taken back and becomes a dead letter of that
   * key, while the record at hand goes on. Cells that were read before must be read again after it.
   */
  enter<K>(keyText: string, spec: KeyedBy<K>, body: (key: K) => void): void;
  /** The same for who knows the key already, or does not ask for it. */
  enterUndecoded(keyText: string, body: () => void): void;
  /** @deprecated `enterUndecoded` */
  enterId(keyText: string, body: () => void): void;
  /** Counts a record that has no effect. */
  drop(step: string, reason: DropReason): void;
  /** Refuses the record at hand: it goes to the dead letters with its source bytes. Throws. */
  deadLetter(step: string, reason: string): void;
  /**
   * To be called by a step that notes something outside of its stores: the record at hand leaves a
   * trace. True when `onUndo` is to be told how to take it back.
   */
  touch(): boolean;
  /**
   * Says how to take back what the step has just noted outside of its stores, should the record at
   * hand fail later. To be called when `touch` answers true.
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

/** A step that acts when time has passed. */
export interface TimedStep {
  /** The next instant at which it has something to do, ms UTC; +Infinity for never. */
  nextDue(): number;
  /** Time has passed up to `until`, and no record that comes later stands before it, ms UTC. */
  pass(until: number): void;
  /**
   * The same without records: also what falls due at `until` itself is done. Default: as `pass`.
   */
  passIdle?(until: number): void;
  /** The input has ended: all that still waits is done, as if time had passed it. */
  end(): void;
  /**
   * The same of what is due up to `until`, ms UTC (`nextDue`): for steps whose order among each
   * other users see.
   */
  endUntil?(until: number): void;
  /** What waits are records: at the end of the input, what is due before one is done before it. */
  readonly holdsRecords?: boolean;
}

/** What `Step.build` gets: the context, its stores by name, and where its results go. */
export interface BuildContext {
  readonly task: TaskContext;
  cells<C>(spec: StoreSpec<unknown, C>): Cells<C>;
  /** The row of a global table, by the topic's name and the text of its key. */
  globalRow(topic: string, keyText: string): GlobalRow | undefined;
  /** Receiver of the step's output number `port`; 0 is the main one. */
  output(port: number): AnyReceiver;
  /** Asks to be called when time passes that is not the step's records' own. */
  onTime(step: TimedStep): void;
  /**
   * Asks to be called, between two cycles, when the wall clock has passed a multiple of the step's
   * `wallClockMs`; once, however many it has passed. `now` is how far it is, ms UTC; cells of
   * stores on the wall clock that are due by then are loaded.
   */
  onWallClock(tick: (now: number) => void): void;
  /**
   * Wraps what a step runs because time has passed, so that its error is a dead letter of its key
   * and not of the record at hand.
   */
  timer(inner: AnyReceiver): AnyReceiver;
  /**
   * Keeps the record at hand (its key, position, headers) and answers how to go on with it: in the
   * same commit, while `onSettle` runs. What `body` throws is the step's error on that record.
   */
  suspend(): Resume;
  /**
   * Asks to be waited for: when the task has taken the records of a round, before its commit. All
   * that was suspended must have gone on when the promise resolves.
   */
  onSettle(settle: () => Promise<void>): void;
  /**
   * Asks to be called when the records of a cycle have been taken, before its commit; upstream
   * first. There is no record at hand then; the cells of all keys that the cycle met are loaded.
   */
  onCommit(release: () => void): void;
  /** Time and chance for steps that ask the world outside; results must not depend on them. */
  readonly world: World;
}

export type Resume = (body: () => void) => void;
