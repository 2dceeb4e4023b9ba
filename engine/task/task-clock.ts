/**
 * The time of a task: its sources' promises, its watermark, and its promises to downstream tasks.
 * All steps act instant by instant, so that results do not depend on how far the watermark moves at
 * once. If steps wait for different inputs, each level has its own watermark.
 */
import { must } from '../base/assert.ts';
import type { TimedStep } from '../graph/processor.ts';
import type { PartTime } from '../graph/time-plan.ts';
import { type ToldPromise, withStand } from '../record/marks.ts';
import { aside, SourceTime, UpstreamTime, unknown } from '../time/watermark.ts';
import type { AtHand } from './at-hand.ts';
import type { Chain } from './chain.ts';
import { InputEnd } from './input-end.ts';
import { endRecords, passLevels, passSteps } from './passing-steps.ts';
import type { SourceQueue } from './source-queue.ts';
import type { PassingTime } from './task-options.ts';
import { type TaskTime, taskInputs } from './task-time.ts';
import { TimeLevel } from './time-level.ts';
import { restoreAside, WaysBack } from './ways-back.ts';

/** Progress of one of the author's topics. */
export interface SourceProgress {
  /** In the log. */
  readonly topic: string;
  /** Source time, ms UTC; -Infinity before the first record. */
  readonly at: number;
  /** Time of its next record, if that waits for slower partitions. */
  readonly next?: number;
}

/** A promise to the tasks downstream of a level (graph/time-levels.ts). */
export interface TaskPromise {
  readonly level: number;
  /** ms UTC; NaN: its input has ended. */
  readonly promise: number;
}

type Load = (until: number) => Promise<void>;
type Settle = () => Promise<void>;

export class TaskClock {
  /** How far time is known to have passed for all sources, ms UTC. */
  idleClock = unknown;
  readonly levels: readonly TimeLevel[];
  /**
   * Topics, by logical name, whose records carry their stand, with the level that writes them; and
   * those whose records also carry where they were first read.
   */
  readonly marked: ReadonlyMap<string, TimeLevel>;
  readonly placed: ReadonlySet<string>;
  /** The only level; undefined if there are several. */
  readonly #only: TimeLevel | undefined;
  readonly #plan: PartTime;
  readonly #queues: readonly SourceQueue[];
  readonly #timed: readonly TimedStep[];
  readonly #timedNames: readonly string[];
  /** The level of each timed step. */
  readonly #levelOf: readonly TimeLevel[];
  readonly #hand: AtHand;
  readonly #placesRecords: boolean;
  readonly #end: InputEnd;
  readonly #waysBack: WaysBack;

  constructor(
    plan: PartTime,
    queues: readonly SourceQueue[],
    { timed, timedNames, timedLevels }: Pick<Chain, 'timed' | 'timedNames' | 'timedLevels'>,
    hand: AtHand,
  ) {
    this.#plan = plan;
    this.#queues = queues;
    this.#timed = timed;
    this.#timedNames = timedNames;
    this.#hand = hand;
    restoreAside(plan, queues, hand.partition);
    this.levels = plan.levels.map((level) => new TimeLevel(level, queues));
    this.#only = this.levels.length === 1 ? this.levels[0] : undefined;
    this.#waysBack = new WaysBack(plan, queues, this.levels, hand.partition);
    this.#levelOf = timedLevels.map((level) => must(this.levels[level], 'a step has its level'));
    this.marked = new Map(
      this.levels.flatMap((level) => level.plan.tells.map((topic) => [topic, level] as const)),
    );
    this.placed = new Set(plan.placed);
    this.#placesRecords = plan.ordersByTime || this.placed.size > 0;
    this.#end = new InputEnd(plan, queues, this.levels);
  }

  /** The minimum promise of all inputs, ms UTC; -Infinity before the first. */
  get watermark(): number {
    return Math.min(...this.levels.map(({ promised }) => promised));
  }

