/**
 * Looks for the leaders of partitions that have none, until each has: one question for all, after
 * each one's pause.
 */
import { messageOf } from '../../../base/errors.ts';
import type { Timing } from '../../../base/timing.ts';
import { brokerError } from '../wire/broker-errors.ts';
import { kafkaCodes } from '../wire/error-codes.ts';
import { RefusedError } from '../wire/sasl-login.ts';
import type { Cluster } from './cluster.ts';
import type { FetchedPartition } from './fetched-partition.ts';

/** Whoever has not been let in for so long is not the one to try, ms: librdkafka may be. */
const firstAnswerMs = 10_000;

export interface LeaderSearchOptions {
  readonly cluster: Cluster;
  readonly timing: Timing;
  readonly partitions: () => Iterable<FetchedPartition>;
  /** Some have a leader now. */
  readonly onFound: () => void;
  /** The topic of a partition was deleted and made anew. */
  readonly onRemade: (partition: FetchedPartition) => void;
  /** What the cluster says of a partition. */
  readonly onError: (partition: FetchedPartition, code: number) => void;
  /** The brokers do not let us in. */
  readonly onRefused: (reason: string) => void;
}

export class LeaderSearch {
  readonly #options: LeaderSearchOptions;
  #since: number | undefined;
  #isSearching = false;
  #isClosed = false;
  /** Ends the pause that is under way. */
  #pause = new AbortController();

  constructor(options: LeaderSearchOptions) {
    this.#options = options;
  }

  /** To be called when a partition has no leader. */
  wake(): void {
    this.#since ??= this.#options.timing.clock.monotonic();
    this.#pause.abort();
    if (!this.#isSearching && !this.#isClosed) void this.#search();
  }

  close(): void {
    this.#isClosed = true;
    this.#pause.abort();
  }

  async #search(): Promise<void> {
    const { clock, scheduler } = this.#options.timing;
    this.#isSearching = true;
    while (!this.#isClosed) {
      const lost = [...this.#options.partitions()].filter(({ leader }) => leader === undefined);
      if (lost.length === 0) break;
      const now = clock.monotonic();
      const due = lost.filter(({ retryAt }) => retryAt <= now);
      if (due.length > 0) {
        await this.#ask(due);
        this.#options.onFound();
        continue;
      }
      this.#pause = new AbortController();
      const nextAt = Math.min(...lost.map(({ retryAt }) => retryAt));
      await scheduler.sleep(nextAt - now, this.#pause.signal);
    }
    this.#isSearching = false;
  }

  /** Afterwards each has a leader, is not wanted any more, or waits for its next attempt. */
  async #ask(due: readonly FetchedPartition[]): Promise<void> {
    const { cluster, onError, onRemade } = this.#options;
    try {
      const { topics } = await cluster.learn([...new Set(due.map(({ topic }) => topic))]);
      for (const one of this.#wantedOf(due)) {
        const told = topics.find(({ topic }) => topic === one.topic);
        const found = told?.partitions.find(({ partition }) => partition === one.partition);
        const { none, unknownTopicOrPartition: unknown } = kafkaCodes;
        const error = told?.error === none ? (found?.error ?? unknown) : (told?.error ?? unknown);
        if (error !== none) {
          cluster.view.forgetLeader(one);
          onError(one, error);
          continue;
        }
        if (cluster.view.isRemade(one.topic)) {
          onRemade(one);
          continue;
        }
        one.leader = cluster.view.leaderOf(one);
        if (one.leader === undefined) {
          one.inTrouble(brokerError(kafkaCodes.leaderNotAvailable).message);
        }
      }
    } catch (error) {
      this.#failed(due, error);
    }
  }

  /** Without those that were removed, or begun anew, meanwhile. */
  #wantedOf(due: readonly FetchedPartition[]): FetchedPartition[] {
    const wanted = new Set(this.#options.partitions());
    return due.filter((one) => wanted.has(one));
  }

  #failed(due: readonly FetchedPartition[], error: unknown): void {
    const { cluster, timing, onRefused } = this.#options;
    const now = timing.clock.monotonic();
    const isOverdue = !cluster.isLetIn && now - (this.#since ?? now) > firstAnswerMs;
    if (isFinal(error) || isOverdue) onRefused(messageOf(error));
    else for (const one of this.#wantedOf(due)) one.inTrouble(messageOf(error));
  }
}

/** A refusal; or a response that cannot be read, which would be none the second time. */
export function isFinal(error: unknown): boolean {
  return error instanceof RefusedError || error instanceof RangeError;
}
