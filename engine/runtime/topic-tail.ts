/**
 * Follows topics as records are committed, for subscribers. Each subscriber reads from the log at
 * its own pace, so nothing is buffered for a slow one; subscribers at the end share one read.
 */
import { type Clock, systemClock } from '../base/clock.ts';
import { isMillraceError, MillraceError } from '../base/errors.ts';
import { type Scheduler, systemScheduler } from '../base/scheduler.ts';
import type { Log, TopicPartition } from '../log/log.ts';
import type { PackedBatch } from '../record/batch.ts';

/** Interval between checks of the end offsets, ms, if no commit is reported. */
const pollMs = 200;
const recordsPerRead = 1_000;
/** Maximal number of shared reads. */
const sharedReads = 64;

export interface Followed extends TopicPartition {
  /** Next offset. */
  offset: number;
}

/** An event of the followed partitions. */
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
  /** No records for a while. */
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

  /** Call after a commit of this process: waiting subscribers check again. */
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

  /** Number of partitions of a topic. @throws TOPIC_UNKNOWN */
  async width(topic: string): Promise<number> {
    const found = (await this.#log.topics()).find(({ name }) => name === topic);
    if (found === undefined) throw new MillraceError('TOPIC_UNKNOWN', { topic });
    return found.partitions;
  }

  /**
   * Yields records from the offsets of `partitions` on. The offsets advance: when a value is
   * yielded, they point after the previously yielded one; they pass it when the next value is
   * requested.
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
      // A recreated topic ends before the known offset.
      return { kind: 'gap', topic, partition, from, to: start };
    }
  }

  /** Reads the next batch; subscribers at the same offset share the read. */
  #read({ topic, partition, offset }: Followed): Promise<PackedBatch | undefined> {
    const place = `${topic} ${partition} ${offset}`;
    const known = this.#reads.get(place);
    if (known !== undefined) return known;
    const reading = this.#log.read({ topic, partition }, offset, { records: recordsPerRead });
    this.#reads.set(place, reading);
    const forget = () => this.#reads.delete(place);
    // The end of the topic moves, so an empty result is not shared.
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

/** The offsets of the followed partitions as text, for a subscriber that reconnects. */
export function placeText(partitions: readonly Followed[]): string {
  return partitions.map(({ offset }) => offset.toString(36)).join('.');
}

/**
 * The partitions at the offsets of a text.
 * @throws CONFIG_INVALID if the text is of other partitions
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
