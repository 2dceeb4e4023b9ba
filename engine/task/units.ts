/**
 * How a unit of work ends: successfully, or refused. A refused unit leaves only its dead letter (or
 * the result of the author's handler). If it has changed state, the cycle is abandoned
 * (CYCLE_REPEATED) and the task is reopened at its last commit. For some cycles the task is then
 * *careful*: it notes how to undo each record's changes, and checks that the state can be encoded.
 * Other tasks do not pay for this.
 */
import { isFatal } from '../base/assert.ts';
import { messageOf } from '../base/errors.ts';
import type { DropReason, FailureStage } from '../base/events.ts';
import { ignoreRejection } from '../base/promises.ts';
import type { TaskState } from '../state/task-state.ts';
import { UndoLog } from '../state/undo-log.ts';
import type { AtHand, Frame } from './at-hand.ts';
import { callSitesOf } from './chain.ts';
import type { Place } from './chain-task.ts';
import {
  deadLettered,
  decrease,
  dropped,
  increase,
  type TaskCounters,
  zeroCounters,
} from './counters.ts';
import { writeDeadLetter } from './dead-letter.ts';
import {
  cycleRepeated,
  type Failure,
  placeOf,
  recordFailed,
  recordRefused,
  unkeptError,
} from './failure.ts';
import type { Outputs } from './outputs.ts';
import type { ReadLimits } from './read-limits.ts';
import type { Attempt } from './retried.ts';
import { answerTo, stopsAt } from './retries.ts';
import type { TaskOptions } from './task-options.ts';

type UnitOptions = Pick<
  TaskOptions,
  'application' | 'topology' | 'part' | 'partition' | 'state' | 'onError' | 'retries' | 'careful'
>;

export class Units {
  counters: TaskCounters = zeroCounters();
  /** Where a careful task notes its changes; undefined while it is not careful. */
  undo: UndoLog | undefined;
  readonly #options: UnitOptions;
  readonly #hand: AtHand;
  readonly #state: TaskState;
  readonly #outputs: Outputs;
  readonly #reading: ReadLimits;
  /** Cycles for which it stays careful. */
  #careful: number;
  readonly #callSites: ReadonlyMap<string, string>;

