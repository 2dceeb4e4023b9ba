/**
 * A task: one sub-topology on one partition. It picks the next record by timestamp over its source
 * partitions, runs the operators on it, and collects what they write. `run` awaits once a round (the
 * prefetch). Calls to the world outside are awaited at the end of the round.
 */
import { isFatal } from '../base/assert.ts';
import { emptyBytes } from '../base/bytes.ts';
import { isMillraceError, messageOf } from '../base/errors.ts';
import type { DropReason, FailureStage } from '../base/events.ts';
import { ignoreRejection } from '../base/promises.ts';
import type { World } from '../base/world.ts';
import type { AnyReceiver, GlobalRow, Resume } from '../graph/processor.ts';
import type { Cells, StoreSpec } from '../graph/store-spec.ts';
import type { Sink } from '../graph/topic.ts';
import { decodeHeaders, encodeHeaders, type Headers } from '../record/headers.ts';
import type { SourcePlace } from '../record/marks.ts';
import { decodeKeyId } from '../serde/serde.ts';
import type { StoreChanges, TaskState } from '../state/task-state.ts';
import { UndoLog } from '../state/undo-log.ts';
import { instantProblem, isInstant, unknown } from '../time/watermark.ts';
import { buildChain, type Chain, type ChainTask, callSitesOf, repartitionNames } from './chain.ts';
import {
  countOutcome,
  deadLettered,
  decrease,
  dropped,
  increase,
  processed,
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
import { noteOut, noteWrite } from './noted-output.ts';
import { type OutputBatch, Outputs } from './outputs.ts';
import { prefetchRound } from './prefetch.ts';
import { ReadLimits } from './read-limits.ts';
import { retried } from './retried.ts';
import { answerTo, stopsAt } from './retries.ts';
import { nextQueue, ownHeaders, type SourceQueue } from './source-queue.ts';
import type { Place } from './step-context.ts';
import { keptPlace, type RecordPlace, type Suspended, type SuspendedUnit } from './suspended.ts';
import { TaskClock } from './task-clock.ts';
import type { PassingTime, TaskOptions } from './task-options.ts';
import { sourceQueues } from './task-sources.ts';
import { decodeSample, noTimings, type TaskTimings, toldApart } from './timings.ts';
import { passesMultiple, type WallClockSpan } from './wall-clock.ts';

/** Records between two looks at the dirty budget. */
const budgetEvery = 128;
/** A careful task that waits for the world outside record by record takes so many in a cycle. */
const awaitedMost = 256;

/**
 * A record that fails leaves only its dead letter. If it has changed something, the cycle is given up
 * (CYCLE_REPEATED) and the task reopened at its last commit. For some cycles it is then *careful*: it
 * notes how to undo each record's changes, and proves the state encodable. Others pay nothing for that.
 */
export class Task implements ChainTask {
  readonly partition: number;
  readonly world: World;
  readonly queues: readonly SourceQueue[];
  streamTime = Number.NEGATIVE_INFINITY;
  readonly bySource: boolean;
  stand = unknown;
  /** Where the record at hand was read first; only where records are put in order of time. */
  place: SourcePlace | undefined;
  readonly reading = new ReadLimits();
  /** How far the task is: what is kept of it, told of it, and shown. */
  readonly time: TaskClock;
  counters: TaskCounters = zeroCounters();
  timings: TaskTimings = noTimings();
  readonly #options: TaskOptions;
  readonly #state: TaskState;
  readonly #outputs: Outputs;
  readonly #chain: Chain;
  readonly #repartitionNames: ReadonlyMap<string, string>;
  readonly #stateful: boolean;
  /** The record at hand; undefined while a timer runs. */
  #at: RecordPlace | undefined;
  /** Where the record at hand lies, while nobody has asked for the id of its key: without stores hardly anybody does. */
  #unnamed: SourceQueue | undefined;
  /** What was kept of the record at hand. */
  #suspended: Suspended | undefined;
  #outcome: number = processed;
  #timestamp = 0;
  /** False inside `enter`: results there belong to another key than the record's. */
  #own = true;
  /** Headers of a record that state had kept, while it goes on. */
  #kept: Uint8Array | undefined;
  /** Why the unit at hand is refused; undefined while it is not. */
  #failure: Failure | undefined;
  /** The unit at hand is one within a record, or beside all records. */
  #isApart = false;
  /** What was suspended of the unit at hand knows it by this. */
  #unit: SuspendedUnit | undefined;
  #undo: UndoLog | undefined;
  /** Cycles for which it stays careful. */
  #careful: number;
  readonly #callSites: ReadonlyMap<string, string>;

  constructor(options: TaskOptions) {
    this.#options = options;
    this.partition = options.partition;
    this.world = options.world;
    this.#state = options.state;
    this.#stateful = options.part.stores.length > 0;
    this.#outputs = new Outputs(options.partitionsOf, options.limits);
    this.#repartitionNames = repartitionNames(options.topology, options.application);
    this.bySource = options.time.bySource; // Steps ask for it when they are built.
    this.#chain = buildChain(options.topology, options.part, this, options.trace?.(this));
    this.#callSites = callSitesOf(options.topology);
    this.#careful = options.careful ?? 0;
    if (this.#careful > 0) this.#beCareful(new UndoLog());
    this.queues = sourceQueues(options, this.#chain.entries, this.#repartitionNames);
    this.time = new TaskClock(options.time, this.queues, this.#chain, this);
  }

  get keyId(): string {
    const queue = this.#unnamed;
    if (queue !== undefined) {
      this.#unnamed = undefined;
      this.#state.keyId = queue.keyIdOf(queue.index);
    }
    return this.#state.keyId;
  }

  get origin(): { topic: string; partition: number; offset: number } {
    const queue = this.#at;
    const offset = queue === undefined ? -1 : queue.position - 1;
    return { topic: queue?.topic ?? '', partition: this.partition, offset };
  }

  headers(): Headers {
    return decodeHeaders(this.#headerBytes());
  }

  headerBytes(): Uint8Array {
    const bytes = this.#headerBytes();
    return bytes.byteLength === 0 ? emptyBytes : Buffer.from(bytes);
  }

  withHeaders(headers: Uint8Array, body: () => void): void {
    const before = this.#kept;
    this.#kept = headers;
    try {
      body();
    } finally {
      this.#kept = before;
    }
  }

  cells<C>(store: string): Cells<C> {
    return this.#state.cells<C>({ name: store });
  }

  globalRow(topic: string, keyId: string): GlobalRow | undefined {
    return this.#options.globals.row(topic, keyId);
  }

  enterKey<K>(
    place: Place,
    keyId: string,
    spec: StoreSpec<K, never> | undefined,
    body: (key: K) => void,
  ): void {
    const state = this.#state;
    const before = this.keyId;
    const own = this.#own;
    const kept = this.#kept;
    state.keyId = keyId;
    this.#own = own && keyId === before;
    this.#kept = undefined;
    try {
      this.#apart(place, () =>
        body((spec === undefined ? undefined : decodeKeyId(spec.key, keyId)) as K),
      );
    } finally {
      state.keyId = before;
      this.#own = own;
      this.#kept = kept;
    }
  }

  /** Runs a unit of its own within the one at hand. */
  #apart(place: Place, body: () => void): void {
    // User code went on although its record was refused.
    if (this.#failure !== undefined) throw recordRefused;
    const { touches } = this.#state;
    const outer = this.#undo === undefined ? 0 : this.#undo.begin();
    const [unit, wasApart] = [this.#unit, this.#isApart];
    this.#unit = undefined;
    this.#isApart = true;
    try {
      body();
    } catch (error) {
      this.#note(error, place);
    }
    const [at, outcome] = [this.#at, this.#outcome];
    this.#at = undefined;
    const isRefused = this.#endUnit(touches, outer);
    if (isRefused) this.#outcome = outcome;
    this.#noteSuspended(touches, isRefused);
    this.#at = at;
    this.#unit = unit;
    this.#isApart = wasApart;
  }

  /** The unit at hand ends, but for what was suspended of it. */
  #noteSuspended(touches: number, isRefused: boolean): void {
    const unit = this.#unit;
    if (unit === undefined) return;
    unit.touched = this.#state.touches !== touches;
    unit.failed = isRefused;
    this.#unit = undefined;
  }

  drop(step: string, reason: DropReason): void {
    const place = `${step}|${reason}`;
    const outcome = this.#outcome;
    this.#state.touches++;
    increase(this.counters.drops, place);
    if (outcome < dropped) this.#outcome = dropped;
    this.#undo?.note(() => {
      decrease(this.counters.drops, place);
      this.#outcome = outcome;
    });
  }

  deadLetter(step: string, reason: string, callSite: string): void {
    this.#refuse('process', { step, callSite }, new Error(reason));
  }

  touch(): boolean {
    this.#state.touches++;
    return this.#undo !== undefined;
  }

  onUndo(undo: () => void): void {
    this.#undo?.note(undo);
  }

  emit<K, V>(
    sink: Sink<K, V>,
    key: K,
    value: V | null,
    timestamp: number,
    headers?: Headers,
    callSite = 'unknown',
  ): void {
    const repartition = this.#repartitionNames.get(sink.name);
    try {
      let bytes = headers === undefined ? this.#headerBytes() : encodeHeaders(headers);
      if (!isInstant(timestamp)) throw new RangeError(instantProblem(timestamp));
      if (this.time.marked.has(sink.name)) {
        bytes = this.time.marks(sink.name, timestamp, bytes, this);
      }
      const topic = repartition ?? sink.name;
      const batch = this.#outputs.write(topic, sink, key, value, timestamp, bytes);
      if (this.#undo !== undefined) noteWrite(this.#undo, batch);
    } catch (error) {
      if (isFatal(error)) throw error;
      this.#refuse('produce', { step: sink.name, callSite }, error);
    }
    this.#state.touches++;
    if (repartition !== undefined) return;
    this.counters.out++;
    if (this.#undo !== undefined) noteOut(this.#undo, this.counters);
  }

  guard(place: Place, inner: AnyReceiver): AnyReceiver {
    if (typeof this.#options.onError.process === 'object') return this.#guardRetried(place, inner);
    return {
      receive: (key, value, timestamp, old) => {
        try {
          inner.receive(key, value, timestamp, old);
        } catch (error) {
          this.#note(error, place);
          throw recordRefused;
        }
      },
    };
  }

  /** What an attempt has done is taken back before the next one. */
  #guardRetried(place: Place, inner: AnyReceiver): AnyReceiver {
    return retried(inner, this.#options.onError.process, () => {
      const { touches } = this.#state;
      const outer = this.#undo === undefined ? 0 : this.#undo.begin();
      return {
        done: () => this.#undo?.end(outer),
        isOver: (error) => this.#failure !== undefined || isFatal(error),
        giveUp: (error) => this.#note(error, place),
        takeBack: (error) => this.#takeBack(touches, outer, { ...place, stage: 'process', error }),
      };
    });
  }

  guardTimer(place: Place, inner: AnyReceiver): AnyReceiver {
    return {
      receive: (key, value, timestamp, old) =>
        this.#beside(() => this.#apart(place, () => inner.receive(key, value, timestamp, old))),
    };
  }

  /** Runs what has nothing to do with the record at hand. */
  #beside(body: () => void): void {
    const [at, place, outcome, kept] = [this.#at, this.place, this.#outcome, this.#kept];
    this.#at = undefined;
    this.place = undefined;
    this.#kept = undefined;
    try {
      body();
    } finally {
      this.#at = at;
      this.place = place;
      this.#outcome = outcome;
      this.#kept = kept;
    }
  }

  suspend(place: Place): Resume {
    const kept = this.#suspend();
    return (body) => this.#resume(kept, place, body);
  }

  /** Records are kept once, however many steps wait for them; what timers and `enter` run, each time. */
  #suspend(): Suspended {
    const at = this.#at;
    const isRecord = at !== undefined && !this.#isApart;
    if (isRecord && this.#suspended !== undefined) return this.#suspended;
    this.#unit ??= { touched: false, failed: false };
    const kept: Suspended = {
      place: at && keptPlace(at),
      source: this.place,
      stand: this.stand,
      isRecord,
      keyId: this.keyId,
      own: this.#own,
      headers: this.#kept,
      timestamp: this.#timestamp,
      outcome: this.#outcome,
      unit: this.#unit,
    };
    if (isRecord) this.#suspended = kept;
    return kept;
  }

  #resume(kept: Suspended, place: Place, body: () => void): void {
    const { unit, isRecord } = kept;
    if (unit.failed || this.#failure !== undefined) return;
    const counted = kept.outcome;
    this.#suspended = isRecord ? kept : undefined;
    this.#isApart = !isRecord;
    this.#unit = unit;
    this.#at = kept.place;
    this.#own = kept.own;
    this.#kept = kept.headers;
    this.#timestamp = kept.timestamp;
    this.stand = kept.stand;
    this.place = kept.source;
    this.#outcome = counted;
    this.#state.keyId = kept.keyId;
    const { touches } = this.#state;
    const undo = this.#undo;
    const outer = undo === undefined ? 0 : undo.begin();
    try {
      try {
        body();
      } catch (error) {
        this.#note(error, place);
      }
      if (undo !== undefined && isRecord) undo.end(outer);
      // What it did before it was suspended counts as well.
      else if (this.#endUnit(unit.touched ? -1 : touches, outer)) unit.failed = true;
      unit.touched ||= this.#state.touches !== touches;
    } finally {
      // A careful task ends and counts the record when all of it is done.
      if (isRecord && undo === undefined && this.#outcome !== counted) {
        countOutcome(this.counters, counted, -1);
        countOutcome(this.counters, this.#outcome, 1);
      }
      kept.outcome = this.#outcome;
      this.#isApart = false;
      this.#suspended = undefined;
      this.#unit = undefined;
      this.#at = undefined;
      this.#own = true;
      this.#kept = undefined;
      this.#state.keyId = '';
    }
  }

  async #settle(): Promise<void> {
    for (const settle of this.#chain.settle) await settle();
  }

  /** The way of a cycle to its commit: takes records until none can be taken, or too much waits for the commit. */
  async run(passing: PassingTime = {}): Promise<void> {
    const { clock } = this.world;
    this.reading.begin(passing);
    this.#state.touches = 0;
    // A record at a time, so that what a call comes to is taken back with all of its record.
    const waits = this.#undo !== undefined && this.#chain.settle.length > 0;
    const { threadTime, pauses } = this.#options;
    for (let more = true; more; ) {
      const before = clock.monotonic() - threadTime.busyMs;
      const { queues } = this;
      const ahead = this.bySource ? () => this.time.ahead() : undefined;
      await prefetchRound({ queues, state: this.#state, isStateful: this.#stateful, ahead });
      this.timings.load += Math.max(0, clock.monotonic() - threadTime.busyMs - before);
      for (let taken: boolean | undefined; taken === undefined; more = taken ?? true) {
        if (pauses.isOpen) await pauses.give();
        const begin = clock.monotonic();
        taken = waits ? await this.#takeAwaited() : this.#takeRecords(pauses);
        const computed = clock.monotonic() - begin;
        threadTime.busyMs += computed;
        this.timings.steps += computed;
      }
      if (this.#chain.settle.length > 0) await this.#settle();
    }
    const begin = clock.monotonic() - threadTime.busyMs;
    const load = (until: number) => this.#state.prefetch([], until, until);
    await this.time.pass(passing, load, () => this.#settle());
    if (passing.wallClock !== undefined) await this.#tick(passing.wallClock);
    if (this.time.mayEnd(passing.atEnd === true)) await this.time.end(load, () => this.#settle());
    for (const release of this.#chain.release) {
      release();
      await this.#settle();
    }
    this.#undo?.clear();
    if (this.#undo !== undefined && --this.#careful <= 0) this.#beCareful(undefined);
    this.timings.steps += Math.max(0, clock.monotonic() - threadTime.busyMs - begin);
  }

  #beCareful(undo: UndoLog | undefined): void {
    this.#undo = undo;
    this.#state.undo = undo;
  }

  async #tick(span: WallClockSpan): Promise<void> {
    const passed = this.#chain.wall.filter(({ everyMs }) => passesMultiple(span, everyMs));
    if (passed.length === 0) return;
    await this.#state.prefetch([], unknown, unknown, span.to);
    this.stand = this.time.passed;
    for (const { tick } of passed) tick(span.to);
    await this.#settle();
  }

  /** Wall time of the cycle, ms UTC, by which the log limits timestamps. */
  set now(now: number) {
    this.#outputs.now = now;
  }

  /** Seals the state. What its serdes refuse is found record by record, when the cycle is repeated. */
  seal(commitId: number): readonly StoreChanges[] {
    try {
      return this.#state.seal(commitId);
    } catch (error) {
      if (isFatal(error) || isMillraceError(error) || this.#undo !== undefined) throw error;
      throw cycleRepeated(this.#options, 'the commit', messageOf(error));
    }
  }

  /** Hands over what the run has brought. */
  take(): { outputs: OutputBatch[]; counters: TaskCounters; timings: TaskTimings } {
    const { counters } = this;
    const timings = toldApart(this.timings);
    this.counters = zeroCounters();
    this.timings = noTimings();
    return { outputs: this.#outputs.take(), counters, timings };
  }

  /** True when another round is needed: a queue went on to its next batch. Undefined when it makes a pause. */
  #takeRecords(pauses: TaskOptions['pauses']): boolean | undefined {
    for (let taken = 0; ; ) {
      if (taken % budgetEvery === 0 && this.#isFull) return false;
      if (pauses.isOpen && taken > 0 && pauses.isDue(taken)) return undefined;
      const queue = nextQueue(this.queues, this.reading);
      if (queue === undefined) return this.queues.some((q) => q.wantsRefill);
      const most = pauses.room(taken, budgetEvery);
      const plain = this.queues.length === 1 ? queue.plainAhead(most, this.reading.readTo) : 0;
      if (plain === 0 && !this.#hears(queue)) this.#takeRecord(queue);
      for (let i = 0; i < plain && !this.reading.stops; i++) this.#takeRecord(queue);
      taken += Math.max(1, plain);
      queue.settle();
    }
  }

  /** The same, and each record's calls to the world outside are waited for before the next record. */
  async #takeAwaited(): Promise<boolean> {
    for (let taken = 0; taken < awaitedMost && !this.#isFull; taken++) {
      const queue = nextQueue(this.queues, this.reading);
      if (queue === undefined) return this.queues.some((q) => q.wantsRefill);
      if (this.#hears(queue)) {
        await this.#settle();
        queue.settle();
        continue;
      }
      const { touches } = this.#state;
      const outer = this.#undo?.begin() ?? 0;
      const { streamTime } = this;
      this.#begin(queue);
      const { keyId } = this;
      const suspended = this.#suspended;
      this.#suspended = undefined;
      this.#unit = undefined;
      await this.#settle();
      this.#at = queue;
      this.#state.keyId = keyId;
      if (suspended !== undefined) this.#outcome = Math.max(this.#outcome, suspended.outcome);
      if (this.#finish(touches, outer, streamTime)) queue.giveBack();
      queue.settle();
    }
    return false;
  }

  get #isFull(): boolean {
    return this.#state.dirtyBytes >= this.#options.dirtyBytesMax;
  }

  /** The next record is none, but tells how far upstream tasks are. */
  #hears(queue: SourceQueue): boolean {
    const promises = queue.takePromises();
    if (promises === undefined) return false;
    this.time.hear(queue, promises);
    if (this.time.advance()) this.#passWatermark();
    return true;
  }

  /** The watermark has moved. What is done then stays done, whatever becomes of the record. */
  #passWatermark(): void {
    this.#beside(() => this.time.passWatermark());
    this.#undo?.clear();
  }

  #takeRecord(queue: SourceQueue): void {
    const { touches } = this.#state;
    const { streamTime } = this;
    const outer = this.#undo === undefined ? 0 : this.#undo.begin();
    this.#begin(queue);
    if (this.#finish(touches, outer, streamTime)) queue.giveBack();
  }

  /** Takes the queue's next record as far as it goes at once. */
  #begin(queue: SourceQueue): void {
    const timestamp = queue.take();
    this.#at = queue;
    this.#outcome = processed;
    this.#timestamp = timestamp;
    if (this.#stateful) {
      queue.approach(this.#state);
      this.#state.enter(queue.rows, queue.index);
    } else this.#unnamed = queue;
    this.#deliver(queue, timestamp);
  }

  /** Ends the record at hand; true when it is to be tried again. The other numbers are of when it began. */
  #finish(touches: number, outer: number, streamTime: number): boolean {
    let isRefused = false;
    if (this.#failure !== undefined || this.#undo !== undefined) {
      isRefused = this.#endUnit(touches, outer, true);
      if (isRefused) this.streamTime = streamTime;
      this.#undo?.clear();
    }
    this.#noteSuspended(touches, isRefused);
    this.#unnamed = undefined;
    this.#state.keyId = '';
    if (!this.reading.stops && this.#at !== undefined) this.#options.retries.done(this.#at);
    this.#at = undefined;
    const suspended = this.#suspended;
    this.#suspended = undefined;
    if (this.reading.stops) return true;
    this.counters.in++;
    countOutcome(this.counters, this.#outcome, 1);
    if (suspended !== undefined) suspended.outcome = this.#outcome;
    return false;
  }

  #deliver(queue: SourceQueue, timestamp: number): void {
    const { source } = queue;
    let key: unknown;
    let value: unknown;
    const isTimed = this.counters.in % decodeSample === 0;
    const begin = isTimed ? this.world.clock.monotonic() : 0;
    try {
      key = queue.key(queue.index, this.#state.keyId);
      value = queue.value();
      if (isTimed) this.timings.decode += decodeSample * (this.world.clock.monotonic() - begin);
    } catch (error) {
      if (isFatal(error)) throw error;
      this.#fail('deserialise', { step: source.name, callSite: 'unknown' }, error);
      return;
    }
    if (timestamp < 0) {
      this.drop(source.name, 'negative_timestamp');
      return;
    }
    const problem = queue.timeProblem(timestamp);
    if (problem !== undefined) {
      this.#fail('future', { step: source.name, callSite: 'unknown' }, new Error(problem));
      return;
    }
    if (timestamp > this.streamTime) this.streamTime = timestamp;
    if (this.time.note(queue, timestamp) && this.time.advance()) this.#passWatermark();
    try {
      queue.receiver.receive(key, value, timestamp);
    } catch (error) {
      if (error !== recordRefused) throw error;
    }
  }

  /** Notes what was caught around a step, unless a step within has refused the record already. */
  #note(error: unknown, place: Place): void {
    if (isFatal(error)) throw error;
    if (error !== recordRefused || this.#failure === undefined) this.#fail('process', place, error);
  }

  /** Refuses the unit at hand, and leaves its steps. */
  #refuse(stage: FailureStage, place: Place, error: unknown): never {
    this.#fail(stage, place, error);
    throw recordRefused;
  }

  /** The unit at hand is refused: the first reason stands. Throws where the policy is to stop. */
  #fail(stage: FailureStage, { step, callSite }: Place, error: unknown): void {
    ignoreRejection(error);
    if (this.#failure !== undefined) return;
    const failure = { stage, step, callSite, error };
    if (stopsAt(this.#options, failure)) throw recordFailed(failure, this.origin);
    this.#failure = failure;
  }

  /**
   * Ends the unit at hand: takes back what it did if it was refused, and writes its dead letter, or what else the author
   * says; true then. @param touches as they were when it began @param mayWait it is the queue's record at hand
   */
  #endUnit(touches: number, outer: number, mayWait = false): boolean {
    const unkept = this.#undo && this.#failure === undefined && this.#state.problemIn(this.#undo);
    if (unkept) this.#fail('process', placeOf(unkept, this.#callSites), unkeptError(unkept));
    const failure = this.#failure;
    if (failure === undefined) {
      this.#undo?.end(outer);
      return false;
    }
    this.#failure = undefined;
    this.#takeBack(touches, outer, failure);
    const answer = answerTo(this.#options, failure, this.#at, this.origin, this.#timestamp);
    if (answer === 'fail') throw recordFailed(failure, this.origin);
    if (answer === 'skip') this.drop(failure.step, 'skipped');
    else if (answer === 'deadLetter' || this.#at === undefined) this.#writeDeadLetter(failure);
    else if (mayWait) {
      this.#options.retries.wait(this.#at, answer.retryAfterMs);
      this.reading.stops = true;
    } else throw cycleRepeated(this.#options, failure.step, messageOf(failure.error));
    return true;
  }

  /** Takes back what the unit at hand did; where nobody noted how, the cycle must be done again. */
  #takeBack(touches: number, outer: number, { step, error }: Failure): void {
    if (this.#undo !== undefined) {
      this.#undo.rollback();
      this.#undo.end(outer);
      this.#careful = this.#options.careful ?? 0;
    } else if (this.#state.touches !== touches) {
      throw cycleRepeated(this.#options, step, messageOf(error));
    }
  }

  #writeDeadLetter(failure: Failure): void {
    const place = `${failure.step}|${failure.stage}`;
    const [outcome, queue] = [this.#outcome, this.#at];
    const batch = writeDeadLetter(this.#outputs, this.#options.application, failure, {
      record: queue,
      keyId: queue === undefined ? this.keyId : '',
      origin: { ...this.origin, timestamp: this.#timestamp },
    });
    this.#state.touches++;
    increase(this.counters.failures, place);
    this.#outcome = deadLettered;
    this.#undo?.note(() => {
      batch.dropLast();
      decrease(this.counters.failures, place);
      this.#outcome = outcome;
    });
  }

  #headerBytes(): Uint8Array {
    if (this.#kept !== undefined) return this.#kept;
    return this.#at === undefined || !this.#own ? emptyBytes : ownHeaders(this.#at);
  }
}
