/**
 * How time passes for a task: its sources' promises, its watermark, and what it tells those
 * downstream. Steps act instant by instant over all of them, so that nothing depends on how far the
 * watermark moves in one step.
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

/** How far one of the author's topics is. */
export interface SourceProgress {
  /** In the log. */
  readonly topic: string;
  /** Source time, ms UTC; -Infinity before the first record. */
  readonly at: number;
  /** Time of its next record, where that waits for slower partitions. */
  readonly next?: number;
}

type Load = (until: number) => Promise<void>;
type Settle = () => Promise<void>;

export class TaskClock {
  /** Time has passed up to here for every step, ms UTC; by source only. */
  passed = unknown;
  /** How far time is known to have passed for all sources, ms UTC. */
  idleClock = unknown;
  /**
   * Topics, by logical name, that carry the stand of each record; and those that say where it was
   * read first.
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
  /** What those downstream have been told. */
  #told: number;
  /** The input has ended in this run: those downstream are to hear of it. */
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

  /** Asks the inputs; true when the watermark has moved. */
  advance(): boolean {
    return this.#watermark.advance();
  }

  /** Does what the watermark has passed. */
  passWatermark(): void {
    this.#pass(this.#watermark.now, false);
    this.passed = this.#watermark.now;
  }

  /** Upstream tasks tell how far they are. */
  hear({ time }: SourceQueue, promises: readonly ToldPromise[]): void {
    if (!(time instanceof UpstreamTime)) return;
    for (const { task, promise } of promises) {
      if (Number.isNaN(promise)) time.tellEnd(task);
      else time.tell(task, promise);
    }
  }

  /**
   * A record moves the time of its source, and stands where that is; true when the watermark may
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

  /** How far the records that wait can bring the watermark, at most. */
  ahead(): number {
    let least = aside;
    for (let i = 0; i < this.#queues.length; i++) {
      if (this.#plan.inputs[i]?.kind === 'free') continue;
      least = Math.min(least, (this.#queues[i] as SourceQueue).promiseAhead);
    }
    return least === aside ? this.passed : least;
  }

  /**
   * Headers with the stand of what is written, where that is not its timestamp.
   * @param sink logical name
   */
  marks(sink: string, timestamp: number, headers: Uint8Array): Uint8Array {
    // What was promised is not taken back.
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
   * What is new for those downstream, to be told after what was written: how far the task is, and
   * that its input has ended (NaN).
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

  /** What is kept of a source's time with its committed offset. @param topic in the log */
  textOf(topic: string): string {
    return this.#queues.find((queue) => queue.topic === topic)?.time.text ?? '';
  }

  /**
   * What is to be said of the task's time.
   * @param streamTime greatest timestamp that was taken in, ms UTC
   * @param keptTime of a step that goes by its records, ms UTC
   */
  report(streamTime: number, keptTime: (step: string) => number): TaskTime {
    const { bySource } = this.#hand;
    const inputs = taskInputs(this.#plan, this.#queues);
    // The stream time of a task begins anew with each start; that of its sources is kept.
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
   * Whether everything has ended and nothing waits to be read.
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

  /** Closes what is open; no time has passed by that. */
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
   * Records that wait for time go on one instant after the other, and timers fire between them, as
   * if time passed.
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
   * Time has passed for all sources, also upstream, and what is due at the instant itself is done.
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
    // Whoever told us tells those downstream as well.
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
    // One step alone keeps the order of instants itself.
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
