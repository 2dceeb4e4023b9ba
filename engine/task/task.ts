/**
 * A task: one sub-topology on one partition. It picks the next record by timestamp over its source
 * partitions, runs the operators on it, and collects what they write. `run` awaits once a round
 * (the prefetch). Calls to the world outside are awaited at the end of the round.
 */
import { isFatal } from '../base/assert.ts';
import { isMillraceError, messageOf } from '../base/errors.ts';
import type { World } from '../base/world.ts';
import type { Steps } from '../state/steps.ts';
import type { StoreChanges, TaskState } from '../state/task-state.ts';
import { unknown } from '../time/watermark.ts';
import { AtHand } from './at-hand.ts';
import { buildChain, type Chain, repartitionNames } from './chain.ts';
import { countOutcome, processed, type TaskCounters } from './counters.ts';
import { cycleRepeated, recordRefused } from './failure.ts';
import { nextQueue } from './next-queue.ts';
import { type OutputBatch, Outputs } from './outputs.ts';
import { prefetchRound } from './prefetch.ts';
import { ReadLimits } from './read-limits.ts';
import type { SourceQueue } from './source-queue.ts';
import { StepPort } from './step-port.ts';
import { TaskClock } from './task-clock.ts';
import type { PassingTime, TaskOptions } from './task-options.ts';
import { sourceQueues } from './task-sources.ts';
import { decodeSample, noTimings, type TaskTimings, toldApart } from './timings.ts';
import { Units } from './units.ts';
import { passesMultiple, type WallClockSpan } from './wall-clock.ts';

/** Records between two looks at the dirty budget. */
const budgetEvery = 128;
/** A careful task that waits for the world outside record by record takes so many in a cycle. */
const awaitedMost = 256;

export class Task {
  readonly queues: readonly SourceQueue[];
  readonly reading = new ReadLimits();
  /** How far the task is: what is kept of it, told of it, and shown. */
  readonly time: TaskClock;
  readonly #world: World;
  readonly #options: TaskOptions;
  readonly #state: TaskState;
  readonly #stateful: boolean;
  readonly #outputs: Outputs;
  readonly #hand: AtHand;
  readonly #units: Units;
  readonly #chain: Chain;
  #timings: TaskTimings = noTimings();

