/** Which errors of brokers are waited for when something is written. */
import { setTimeout as pause } from 'node:timers/promises';
import type { BrokerError } from '../wire/broker-errors.ts';
import { kafkaCodes, leaderErrorsThatPass, unknownTopicMs } from '../wire/error-codes.ts';

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

/** Pauses between attempts, ms; doubled each time. */
const [retryMsMin, retryMsMax] = [2, 200];

/** Whether a broker's answer passes by itself; it says nothing of connections that fail. */
export function passes(error: unknown): boolean {
  return passing.has((error as BrokerError).code);
}

/**
 * Tries again what rejects with what passes, for up to `timeoutMs`.
 * @param isWaitedFor what that is
 */
export async function retried<T>(
  timeoutMs: number,
  attempt: () => Promise<T>,
  isWaitedFor: (error: unknown) => boolean = passes,
): Promise<T> {
  const begin = performance.now();
  for (let pauseMs = retryMsMin; ; pauseMs = Math.min(2 * pauseMs, retryMsMax)) {
    try {
      return await attempt();
    } catch (error) {
      const isUnknown = (error as BrokerError).code === kafkaCodes.unknownTopicOrPartition;
      const mostMs = isUnknown ? Math.min(unknownTopicMs, timeoutMs) : timeoutMs;
      const leftMs = begin + mostMs - performance.now();
      if (leftMs <= 0 || !isWaitedFor(error)) throw error;
      await pause(Math.min(pauseMs, leftMs));
    }
  }
}
