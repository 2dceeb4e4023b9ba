/** Errors that brokers answer with, by their codes in Kafka's protocol guide. */
import { setTimeout as pause } from 'node:timers/promises';
import { kafkaCodes } from '../calls.ts';
import { leaderErrorsThatPass, unknownTopicMs } from '../protocol/passing.ts';

const texts: ReadonlyMap<number, string> = new Map([
  [3, 'unknown topic or partition'],
  [5, 'the leader is not available'],
  [6, 'not the leader of the partition'],
  [7, 'the replicas did not have it in time'],
  [10, 'message size too large'],
  [14, 'the coordinator is still loading'],
  [15, 'the coordinator is not available'],
  [16, 'not the coordinator'],
  [19, 'not enough replicas in sync'],
  [20, 'not enough replicas in sync, after it was written'],
  [22, 'the generation of the group is another'],
  [25, 'the group does not know the member'],
  [27, 'the group is rebalancing'],
  [29, 'topic authorization failed'],
  [30, 'group authorization failed'],
  [31, 'cluster authorization failed'],
  [32, 'invalid timestamp'],
  [45, 'a batch is missing before this one'],
  [47, 'a newer producer has the transactional id'],
  [48, 'the transaction is not in a state for it'],
  [49, 'the transactional id belongs to another producer'],
  [51, 'the transaction before is still being ended'],
  [53, 'transactional id authorization failed'],
  [82, 'another process has the instance id'],
  [87, 'invalid record'],
  [90, 'a newer producer has the transactional id'],
]);

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

export interface BrokerError extends Error {
  readonly code: number;
}

/** @param where what it is about */
export function brokerError(code: number, where?: string): BrokerError {
  const text = texts.get(code) ?? `error ${code} of the broker`;
  const error = new Error(where === undefined ? text : `${where}: ${text}`);
  return Object.assign(error, { code });
}

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
