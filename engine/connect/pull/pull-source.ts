/**
 * A pulled source as a connector. Pages are fetched ahead of the cycles, so that a cycle never
 * waits for the network. The position after the pages of a cycle is committed with their records;
 * after a kill or a failed commit, fetching restarts after the last commit.
 */

import { type Clock, systemClock } from '../../base/clock.ts';
import { isMillraceError, MillraceError } from '../../base/errors.ts';
import type { Observer } from '../../base/events.ts';
import { type Scheduler, systemScheduler } from '../../base/scheduler.ts';
import type { Topic } from '../../graph/topic.ts';
import { encodeHeaders } from '../../record/headers.ts';
import type { SourceChunk, SourceConnector, SourceStart } from '../../runtime/connector.ts';
import { Outputs } from '../../task/outputs.ts';
import { type Mapped, recordsOf } from '../file-options.ts';
import { rowHeaders } from '../row-letter.ts';
import { writeRow } from '../write-rows.ts';
import { BackOff, type BackOffOptions } from './back-off.ts';
import { mappedOf, type Page, type PulledRow, type Puller } from './puller.ts';
import type { Schedule } from './schedule.ts';

export interface PullSourceOptions<K, V> {
  readonly name: string;
  readonly kind: string;
  /**
   * The target that positions belong to, for example a table. Another target needs another source
   * name.
   */
  readonly target?: string;
  readonly puller: Puller;
  readonly schedule: Schedule;
  readonly topic: Topic<K, V>;
  /** Name or path of the mapping `map`, stored in dead letters for a replay. */
  readonly mapping?: string | undefined;
  /** `id` identifies rows if the mapping names no field for it. */
  map(fields: Readonly<Record<string, unknown>>, id: string): Mapped<K, V>;
  /** Reads the available rows once, then ends; fails after repeated failures. */
  readonly bounded?: boolean;
  readonly clock?: Clock;
  readonly scheduler?: Scheduler;
  readonly backOff?: BackOffOptions;
}

interface PullCursor {
  readonly kind: string;
  readonly target?: string;
  /** Undefined before the first page. */
  readonly position?: unknown;
  /** Start of the last complete run, ms UTC. */
  readonly ranAt?: number;
  readonly eventTime: number | null;
}

/** Fetched pages that no cycle has read yet. */
type Fetched =
  | { readonly page: Page }
  /** A run is complete; it started at `ranAt`, ms UTC. */
  | { readonly ranAt: number };

/** Limit of rows fetched ahead; the last page may exceed it. */
const aheadMax = 20_000;
/** Consecutive attempts of a bounded run. */
const attemptsMax = 8;
/** Longest wait requested by the server that a bounded run accepts, ms. */
const waitMaxMs = 300_000;
/** Pause before a source that refuses is asked again, ms. */
const refusedWaitMs = 60_000;
/** Characters of a reason. */
const reasonMax = 1_000;

export class PullSource<K, V> implements SourceConnector {
  readonly name: string;
  readonly topics: readonly Topic<K, V>[];
  readonly #options: PullSourceOptions<K, V>;
  readonly #clock: Clock;
  readonly #scheduler: Scheduler;
  #outputs: Outputs | undefined;
  #observer: Observer | undefined;
  #deadLetterTopic = '';
  #cursor: PullCursor;
  #queue: Fetched[] = [];
  #queuedRows = 0;
  /** Resolves when there is room in the queue again. */
  #room: () => void = () => {};
  #stop = new AbortController();
  #fetching: Promise<void> | undefined;
  #failure: unknown;
  /** True while it waits for its schedule and has no fetched rows. */
  #isResting = false;
  /** The run of a bounded source is over. */
  #isOver = false;

  constructor(options: PullSourceOptions<K, V>) {
    this.#options = options;
    this.name = options.name;
    this.topics = [options.topic];
    this.#clock = options.clock ?? systemClock;
    this.#scheduler = options.scheduler ?? systemScheduler;
    this.#cursor = this.#emptyCursor();
  }

  /** There are no files for a progress bar. */
  readonly files: readonly string[] = [];

