/**
 * A task: one sub-topology on one partition. It picks the next record by timestamp over its source
 * partitions, runs the operators on it, and collects their output. `run` awaits once per round (the
 * prefetch); calls to outside services are awaited at the end of the round.
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

/** Records between two checks of the dirty budget. */
const budgetEvery = 128;
/** Records per cycle of a careful task that waits for outside services record by record. */
const awaitedMost = 256;

export class Task {
  readonly queues: readonly SourceQueue[];
  readonly reading = new ReadLimits();
  /** The task's clock. */
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
    this.#chain = buildChain(topology, part, port, time, options.trace?.(port));
    const names = repartitionNames(topology, application);
    this.queues = sourceQueues(options, this.#chain.entries, names);
    this.time = new TaskClock(time, this.queues, this.#chain, this.#hand);
    port.time = this.time;
  }

  /** Greatest timestamp of a record so far, ms UTC; -Infinity at first. */
  get streamTime(): number {
    return this.#hand.streamTime;
  }

  /** Wall time of the cycle, ms UTC; the log limits timestamps by it. */
  set now(now: number) {
    this.#outputs.now = now;
  }

  async #settle(): Promise<void> {
    for (const settle of this.#chain.settle) await settle();
  }

  /**
   * Runs a cycle up to its commit: processes records until there are none, or too much waits for
   * the commit.
   */
  async run(passing: PassingTime = {}): Promise<void> {
    const { clock } = this.#world;
    this.reading.begin(passing);
    this.#state.touches = 0;
    // One record at a time, so that the results of its calls can be undone with the record.
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
    const ending = this.time.endingLevels(passing.atEnd === true);
    if (ending.length > 0) await this.time.end(ending, load, () => this.#settle());
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
    for (const { tick, level } of passed) {
      this.#hand.frame.stand = this.time.levels[level]?.passed ?? unknown;
      tick(span.to);
    }
    await this.#settle();
  }

  /**
   * Seals the state. If a cell cannot be encoded, the repeated cycle finds the record that caused
   * it.
   */
  *sealing(commitId: number): Steps<readonly StoreChanges[]> {
    try {
      return yield* this.#state.sealing(commitId);
    } catch (error) {
      if (isFatal(error) || isMillraceError(error) || this.#units.undo !== undefined) throw error;
      throw cycleRepeated(this.#options, 'the commit', messageOf(error));
    }
  }

  /** Returns the results of the run. */
  take(): { outputs: OutputBatch[]; counters: TaskCounters; timings: TaskTimings } {
    const timings = toldApart(this.#timings);
    this.#timings = noTimings();
    return { outputs: this.#outputs.take(), counters: this.#units.takeCounters(), timings };
  }

  /**
   * Returns true if another round is needed because a queue needs its next batch; undefined for a
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

  /** The same, but waits for each record's calls to outside services before the next record. */
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

  /** Handles a next record that only carries promises of upstream tasks. */
  #hears(queue: SourceQueue): boolean {
    const promises = queue.takePromises();
    if (promises === undefined) return false;
    this.time.hear(queue, promises);
    if (this.time.advance()) this.#passWatermark();
    return true;
  }

  /** Handles a moved watermark. Its effects stay, whatever happens to the record. */
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

  /** Processes the queue's next record as far as possible without waiting. */
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
   * Ends the current record; returns true if it must be tried again. The parameters are values from
   * its start.
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
