/**
 * Looks up the leaders of partitions without one, with one request for all, after the pause of
 * each.
 */
import { messageOf } from '../../../base/errors.ts';
import type { Timing } from '../../../base/timing.ts';
import { brokerError } from '../wire/broker-errors.ts';
import { kafkaCodes } from '../wire/error-codes.ts';
import { RefusedError } from '../wire/sasl-login.ts';
import type { Cluster } from './cluster.ts';
import type { FetchedPartition } from './fetched-partition.ts';

/** If no login has succeeded for this time, gives up and leaves it to librdkafka, ms. */
const firstAnswerMs = 10_000;

export interface LeaderSearchOptions {
  readonly cluster: Cluster;
  readonly timing: Timing;
  readonly partitions: () => Iterable<FetchedPartition>;
  /** Called when some partitions have a leader. */
  readonly onFound: () => void;
  /** Called when the topic of a partition was deleted and created again. */
  readonly onRemade: (partition: FetchedPartition) => void;
  /** Called with the cluster's error for a partition. */
  readonly onError: (partition: FetchedPartition, code: number) => void;
  /** Called when the brokers refuse the login. */
  readonly onRefused: (reason: string) => void;
}

export class LeaderSearch {
  readonly #options: LeaderSearchOptions;
  #since: number | undefined;
  #isSearching = false;
  #isClosed = false;
  /** Ends the current pause. */
  #pause = new AbortController();

  constructor(options: LeaderSearchOptions) {
    this.#options = options;
  }

  /** Call when a partition has no leader. */
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

  /**
   * Looks up leaders; afterwards each partition has one, is no longer needed, or waits for its next
   * attempt.
   */
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

  /** The partitions that were not removed or restarted meanwhile. */
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

/** True for a refusal, or a malformed response, which a retry would not change. */
export function isFinal(error: unknown): boolean {
  return error instanceof RefusedError || error instanceof RangeError;
}
