/** Retries of transient errors: which errors are transient, and the pauses between attempts. */
import type { Clock } from '../../../base/clock.ts';
import type { Timing } from '../../../base/timing.ts';
import type { BrokerError } from './broker-errors.ts';
import { kafkaCodes, leaderErrorsThatPass, unknownTopicMs } from './error-codes.ts';

/** Transient errors: coordinators and leaders that move, start, or wait for others. */
const passing: ReadonlySet<number> = new Set<number>([
  ...leaderErrorsThatPass,
  kafkaCodes.concurrentTransactions,
  kafkaCodes.coordinatorLoading,
  kafkaCodes.coordinatorNotAvailable,
  kafkaCodes.network,
  kafkaCodes.notCoordinator,
  kafkaCodes.notEnoughReplicas,
  kafkaCodes.notEnoughReplicasAfterAppend,
  kafkaCodes.requestTimedOut,
]);

/**
 * Bounds of a pause, ms. The first is short, because a coordinator ends a transaction within
 * milliseconds. Since pauses double, each is at most as long as the whole wait before it.
 */
const [pauseMsMin, pauseMsMax] = [2, 500];

/** How long to wait before the next attempt, ms. @param failures in a row, at least 1 */
export function pauseMsAfter(failures: number): number {
  return Math.min(pauseMsMin * 2 ** (failures - 1), pauseMsMax);
}

/** True for a transient error of a broker; not for failed connections. */
export function passes(error: unknown): boolean {
  return passing.has((error as BrokerError).code);
}

/**
 * How long a stopping process still waits for brokers, ms; also for calls that begin shortly after
 * the stop.
 */
const [hurriedMs, hurriedForMs] = [2_000, 5_000];

/** How long transient errors are retried; shortened while the process stops. */
export class Patience {
  readonly #clock: Clock;
  readonly #ms: number;
  #hurriedAt = Number.NEGATIVE_INFINITY;

  /** @param ms the normal limit */
  constructor(clock: Clock, ms: number) {
    this.#clock = clock;
    this.#ms = ms;
  }

  /** Shortens waits, because the process stops. */
  hurry(): void {
    this.#hurriedAt = this.#clock.monotonic();
  }

  /** The end of a wait that began at `begin`, on the monotonic clock, ms. */
  endOf(begin: number): number {
    const isHurried = begin < this.#hurriedAt + hurriedForMs;
    const hurried = isHurried ? Math.max(begin, this.#hurriedAt) + hurriedMs : this.#ms + begin;
    return Math.min(begin + this.#ms, hurried);
  }
}

/**
 * Retries after transient errors, for up to `timeout` ms; if no broker knows the topic, for at most
 * `unknownTopicMs`.
 * @param isWaitedFor true for a transient error
 */
export async function retried<T>(
  { clock, scheduler }: Timing,
  timeout: number | Patience,
  attempt: () => Promise<T>,
  isWaitedFor: (error: unknown) => boolean = passes,
): Promise<T> {
  const begin = clock.monotonic();
  for (let failures = 1; ; failures++) {
    try {
      return await attempt();
    } catch (error) {
      const isUnknown = (error as BrokerError).code === kafkaCodes.unknownTopicOrPartition;
      const end = typeof timeout === 'number' ? begin + timeout : timeout.endOf(begin);
      const leftMs = (isUnknown ? Math.min(end, begin + unknownTopicMs) : end) - clock.monotonic();
      if (leftMs <= 0 || !isWaitedFor(error)) throw error;
      await scheduler.sleep(Math.min(pauseMsAfter(failures), leftMs));
    }
  }
}
