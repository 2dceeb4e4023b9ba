/**
 * Records of topics as they are committed, for those who subscribe. Each subscriber reads at its
 * own pace from the log, so that nothing is kept for a slow one; those at the end share one read.
 */
import { type Clock, systemClock } from '../base/clock.ts';
import { isMillraceError, MillraceError } from '../base/errors.ts';
import { type Scheduler, systemScheduler } from '../base/scheduler.ts';
import type { Log, TopicPartition } from '../log/log.ts';
import type { PackedBatch } from '../record/batch.ts';

/** Between two looks at the ends of what is followed, ms, where nobody tells of a commit. */
const pollMs = 200;
const recordsPerRead = 1_000;
/** Reads that are shared, so many at most. */
const sharedReads = 64;

export interface Followed extends TopicPartition {
  /** Next offset. */
  offset: number;
}

/** What became of the partitions that are followed. */
export type Tail =
  | { readonly kind: 'records'; readonly at: Followed; readonly batch: PackedBatch }
  /** Records were deleted before they were read. */
  | {
      readonly kind: 'gap';
      readonly topic: string;
      readonly partition: number;
      readonly from: number;
      readonly to: number;
    }
  /** Nothing has come for a while. */
  | { readonly kind: 'quiet' };

export class TopicTails {
  readonly #log: Log;
  readonly #clock: Clock;
  readonly #scheduler: Scheduler;
  readonly #reads = new Map<string, Promise<PackedBatch | undefined>>();
  readonly #waiting = new Set<() => void>();

  constructor(log: Log, clock: Clock = systemClock, scheduler: Scheduler = systemScheduler) {
    this.#log = log;
    this.#clock = clock;
    this.#scheduler = scheduler;
  }

  /** Something was committed here: whoever waits looks again. */
  committed(): void {
    const waiting = [...this.#waiting];
    this.#waiting.clear();
    for (const wake of waiting) wake();
  }

  /** Partitions of a topic, at their ends. @throws TOPIC_UNKNOWN */
  async ends(topic: string, partitions?: readonly number[]): Promise<Followed[]> {
    const found = (await this.#log.topics()).find(({ name }) => name === topic);
    if (found === undefined) throw new MillraceError('TOPIC_UNKNOWN', { topic });
    const all = partitions ?? Array.from({ length: found.partitions }, (_, i) => i);
    return Promise.all(
      all.map(async (partition) => {
        const at = { topic, partition };
        return { ...at, offset: await this.#log.endOffset(at) };
      }),
    );
  }

  /** How many partitions a topic has. @throws TOPIC_UNKNOWN */
  async width(topic: string): Promise<number> {
    const found = (await this.#log.topics()).find(({ name }) => name === topic);
    if (found === undefined) throw new MillraceError('TOPIC_UNKNOWN', { topic });
    return found.partitions;
  }

  /**
   * What comes from the offsets of `partitions` on, which move with it: when something is yielded
   * they stand behind what was yielded before, and behind it only when the next is asked for.
   */
  async *follow(
    partitions: readonly Followed[],
    quietMs: number,
    signal: AbortSignal,
  ): AsyncGenerator<Tail> {
    let quietSince = this.#clock.monotonic();
    while (!signal.aborted) {
      let some = false;
      for (const at of partitions) {
        if (signal.aborted) return;
        const tail = await this.#next(at);
        if (tail === undefined) continue;
        some = true;
        yield tail;
        at.offset = tail.kind === 'gap' ? tail.to : tail.batch.nextOffset;
      }
      if (some) quietSince = this.#clock.monotonic();
      else if (this.#clock.monotonic() - quietSince >= quietMs) {
        quietSince = this.#clock.monotonic();
        yield { kind: 'quiet' };
      } else await this.#news(signal);
    }
  }

  async #next(at: Followed): Promise<Exclude<Tail, { kind: 'quiet' }> | undefined> {
    try {
      const batch = await this.#read(at);
      return batch === undefined || batch.nextOffset <= at.offset
        ? undefined
        : { kind: 'records', at, batch };
    } catch (error) {
      if (!isMillraceError(error, 'OFFSET_OUT_OF_RANGE')) throw error;
      const { topic, partition, offset: from } = at;
      const start = await this.#log.startOffset(at);
      // A topic that was made anew ends before what was known of it.
      return { kind: 'gap', topic, partition, from, to: start };
    }
  }

  /** Those that stand at the same place share the read. */
  #read({ topic, partition, offset }: Followed): Promise<PackedBatch | undefined> {
    const place = `${topic} ${partition} ${offset}`;
    const known = this.#reads.get(place);
    if (known !== undefined) return known;
    const reading = this.#log.read({ topic, partition }, offset, { records: recordsPerRead });
    this.#reads.set(place, reading);
    const forget = () => this.#reads.delete(place);
    // What is at the end now is something else in a moment.
    reading.then((batch) => {
      if (batch === undefined) forget();
    }, forget);
    for (const first of this.#reads.keys()) {
      if (this.#reads.size <= sharedReads) break;
      this.#reads.delete(first);
    }
    return reading;
  }

  async #news(signal: AbortSignal): Promise<void> {
    const ended = new AbortController();
    let wake = () => {};
    const committed = new Promise<void>((resolve) => {
      wake = resolve;
      this.#waiting.add(resolve);
    });
    const waited = this.#scheduler.sleep(pollMs, AbortSignal.any([signal, ended.signal]));
    await Promise.race([committed, waited]);
    this.#waiting.delete(wake);
    ended.abort();
  }
}

/** Offsets of what is followed as one text, for a subscriber who comes again. */
export function placeText(partitions: readonly Followed[]): string {
  return partitions.map(({ offset }) => offset.toString(36)).join('.');
}

/**
 * The same partitions at the offsets of a text.
 * @throws CONFIG_INVALID for a text of other partitions
 */
export function placesOf(partitions: readonly Followed[], text: string): Followed[] {
  const parts = text.split('.');
  const isRight =
    parts.length === partitions.length && parts.every((p) => /^[\da-z]{1,11}$/.test(p));
  if (isRight) {
    return partitions.map((at, i) => ({
      ...at,
      offset: Math.min(Number.parseInt(parts[i] as string, 36), at.offset),
    }));
  }
  const problem = 'is not an id of this subscription: begin anew without it';
  throw new MillraceError('CONFIG_INVALID', { field: 'Last-Event-ID', problem });
}
