/**
 * The time of a task: its sources' promises, its watermark, and its promises to downstream tasks.
 * All steps act instant by instant, so that results do not depend on how far the watermark moves at
 * once.
 */
import type { TimedStep } from '../graph/processor.ts';
import type { PartTime } from '../graph/time-plan.ts';
import { type ToldPromise, withStand } from '../record/marks.ts';
import { aside, SourceTime, UpstreamTime, unknown, Watermark } from '../time/watermark.ts';
import type { AtHand } from './at-hand.ts';
import type { Chain } from './chain.ts';
import type { SourceQueue } from './source-queue.ts';
import type { PassingTime } from './task-options.ts';
import { type TaskTime, taskInputs } from './task-time.ts';

/** Progress of one of the author's topics. */
export interface SourceProgress {
  /** In the log. */
  readonly topic: string;
  /** Source time, ms UTC; -Infinity before the first record. */
  readonly at: number;
  /** Time of its next record, if that waits for slower partitions. */
  readonly next?: number;
}

type Load = (until: number) => Promise<void>;
type Settle = () => Promise<void>;

export class TaskClock {
  /** How far time has passed for every step, ms UTC; only in tasks that follow their sources. */
  passed = unknown;
  /** How far time is known to have passed for all sources, ms UTC. */
  idleClock = unknown;
  /**
   * Topics, by logical name, whose records carry their stand; and those whose records also carry
   * where they were first read.
   */
  readonly marked: ReadonlySet<string>;
  readonly placed: ReadonlySet<string>;
  readonly #plan: PartTime;
  readonly #queues: readonly SourceQueue[];
  readonly #timed: readonly TimedStep[];
  readonly #timedNames: readonly string[];
  readonly #hand: AtHand;
  readonly #watermark: Watermark;
  readonly #placesRecords: boolean;
  /** The last promise to downstream tasks. */
  #told: number;
  /** The input has ended in this run; downstream tasks must be informed. */
  #endTold = false;
  /** Sources that have ended, by index. */
  readonly #ended = new Set<number>();

  constructor(
    plan: PartTime,
    queues: readonly SourceQueue[],
    { timed, timedNames }: Pick<Chain, 'timed' | 'timedNames'>,
    hand: AtHand,
  ) {
    this.#plan = plan;
    this.#queues = queues;
    this.#timed = timed;
    this.#timedNames = timedNames;
    this.#hand = hand;
    this.marked = new Set(plan.tells);
    this.placed = new Set(plan.placed);
    this.#placesRecords = plan.ordersByTime || this.placed.size > 0;
    const held = queues.filter((_, i) => plan.inputs[i]?.kind !== 'free');
    this.#watermark = new Watermark(held.map(({ time }) => time));
    this.#watermark.advance();
    this.passed = this.#watermark.now;
    this.#told = this.#watermark.promise;
  }

  /** ms UTC; -Infinity while nothing is promised. */
  get watermark(): number {
    return this.#watermark.now;
  }

  /** Updates the watermark from the inputs; returns true if it moved. */
  advance(): boolean {
    return this.#watermark.advance();
  }

