/**
 * Calls of node-rdkafka as promises, each with our own deadline, because a library call may return
 * late or never (as a second disconnect does).
 */
import { MillraceError, messageOf } from '../../../base/errors.ts';
import type { Scheduler } from '../../../base/scheduler.ts';
import { after, type Timing } from '../../../base/timing.ts';
import { kafkaCodes, leaderErrorsThatPass } from '../wire/error-codes.ts';
import { retried } from '../wire/retry.ts';
import { type CallContext, codeOf, kafkaError } from './client-errors.ts';
import type { LibrdKafkaError } from './rdkafka.ts';

/** Extra time of our deadline for calls that have their own, ms. */
export const graceMs = 2_000;

export type Callback<T> = (error: LibrdKafkaError | null | undefined, value?: T) => void;

/** Starts a call that returns by callback. */
export type Call<T> = (done: Callback<T>) => void;

/** Runs a call. Rejects with the client's own error, or with code `timedOut` after `timeoutMs`. */
export function answered<T>(scheduler: Scheduler, timeoutMs: number, start: Call<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    const inTime = after(scheduler, timeoutMs, () => {
      const message = `no answer within ${timeoutMs} ms`;
      reject(Object.assign(new Error(message), { code: kafkaCodes.timedOut }));
    });
    const settle: Callback<T> = (error, value) => {
      inTime();
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

export interface ClientCallsOptions {
  /** The brokers as configured, for messages. */
  readonly brokers: string;
  /** Default deadline of a call, ms. */
  readonly callTimeoutMs: number;
  readonly timing: Timing;
}

/** The purpose of a call, e.g. 'read the end of orders/0'. */
export type Purpose = Omit<CallContext, 'brokers'>;

/** Calls with the deadlines of one log, and errors as ours. */
export class ClientCalls {
  readonly brokers: string;
  readonly timeoutMs: number;
  readonly timing: Timing;

  constructor({ brokers, callTimeoutMs, timing }: ClientCallsOptions) {
    this.brokers = brokers;
    this.timeoutMs = callTimeoutMs;
    this.timing = timing;
  }

  /** Rejects with the client's error. */
  answered<T>(start: Call<T>, timeoutMs = this.timeoutMs): Promise<T> {
    return answered(this.timing.scheduler, timeoutMs, start);
  }

  async asked<T>(purpose: Purpose, start: Call<T>, timeoutMs = this.timeoutMs): Promise<T> {
    try {
      return await this.answered(start, timeoutMs);
    } catch (error) {
      throw this.errorOf(purpose, error);
    }
  }

  /**
   * As `asked`, with retries while the leader is elsewhere or missing, as after the creation of a
   * topic; `timeoutMs` in total.
   */
  async askedOfLeader<T>(purpose: Purpose, start: Call<T>, timeoutMs = this.timeoutMs): Promise<T> {
    const attempt = () => this.answered(start, timeoutMs);
    try {
      return await retried(this.timing, timeoutMs, attempt, isPassingOfLeader);
    } catch (error) {
      throw this.errorOf(purpose, error);
    }
  }

  errorOf(purpose: Purpose, error: unknown): MillraceError {
    return kafkaError({ brokers: this.brokers, ...purpose }, error as LibrdKafkaError);
  }
}

/** True if a leader's error is transient. */
export function isPassingOfLeader(error: unknown): boolean {
  return leaderErrorsThatPass.includes(codeOf(error as LibrdKafkaError));
}

/** Creates a client; options that the library refuses are a configuration error. */
export function constructed<T>(make: () => T): T {
  try {
    return make();
  } catch (error) {
    const context = { field: 'of the Kafka client', problem: messageOf(error) };
    throw new MillraceError('CONFIG_INVALID', context, { cause: error });
  }
}
