/**
 * Calls of node-rdkafka as promises, each with a deadline of our own: a library call may answer late or
 * never (a second disconnect does).
 */
import { MillraceError, messageOf } from '../../../base/errors.ts';
import { kafkaCodes } from '../wire/error-codes.ts';
import { type CallContext, kafkaError } from './client-errors.ts';
import type { LibrdKafkaError } from './rdkafka.ts';

/** Of our deadline around calls that keep one of their own, ms. */
export const graceMs = 2_000;

export type Callback<T> = (error: LibrdKafkaError | null | undefined, value?: T) => void;

/**
 * Runs a call that answers by callback. Rejects with the client's own error, or with one of code
 * `timedOut` when nothing was heard for `timeoutMs`.
 */
export function answered<T>(timeoutMs: number, start: (done: Callback<T>) => void): Promise<T> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => {
      const message = `no answer within ${timeoutMs} ms`;
      reject(Object.assign(new Error(message), { code: kafkaCodes.timedOut }));
    }, timeoutMs);
    const settle: Callback<T> = (error, value) => {
      clearTimeout(timer);
      if (error === null || error === undefined) resolve(value as T);
      else reject(error);
    };
    try {
      start(settle);
    } catch (error) {
      settle(error as LibrdKafkaError);
    }
  });
}

/** The same, with errors as ours. */
export async function asked<T>(
  context: CallContext,
  timeoutMs: number,
  start: (done: Callback<T>) => void,
): Promise<T> {
  try {
    return await answered<T>(timeoutMs, start);
  } catch (error) {
    throw kafkaError(context, error as LibrdKafkaError);
  }
}

/** Makes a client; what the library does not accept of its options is an error of the configuration. */
export function constructed<T>(make: () => T): T {
  try {
    return make();
  } catch (error) {
    const context = { field: 'of the Kafka client', problem: messageOf(error) };
    throw new MillraceError('CONFIG_INVALID', context, { cause: error });
  }
}