  constructor(options: TaskOptions) {
    const { state, time, topology, part, application } = options;
    this.#options = options;
    this.#world = options.world;
    this.#state = state;
    this.#stateful = part.stores.length > 0;
    this.#outputs = new Outputs(options.partitionsOf, options.limits);
    this.#hand = new AtHand(state, options.partition, time.bySource);
    this.#units = new Units(options, this.#hand, this.#outputs, this.reading);
    const port = new StepPort(options, this.#hand, this.#units, this.#outputs);
    this.#chain = buildChain(topology, part, port, options.trace?.(port));
    const names = repartitionNames(topology, application);
    this.queues = sourceQueues(options, this.#chain.entries, names);
    this.time = new TaskClock(time, this.queues, this.#chain, this.#hand);
    port.time = this.time;
  }

  /** Greatest timestamp that was taken in, ms UTC; -Infinity at first. */
  get streamTime(): number {
    return this.#hand.streamTime;
  }

  /** Wall time of the cycle, ms UTC, by which the log limits timestamps. */
  set now(now: number) {
    this.#outputs.now = now;
  }

  async #settle(): Promise<void> {
    for (const settle of this.#chain.settle) await settle();
  }

  /**
   * The way of a cycle to its commit: takes records until none can be taken, or too much waits for
   * the commit.
   */
  async run(passing: PassingTime = {}): Promise<void> {
    const { clock } = this.#world;
    this.reading.begin(passing);
    this.#state.touches = 0;
    // A record at a time, so that what a call comes to is taken back with all of its record.
    const waits = this.#units.undo !== undefined && this.#chain.settle.length > 0;
    const { threadTime, pauses } = this.#options;
    for (let more = true; more; ) {
      const before = clock.monotonic() - threadTime.busyMs;
      const { queues } = this;
      const ahead = this.#hand.bySource ? () => this.time.ahead() : undefined;
      await prefetchRound({ queues, state: this.#state, isStateful: this.#stateful, ahead });
      this.#timings.load += Math.max(0, clock.monotonic() - threadTime.busyMs - before);
      for (let taken: boolean | undefined; taken === undefined; more = taken ?? true) {
        if (pauses.isOpen) await pauses.give();
        const begin = clock.monotonic();
        taken = waits ? await this.#takeAwaited() : this.#takeRecords(pauses);
        const computed = clock.monotonic() - begin;
        threadTime.busyMs += computed;
        this.#timings.steps += computed;
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
    this.#units.endCycle();
    this.#timings.steps += Math.max(0, clock.monotonic() - threadTime.busyMs - begin);
  }

  async #tick(span: WallClockSpan): Promise<void> {
    const passed = this.#chain.wall.filter(({ everyMs }) => passesMultiple(span, everyMs));
    if (passed.length === 0) return;
    await this.#state.prefetch([], unknown, unknown, span.to);
    this.#hand.frame.stand = this.time.passed;
    for (const { tick } of passed) tick(span.to);
    await this.#settle();
  }

  /**
   * Seals the state. What its serdes refuse is found record by record, when the cycle is repeated.
   */
  *sealing(commitId: number): Steps<readonly StoreChanges[]> {
    try {
      return yield* this.#state.sealing(commitId);
    } catch (error) {
      if (isFatal(error) || isMillraceError(error) || this.#units.undo !== undefined) throw error;
      throw cycleRepeated(this.#options, 'the commit', messageOf(error));
    }
  }

  /** Hands over what the run has brought. */
  take(): { outputs: OutputBatch[]; counters: TaskCounters; timings: TaskTimings } {
    const timings = toldApart(this.#timings);
    this.#timings = noTimings();
    return { outputs: this.#outputs.take(), counters: this.#units.takeCounters(), timings };
  }

  /**
   * True when another round is needed: a queue went on to its next batch. Undefined when it makes a
   * pause.
   */
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

  /**
   * The same, and each record's calls to the world outside are waited for before the next record.
   */
  async #takeAwaited(): Promise<boolean> {
    for (let taken = 0; taken < awaitedMost && !this.#isFull; taken++) {
      const queue = nextQueue(this.queues, this.reading);
      if (queue === undefined) return this.queues.some((q) => q.wantsRefill);
      if (this.#hears(queue)) {
        await this.#settle();
        queue.settle();
        continue;
      }
      const { streamTime, record } = this.#hand;
      const { touches } = this.#state;
      const outer = this.#units.begin();
      this.#begin(queue);
      const { suspended } = record;
      record.suspended = undefined;
      record.unit = undefined;
      await this.#settle();
      if (suspended !== undefined) record.outcome = Math.max(record.outcome, suspended.outcome);
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
    this.#hand.beside(() => this.time.passWatermark());
    this.#units.undo?.clear();
  }

  #takeRecord(queue: SourceQueue): void {
    const { touches } = this.#state;
    const { streamTime } = this.#hand;
    const outer = this.#units.begin();
    this.#begin(queue);
    if (this.#finish(touches, outer, streamTime)) queue.giveBack();
  }

  /** Takes the queue's next record as far as it goes at once. */
  #begin(queue: SourceQueue): void {
    const timestamp = queue.take();
    const { record } = this.#hand;
    record.record = queue;
    record.outcome = processed;
    record.timestamp = timestamp;
    if (this.#stateful) {
      queue.warm(this.#state);
      this.#state.enter(queue.rows, queue.index);
    } else this.#hand.nameLater(queue);
    this.#deliver(queue, timestamp);
  }

  /**
   * Ends the record at hand; true when it is to be tried again. The other numbers are of when it
   * began.
   */
  #finish(touches: number, outer: number, streamTime: number): boolean {
    const hand = this.#hand;
    const units = this.#units;
    const { record } = hand;
    let isRefused = false;
    if (record.failure !== undefined || units.undo !== undefined) {
      isRefused = units.end(touches, outer, true);
      if (isRefused) hand.streamTime = streamTime;
      units.undo?.clear();
    }
    units.noteSuspended(touches, isRefused);
    hand.forgetKey();
    if (!this.reading.stops && record.record !== undefined) {
      this.#options.retries.done(record.record);
    }
    record.record = undefined;
    const { suspended } = record;
    record.suspended = undefined;
    if (this.reading.stops) return true;
    units.counters.in++;
    countOutcome(units.counters, record.outcome, 1);
    if (suspended !== undefined) suspended.outcome = record.outcome;
    return false;
  }

  #deliver(queue: SourceQueue, timestamp: number): void {
    const { source } = queue;
    let key: unknown;
    let value: unknown;
    const isTimed = this.#units.counters.in % decodeSample === 0;
    const begin = isTimed ? this.#world.clock.monotonic() : 0;
    try {
      key = queue.key(queue.index, this.#state.keyText);
      value = queue.value();
      if (isTimed) this.#timings.decode += decodeSample * (this.#world.clock.monotonic() - begin);
    } catch (error) {
      if (isFatal(error)) throw error;
      this.#units.fail('deserialise', { step: source.name, callSite: 'unknown' }, error);
      return;
    }
    if (timestamp < 0) {
      this.#units.drop(source.name, 'negative_timestamp');
      return;
    }
    const problem = queue.timeProblem(timestamp);
    if (problem !== undefined) {
      this.#units.fail('future', { step: source.name, callSite: 'unknown' }, new Error(problem));
      return;
    }
    if (timestamp > this.#hand.streamTime) this.#hand.streamTime = timestamp;
    if (this.time.note(queue, timestamp) && this.time.advance()) this.#passWatermark();
    try {
      queue.receiver.receive(key, value, timestamp);
    } catch (error) {
      if (error !== recordRefused) throw error;
    }
  }
}