  /** Updates the watermarks from the inputs; returns true if one moved. */
  advance(): boolean {
    if (this.#only !== undefined) return this.#only.watermark.advance();
    this.#waysBack.awaitNext();
    let moved = false;
    for (const level of this.levels) if (level.watermark.advance()) moved = true;
    return moved;
  }

  /** Runs the steps for the instants that the watermarks have passed. */
  passWatermark(): void {
    const only = this.#only;
    if (only === undefined) {
      this.#passWatermarks(false);
      return;
    }
    only.until = only.watermark.now;
    this.#passAlike(only.until, false);
    only.passed = only.until;
  }

  /** Receives promises of upstream tasks. */
  hear({ time }: SourceQueue, promises: readonly ToldPromise[]): void {
    if (!(time instanceof UpstreamTime)) return;
    for (const { task, promise } of promises) {
      if (Number.isNaN(promise)) time.tellEnd(task);
      else time.tell(task, promise);
    }
  }

  /**
   * A record advances the time of its source and gets its stand. Returns true if the watermark may
   * have moved.
   */
  note(queue: SourceQueue, timestamp: number): boolean {
    const { sourceTime } = queue;
    const { frame, partition, bySource } = this.#hand;
    if (sourceTime !== undefined) {
      sourceTime.take(timestamp);
      frame.stand = queue.isRepartition ? queue.markedStand(timestamp) : sourceTime.stand;
    } else frame.stand = queue.markedStand(timestamp);
    if (this.#placesRecords) {
      const read = { partition, offset: queue.position - 1 };
      frame.place = queue.isRepartition ? queue.markedPlace() : read;
    }
    return bySource;
  }

  /** Time passes without records. */
  async pass(passing: PassingTime, load: Load, settle: Settle): Promise<void> {
    if (passing.idle !== undefined) await this.#passIdle(passing.idle, load, settle);
    if (passing.idleClock !== undefined) await this.#passClock(passing, load, settle);
  }

  /** The greatest watermark that the waiting records can lead to. */
  ahead(): number {
    let most = unknown;
    for (const level of this.levels) most = Math.max(most, level.ahead());
    return most;
  }

  /**
   * Headers with the stand of the written record, if that is not its timestamp.
   * @param level that writes it
   * @param sink logical name
   */
  marks({ told }: TimeLevel, sink: string, timestamp: number, headers: Uint8Array): Uint8Array {
    // A promise is never reduced.
    const promised = told === aside ? unknown : told;
    const { frame, partition } = this.#hand;
    const stand = Math.max(frame.stand, promised);
    if (this.placed.has(sink)) {
      const { place } = frame;
      return withStand(headers, stand, place ?? { partition, offset: -1 });
    }
    return stand === timestamp ? headers : withStand(headers, stand);
  }

  /** Returns the new promises to downstream tasks, to be written after the outputs. */
  takePromises(): readonly TaskPromise[] {
    if (this.marked.size === 0) return [];
    return this.levels.flatMap((one, level) =>
      one.plan.tells.length === 0 ? [] : one.takePromises().map((promise) => ({ level, promise })),
    );
  }

  /**
   * The text of a source's time that is stored with its committed offset.
   * @param topic name in the log
   */
  textOf(topic: string): string {
    return this.#queues.find((queue) => queue.topic === topic)?.time.text ?? '';
  }

  /**
   * Describes the task's time.
   * @param streamTime greatest timestamp of a record so far, ms UTC
   * @param keptTime time of a step that follows its records, ms UTC
   */
  report(streamTime: number, keptTime: (step: string) => number): TaskTime {
    const { bySource } = this.#hand;
    const inputs = taskInputs(this.#plan, this.#queues);
    // The stream time of a task is reset by each start; the time of its sources is kept.
    const read = inputs.map((input) => (input.kind === 'source' ? input.sourceTime : unknown));
    return {
      bySource,
      watermark: bySource ? this.watermark : Math.max(streamTime, ...read),
      inputs,
      steps: this.#timed.map((timed, i) => {
        const step = this.#timedNames[i] ?? '';
        const at = bySource ? (this.#levelOf[i]?.passed ?? unknown) : keptTime(step);
        return { step, at, nextDue: timed.nextDue() };
      }),
    };
  }

  /** @param waiting topics whose next record waits for slower ones */
  sources(waiting: ReadonlySet<string>): readonly SourceProgress[] {
    return this.#queues.flatMap((queue, i): SourceProgress[] => {
      const { topic, time } = queue;
      if (!(time instanceof SourceTime) || queue.isRepartition) return [];
      if (this.#plan.inputs[i]?.kind === 'free') return [];
      const next = waiting.has(topic) && queue.hasNext ? { next: queue.headTime } : {};
      return [{ topic, at: time.greatest, ...next }];
    });
  }