  constructor(options: UnitOptions, hand: AtHand, outputs: Outputs, reading: ReadLimits) {
    this.#options = options;
    this.#hand = hand;
    this.#state = options.state;
    this.#outputs = outputs;
    this.#reading = reading;
    this.#callSites = callSitesOf(options.topology);
    this.#careful = options.careful ?? 0;
    if (this.#careful > 0) this.#beCareful(new UndoLog());
  }

  /** Begins a unit; pass the result to `end` or `keep`. */
  begin(): number {
    return this.undo === undefined ? 0 : this.undo.begin();
  }

  /** Merges the unit's changes into the enclosing unit. @param outer result of its `begin` */
  keep(outer: number): void {
    this.undo?.end(outer);
  }

  /**
   * Ends the current unit. If it was refused, undoes its changes, writes its dead letter (or does
   * what the author's handler says), and returns true.
   * @param touches the state's count when the unit began
   * @param outer result of its `begin`
   * @param mayWait true for the current record of a queue
   */
  end(touches: number, outer: number, mayWait = false): boolean {
    const { frame } = this.#hand;
    const { undo } = this;
    const unkept = undo && frame.failure === undefined && this.#state.problemIn(undo);
    if (unkept) this.fail('process', placeOf(unkept, this.#callSites), unkeptError(unkept));
    const { failure, record } = frame;
    if (failure === undefined) {
      undo?.end(outer);
      return false;
    }
    const { origin } = this.#hand;
    frame.failure = undefined;
    this.#takeBack(touches, outer, failure);
    const answer = answerTo(this.#options, failure, record, origin, frame.timestamp);
    if (answer === 'fail') throw recordFailed(failure, origin);
    if (answer === 'skip') this.drop(failure.step, 'skipped');
    else if (answer === 'deadLetter' || record === undefined) this.#writeDeadLetter(failure);
    else if (mayWait) {
      this.#options.retries.wait(record, answer.retryAfterMs);
      this.#reading.stops = true;
    } else throw cycleRepeated(this.#options, failure.step, messageOf(failure.error));
    return true;
  }

  /**
   * Runs a unit within the current one.
   * @param frame its frame, from `AtHand.inner`
   * @param keyText see `AtHand.enter`
   */
  apart(place: Place, frame: Frame, keyText: string | undefined, body: () => void): void {
    const hand = this.#hand;
    // User code continued although its record was refused.
    if (frame.failure !== undefined) throw recordRefused;
    const { touches } = this.#state;
    const { counted } = frame;
    const { outcome } = counted;
    const undone = this.begin();
    const outer = hand.enter(frame, keyText);
    try {
      try {
        body();
      } catch (error) {
        this.note(error, place);
      }
      frame.record = undefined;
      const isRefused = this.end(touches, undone);
      if (isRefused) counted.outcome = outcome;
      this.noteSuspended(touches, isRefused);
    } finally {
      hand.leave(outer);
    }
  }

  /** Ends the current unit, except for its suspended parts. */
  noteSuspended(touches: number, isRefused: boolean): void {
    const { frame } = this.#hand;
    const { unit } = frame;
    if (unit === undefined) return;
    unit.touched = this.#state.touches !== touches;
    unit.failed = isRefused;
    frame.unit = undefined;
  }

  /** Begins one of several attempts of a step; its changes are undone before the next one. */
  attempt(place: Place): Attempt {
    const { touches } = this.#state;
    const outer = this.begin();
    return {
      done: () => this.keep(outer),
      isOver: (error) => this.#hand.frame.failure !== undefined || isFatal(error),
      giveUp: (error) => this.note(error, place),
      takeBack: (error) => this.#takeBack(touches, outer, { ...place, stage: 'process', error }),
    };
  }

  /** Counts a record that has no effect. */
  drop(step: string, reason: DropReason): void {
    const place = `${step}|${reason}`;
    const { counted } = this.#hand.frame;
    const { outcome } = counted;
    this.#state.touches++;
    increase(this.counters.drops, place);
    if (outcome < dropped) counted.outcome = dropped;
    this.undo?.note(() => {
      decrease(this.counters.drops, place);
      counted.outcome = outcome;
    });
  }

  /** Notes an error caught around a step, unless an inner step has already refused the record. */
  note(error: unknown, place: Place): void {
    if (isFatal(error)) throw error;
    if (error !== recordRefused || this.#hand.frame.failure === undefined) {
      this.fail('process', place, error);
    }
  }

  /** Refuses the current unit, and leaves its steps by an exception. */
  refuse(stage: FailureStage, place: Place, error: unknown): never {
    this.fail(stage, place, error);
    throw recordRefused;
  }

  /**
   * Marks the current unit as refused; the first reason counts. Throws if the policy is to stop.
   */
  fail(stage: FailureStage, { step, callSite }: Place, error: unknown): void {
    ignoreRejection(error);
    const { frame } = this.#hand;
    if (frame.failure !== undefined) return;
    const failure = { stage, step, callSite, error };
    if (stopsAt(this.#options, failure)) throw recordFailed(failure, this.#hand.origin);
    frame.failure = failure;
  }

  /** Ends a cycle, and counts it if the task is careful. */
  endCycle(): void {
    this.undo?.clear();
    if (this.undo !== undefined && --this.#careful <= 0) this.#beCareful(undefined);
  }

  /** Returns the counters of the cycle. */
  takeCounters(): TaskCounters {
    const { counters } = this;
    this.counters = zeroCounters();
    return counters;
  }

  #beCareful(undo: UndoLog | undefined): void {
    this.undo = undo;
    this.#state.undo = undo;
  }

  /** Undoes the changes of the current unit; without an undo log, the cycle must be repeated. */
  #takeBack(touches: number, outer: number, { step, error }: Failure): void {
    if (this.undo !== undefined) {
      this.undo.rollback();
      this.undo.end(outer);
      this.#careful = this.#options.careful ?? 0;
    } else if (this.#state.touches !== touches) {
      throw cycleRepeated(this.#options, step, messageOf(error));
    }
  }

  #writeDeadLetter(failure: Failure): void {
    const place = `${failure.step}|${failure.stage}`;
    const { frame, origin, keyText } = this.#hand;
    const { counted, record } = frame;
    const { outcome } = counted;
    const batch = writeDeadLetter(this.#outputs, this.#options.application, failure, {
      record,
      keyText: record === undefined ? keyText : '',
      origin: { ...origin, timestamp: frame.timestamp },
    });
    this.#state.touches++;
    increase(this.counters.failures, place);
    counted.outcome = deadLettered;
    this.undo?.note(() => {
      batch.dropLast();
      decrease(this.counters.failures, place);
      counted.outcome = outcome;
    });
  }
}
