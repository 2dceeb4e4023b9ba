/** Calls that a partition's leader answers: one that is elsewhere, or not there yet, is waited for. */
import { setTimeout as pause } from 'node:timers/promises';
import type { Clock } from '../../../base/clock.ts';
import { kafkaCodes, leaderErrorsThatPass, unknownTopicMs } from '../wire/error-codes.ts';
import { answered, type Callback } from './client-calls.ts';
import { type CallContext, codeOf, kafkaError } from './client-errors.ts';
import type { LibrdKafkaError } from './rdkafka.ts';

/** Pauses between attempts, ms; doubled each time. */
const [retryMsMin, retryMsMax] = [5, 100];

/**
 * As `asked`, again and again while the leader is said to be elsewhere or not there yet, as after a topic was made; for
 * `timeoutMs` in all. A leader that does not know the topic is asked for `unknownTopicMs` at most.
 */
export async function askedOfLeader<T>(
  context: CallContext,
  timeoutMs: number,
  clock: Clock,
  start: (done: Callback<T>) => void,
): Promise<T> {
  const begin = clock.monotonic();
  for (let retryMs = retryMsMin; ; retryMs = Math.min(2 * retryMs, retryMsMax)) {
    try {
      return await answered<T>(timeoutMs, start);
    } catch (error) {
      const code = codeOf(error as LibrdKafkaError);
      const mostMs = code === kafkaCodes.unknownTopicOrPartition ? unknownTopicMs : timeoutMs;
      const waitedMs = clock.monotonic() - begin;
      if (!leaderErrorsThatPass.includes(code) || waitedMs + retryMs > mostMs) {
        throw kafkaError(context, error as LibrdKafkaError);
      }
      await pause(retryMs);
    }
  }
}
