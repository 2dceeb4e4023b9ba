/** Attempts at what may pass by itself: which errors do, and the pauses between two attempts. */
import type { Clock } from '../../../base/clock.ts';
import type { Timing } from '../../../base/timing.ts';
import type { BrokerError } from './broker-errors.ts';
import { kafkaCodes, leaderErrorsThatPass, unknownTopicMs } from './error-codes.ts';

/** What passes by itself: coordinators and leaders that move, begin, or wait for others. */
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
 * ms. The first is short, as a coordinator ends a transaction within milliseconds; doubled each
 * time, a pause is never longer than all that was waited before it.
 */
const [pauseMsMin, pauseMsMax] = [2, 500];

/** How long to wait before the next attempt, ms. @param failures in a row, at least 1 */
export function pauseMsAfter(failures: number): number {
  return Math.min(pauseMsMin * 2 ** (failures - 1), pauseMsMax);
}

/** Whether a broker's answer passes by itself; it says nothing of connections that fail. */
export function passes(error: unknown): boolean {
  return passing.has((error as BrokerError).code);
}

/**
 * A process that is to stop waits so much longer for brokers, ms; and calls that begin so soon
 * after do, too.
 */
const [hurriedMs, hurriedForMs] = [2_000, 5_000];

/** How long what passes is waited for; less while the process is to stop. */
export class Patience {
  readonly #clock: Clock;
  readonly #ms: number;
  #hurriedAt = Number.NEGATIVE_INFINITY;

  /** @param ms as long as nobody hurries */
  constructor(clock: Clock, ms: number) {
    this.#clock = clock;
    this.#ms = ms;
  }

  /** The process is to stop. */
  hurry(): void {
    this.#hurriedAt = this.#clock.monotonic();
  }

  /** When waiting ends that began at `begin`, on the monotonic clock, ms. */
  endOf(begin: number): number {
    const isHurried = begin < this.#hurriedAt + hurriedForMs;
    const hurried = isHurried ? Math.max(begin, this.#hurriedAt) + hurriedMs : this.#ms + begin;
    return Math.min(begin + this.#ms, hurried);
  }
}

/**
 * Tries again what rejects with what passes, for up to `timeout` ms; where no broker knows the
 * topic, for `unknownTopicMs` at most.
 * @param isWaitedFor what passes
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