  /**
   * The levels whose inputs have all ended, without records that wait.
   * @param atEnd the author's topics have ended
   */
  endingLevels(atEnd: boolean): readonly TimeLevel[] {
    return this.#end.ending(atEnd);
  }

  /** Closes everything that is open on some levels; this does not advance time. */
  async end(ending: readonly TimeLevel[], load: Load, settle: Settle): Promise<void> {
    this.#end.done(ending);
    const timed = this.#timed.filter((_, i) => ending.includes(this.#levelOf[i] as TimeLevel));
    await load(Number.POSITIVE_INFINITY);
    const { frame } = this.#hand;
    const { stand } = frame;
    await endRecords(timed, settle);
    for (const step of timed) {
      step.end();
      await settle();
    }
    frame.stand = stand;
    for (const level of ending) level.endTold = level.plan.tells.length > 0;
  }

  /**
   * Time has passed for all sources, also upstream; runs the steps up to and including the instant.
   */
  async #passClock(
    { idleClock = unknown, round }: PassingTime,
    load: Load,
    settle: Settle,
  ): Promise<void> {
    const levels = this.levels.filter(
      (level) => level.idleClock < idleClock && level.plan.round === (round ?? level.plan.round),
    );
    if (levels.length === 0) return;
    this.idleClock = Math.max(this.idleClock, idleClock);
    for (const level of levels) level.idleClock = idleClock;
    this.#queues.forEach(({ time }, i) => {
      const input = this.#plan.inputs[i];
      if (input?.kind !== 'free' && !levels.some(({ plan }) => plan.inputs.includes(i))) return;
      const behindMs = input?.kind === 'told' ? input.behindMs : 0;
      if (time instanceof UpstreamTime) time.passAll(idleClock - behindMs);
      else time.passIdle(idleClock);
    });
    await load(idleClock);
    for (const level of this.levels) {
      level.until = levels.includes(level) ? idleClock - level.plan.behindMs : level.passed;
    }
    this.#pass(true);
    for (const level of levels) {
      if (level.watermark.advance()) level.passed = level.watermark.now;
      // Upstream tasks inform downstream tasks as well.
      if (this.#hand.bySource) level.told = Math.max(level.told, level.watermark.promise);
    }
    await settle();
  }

  /** Some sources are idle. */
  async #passIdle(
    idle: NonNullable<PassingTime['idle']>,
    load: Load,
    settle: Settle,
  ): Promise<void> {
    for (const { topic, until } of idle) {
      const time = this.#queues.find((queue) => queue.topic === topic)?.time;
      if (!(time instanceof SourceTime)) continue;
      if (until === null) time.stepAside();
      else time.passIdle(until);
    }
    if (!this.advance()) return;
    await load(Math.max(...this.levels.map(({ watermark }) => watermark.now)));
    this.#passWatermarks(true);
    await settle();
  }

  #passWatermarks(isIdle: boolean): void {
    for (const level of this.levels) level.until = level.watermark.now;
    this.#pass(isIdle);
    for (const level of this.levels) level.passed = level.until;
  }

  /** Each level advances to its `until`. */
  #pass(isIdle: boolean): void {
    if (this.#only !== undefined) {
      this.#passAlike(this.#only.until, isIdle);
      return;
    }
    const { frame } = this.#hand;
    const { stand } = frame;
    passLevels(this.#timed, this.#levelOf, isIdle);
    frame.stand = stand;
  }

  /** The same for the only level. */
  #passAlike(until: number, isIdle: boolean): void {
    const { frame, bySource } = this.#hand;
    const { stand } = frame;
    passSteps(this.#timed, until, isIdle, bySource);
    frame.stand = stand;
  }
}