  async open({
    cursor,
    partitionsOf,
    deadLetterTopic,
    observer,
    limits,
  }: SourceStart): Promise<void> {
    await this.#halt();
    this.#cursor = cursor === undefined ? this.#emptyCursor() : this.#checked(cursor);
    this.#outputs = new Outputs(partitionsOf, limits);
    this.#deadLetterTopic = deadLetterTopic;
    this.#observer = observer;
    this.#failure = undefined;
    this.#isOver = false;
    this.#isResting = false;
    this.#stop = new AbortController();
    this.#fetching = this.#fetchAll(this.#cursor, this.#stop.signal).catch((error: unknown) => {
      if (!this.#stop.signal.aborted) this.#failure = error;
    });
  }

  /** Returns at once, with the records fetched so far. */
  async next(limit: number): Promise<SourceChunk> {
    const { ranAt: before } = this.#cursor;
    const counts = { records: 0, bytes: 0, deadLettered: 0 };
    const skipped = new Map<string, number>();
    let moved = false;
    while (counts.records < limit) {
      const fetched = this.#queue.shift();
      if (fetched === undefined) break;
      if ('ranAt' in fetched) {
        if (this.#options.schedule.isKept) this.#cursor = { ...this.#cursor, ...fetched };
        continue;
      }
      const { rows, position, bytes } = fetched.page;
      for (const row of rows) if (this.#write(row, skipped) === 'refused') counts.deadLettered++;
      counts.records += rows.length;
      counts.bytes += bytes;
      this.#queuedRows -= rows.length;
      // With records, the cursor is committed together with them.
      if (counts.records === 0) {
        moved ||= JSON.stringify(position) !== JSON.stringify(this.#cursor.position);
      }
      this.#cursor = { ...this.#cursor, position };
    }
    this.#room();
    const isEmpty = this.#queue.length === 0;
    // Pages fetched before the failure are delivered first.
    if (this.#failure !== undefined && isEmpty && counts.records === 0 && !moved) {
      throw this.#failure;
    }
    const eventTime = this.#cursor.eventTime ?? Number.NEGATIVE_INFINITY;
    return {
      outputs: (this.#outputs as Outputs).take(),
      cursor: this.#cursor,
      moved: moved || this.#cursor.ranAt !== before,
      done: this.#isOver && isEmpty,
      idle: this.#isResting && isEmpty,
      ...counts,
      skipped: Object.fromEntries(skipped),
      eventTime,
    };
  }

  async close(): Promise<void> {
    await this.#halt();
    await this.#options.puller.close();
  }

  async #halt(): Promise<void> {
    this.#stop.abort();
    this.#room();
    await this.#fetching;
    this.#fetching = undefined;
    this.#queue = [];
    this.#queuedRows = 0;
  }

  /** Fetches run after run until it is stopped; a bounded source has one run. */
  async #fetchAll(cursor: PullCursor, signal: AbortSignal): Promise<void> {
    const { schedule, bounded = false } = this.#options;
    const backOff = new BackOff(this.#clock.now(), this.#options.backOff);
    let { position, ranAt: lastAt } = cursor;
    while (!signal.aborted) {
      if (!bounded) await this.#rest(schedule.nextAt(lastAt, this.#clock.now()), signal);
      if (signal.aborted) return;
      const ranAt = this.#clock.now();
      for (let isWhole = false; !isWhole && !signal.aborted; ) {
        try {
          for await (const page of this.#options.puller.run(position, signal)) {
            if (signal.aborted) return;
            if (backOff.failures > 0) this.#observer?.on('sourceBack', { source: this.name });
            backOff.succeeded();
            await this.#put({ page }, page.rows.length, signal);
            position = page.position;
          }
          isWhole = true;
        } catch (error) {
          if (signal.aborted) return;
          await this.#waitAfter(error, backOff, signal);
        }
      }
      if (signal.aborted) return;
      if (backOff.failures > 0) this.#observer?.on('sourceBack', { source: this.name });
      backOff.succeeded();
      await this.#put({ ranAt }, 0, signal);
      lastAt = schedule.isKept ? ranAt : this.#clock.now();
      if (!bounded) continue;
      this.#isOver = true;
      return;
    }
  }

  async #rest(until: number, signal: AbortSignal): Promise<void> {
    this.#isResting = true;
    for (;;) {
      const left = until - this.#clock.now();
      if (left <= 0 || signal.aborted) break;
      // A wall clock may jump, so check it repeatedly.
      await this.#scheduler.sleep(Math.min(left, 60_000), signal);
    }
    this.#isResting = false;
  }

  async #put(fetched: Fetched, rows: number, signal: AbortSignal): Promise<void> {
    while (this.#queuedRows > 0 && this.#queuedRows + rows > aheadMax && !signal.aborted) {
      await new Promise<void>((resolve) => {
        this.#room = resolve;
      });
    }
    if (signal.aborted) return;
    this.#queue.push(fetched);
    this.#queuedRows += rows;
  }

  /** Throws errors that a bounded run cannot wait out, and errors of the program. */
  async #waitAfter(error: unknown, backOff: BackOff, signal: AbortSignal): Promise<void> {
    if (!(error instanceof MillraceError)) throw error;
    const asked = Number(error.context['retryAfterMs'] ?? 0);
    const mayPass = isMillraceError(error, 'SOURCE_UNAVAILABLE');
    const waitMs = backOff.failed(mayPass ? asked : refusedWaitMs);
    if (this.#options.bounded === true) {
      if (!mayPass || backOff.failures >= attemptsMax || waitMs > waitMaxMs) throw error;
    }
    const { failures: attempt } = backOff;
    this.#observer?.on('sourceAway', {
      source: this.name,
      problem: error.message,
      attempt,
      waitMs,
    });
    await this.#scheduler.sleep(waitMs, signal);
  }

  #emptyCursor(): PullCursor {
    const { kind, target } = this.#options;
    return { kind, ...(target === undefined ? {} : { target }), eventTime: null };
  }

  /** Throws SOURCE_CHANGED for the cursor of another source of this name. */
  #checked(given: unknown): PullCursor {
    const cursor = given as Partial<PullCursor>;
    const { kind, target } = this.#options;
    const isOf = (found: Partial<PullCursor>) =>
      found.kind === undefined ? 'files' : `${found.kind} ${found.target ?? ''}`.trim();
    if (cursor.kind === kind && cursor.target === target) return cursor as PullCursor;
    throw new MillraceError('SOURCE_CHANGED', {
      source: this.name,
      before: isOf(cursor),
      now: isOf({ kind, ...(target === undefined ? {} : { target }) }),
    });
  }

  #write(row: PulledRow, skipped: Map<string, number>): 'taken' | 'skipped' | 'refused' {
    const mapped = mappedOf(this.#options, row);
    if (mapped === 'skip' || 'skip' in mapped) {
      const reason = mapped === 'skip' ? 'not wanted' : mapped.skip;
      skipped.set(reason, (skipped.get(reason) ?? 0) + 1);
      return 'skipped';
    }
    if ('reject' in mapped) return this.#refuse(row, mapped.reject);
    const { topic } = this.#options;
    const records = recordsOf(mapped);
    const problem = writeRow(this.#outputs as Outputs, topic, records);
    if (problem !== undefined) return this.#refuse(row, problem);
    for (const { timestamp } of records) {
      const eventTime = Math.max(this.#cursor.eventTime ?? timestamp, timestamp);
      this.#cursor = { ...this.#cursor, eventTime };
    }
    return 'taken';
  }

  #refuse({ raw, from, offset, fields }: PulledRow, problem: string): 'refused' {
    const { mapping, topic } = this.#options;
    const reason = problem.length <= reasonMax ? problem : `${problem.slice(0, reasonMax)}...`;
    const headers = encodeHeaders({
      stage: 'source',
      step: this.name,
      reason,
      callSite: 'mapping',
      topic: from,
      partition: '0',
      offset,
      timestamp: '0',
      ...rowHeaders({ mapping, topic: topic.name, fields, raw }),
    });
    (this.#outputs as Outputs).writeRaw(this.#deadLetterTopic, null, Buffer.from(raw), 0, headers);
    return 'refused';
  }
}