  /** Runs the steps for the instants that the watermark has passed. */
  passWatermark(): void {
    this.#pass(this.#watermark.now, false);
    this.passed = this.#watermark.now;
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
  async pass({ idle, idleClock }: PassingTime, load: Load, settle: Settle): Promise<void> {
    if (idle !== undefined) await this.#passIdle(idle, load, settle);
    if (idleClock !== undefined) await this.#passClock(idleClock, load, settle);
  }

  /** The greatest watermark that the waiting records can lead to. */
  ahead(): number {
    let least = aside;
    for (let i = 0; i < this.#queues.length; i++) {
      if (this.#plan.inputs[i]?.kind === 'free') continue;
      least = Math.min(least, (this.#queues[i] as SourceQueue).promiseAhead);
    }
    return least === aside ? this.passed : least;
  }

  /**
   * Headers with the stand of the written record, if that is not its timestamp.
   * @param sink logical name
   */
  marks(sink: string, timestamp: number, headers: Uint8Array): Uint8Array {
    // A promise is never reduced.
    const promised = this.#told === aside ? unknown : this.#told;
    const { frame, partition } = this.#hand;
    const stand = Math.max(frame.stand, promised);
    if (this.placed.has(sink)) {
      const { place } = frame;
      return withStand(headers, stand, place ?? { partition, offset: -1 });
    }
    return stand === timestamp ? headers : withStand(headers, stand);
  }

  /**
   * Returns the new promises for downstream tasks, to be written after the outputs: the task's
   * promise, and NaN if its input has ended.
   */
  takePromises(): readonly number[] {
    if (this.marked.size === 0) return [];
    const promises: number[] = [];
    const { promise } = this.#watermark;
    if (promise !== this.#told && promise !== unknown) {
      this.#told = promise;
      promises.push(promise);
    }
    if (this.#endTold) promises.push(Number.NaN);
    this.#endTold = false;
    return promises;
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
      watermark: bySource ? this.#watermark.now : Math.max(streamTime, ...read),
      inputs,
      steps: this.#timed.map((timed, i) => {
        const step = this.#timedNames[i] ?? '';
        const at = bySource ? this.passed : keptTime(step);
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
   * True if everything has ended and no record waits.
   * @param atEnd the author's topics have ended
   */
  mayEnd(atEnd: boolean): boolean {
    const { inputs } = this.#plan;
    const { bySource } = this.#hand;
    if (atEnd) {
      inputs.forEach(({ kind }, i) => {
        if (kind === 'source' || !bySource) this.#ended.add(i);
      });
    }
    const isEnded = this.#queues.every(({ time }, i) => {
      if (bySource && inputs[i]?.kind === 'free') return true;
      return time instanceof UpstreamTime ? time.ended : this.#ended.has(i);
    });
    return isEnded && !this.#queues.some((queue) => queue.hasNext || queue.wantsRefill);
  }

  /** Closes everything that is open; this does not advance time. */
  async end(load: Load, settle: Settle): Promise<void> {
    this.#ended.clear();
    for (const { time } of this.#queues) if (time instanceof UpstreamTime) time.clearEnded();
    await load(Number.POSITIVE_INFINITY);
    const { frame } = this.#hand;
    const { stand } = frame;
    await this.#endRecords(settle);
    for (const step of this.#timed) {
      step.end();
      await settle();
    }
    frame.stand = stand;
    this.#endTold = this.marked.size > 0;
  }

  /**
   * Forwards records that wait for time, instant by instant, with timers between them, as if time
   * advanced.
   */
  async #endRecords(settle: Settle): Promise<void> {
    const held = this.#timed.filter(({ holdsRecords }) => holdsRecords === true);
    for (let next = nextOf(held); next < Number.POSITIVE_INFINITY; ) {
      for (const step of this.#timed) step.endUntil?.(next - 1);
      for (const step of held) step.endUntil?.(next);
      await settle();
      const following = nextOf(held);
      if (following <= next) return;
      next = following;
    }
  }

  /**
   * Time has passed for all sources, also upstream; runs the steps up to and including the instant.
   */
  async #passClock(idleClock: number, load: Load, settle: Settle): Promise<void> {
    if (idleClock <= this.idleClock) return;
    this.idleClock = idleClock;
    for (const { time } of this.#queues) {
      if (time instanceof UpstreamTime) time.passAll(idleClock);
      else time.passIdle(idleClock);
    }
    await load(idleClock);
    this.#pass(idleClock, true);
    if (this.#watermark.advance()) this.passed = this.#watermark.now;
    // Upstream tasks inform downstream tasks as well.
    if (this.#hand.bySource) this.#told = Math.max(this.#told, this.#watermark.promise);
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
    if (!this.#watermark.advance()) return;
    const until = this.#watermark.now;
    await load(until);
    this.#pass(until, true);
    this.passed = until;
    await settle();
  }

  #pass(until: number, isIdle: boolean): void {
    const timed = this.#timed;
    const { frame, bySource } = this.#hand;
    const { stand } = frame;
    // A single step keeps the order of instants itself.
    if (bySource && timed.length > 1) {
      for (let next = nextOf(timed); next <= until; ) {
        for (const step of timed) step.pass(next);
        const following = nextOf(timed);
        if (following <= next) break;
        next = following;
      }
    }
    for (const step of timed) {
      if (isIdle && step.passIdle !== undefined) step.passIdle(until);
      else step.pass(until);
    }
    frame.stand = stand;
  }
}

function nextOf(steps: readonly TimedStep[]): number {
  let next = Number.POSITIVE_INFINITY;
  for (const step of steps) next = Math.min(next, step.nextDue());
  return next;
}
