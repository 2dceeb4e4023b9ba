/**
 * Calls the author's error handlers, and tracks the record that waits for a retry. A task has at
 * most one: it reads nothing more until that record is done, so the order of its partition is kept.
 * This object outlives the task, which is reopened when a cycle is repeated.
 */
import { fatalError } from '../base/assert.ts';
import { MillraceError, messageOf } from '../base/errors.ts';
import type { FailureStage } from '../base/events.ts';
import { longestTimerMs, ms, shown } from '../base/settings.ts';
import type { ErrorAnswer, FailedRecord, HandledErrors } from '../graph/error-handler.ts';
import type { Topology } from '../graph/graph.ts';
import type { ErrorPolicy } from './error-policy.ts';
import { type Failure, verdictOf } from './failure.ts';
import type { RecordPlace } from './suspended.ts';

interface Waiting {
  readonly topic: string;
  readonly position: number;
  readonly attempts: number;
}

/** A waiting record, as a result reports it. */
export interface RetryTold {
  readonly topic: string;
  readonly offset: number;
  readonly attempt: number;
  /** Delay from now, ms; absent if it was reported before. */
  readonly afterMs?: number;
}

export class Retries {
  #waiting: Waiting | undefined;
  #afterMs: number | undefined;

  /** Number of earlier attempts of the record. */
  attemptsOf({ topic, position }: Pick<RecordPlace, 'topic' | 'position'>): number {
    const waiting = this.#waiting;
    const is = waiting?.topic === topic && waiting.position === position;
    return is ? waiting.attempts : 0;
  }

  /** Notes that the record waits for a retry. */
  wait({ topic, position }: Pick<RecordPlace, 'topic' | 'position'>, afterMs: number): void {
    const attempts = this.attemptsOf({ topic, position }) + 1;
    this.#waiting = { topic, position, attempts };
    this.#afterMs = afterMs;
  }

  /** Notes that a record is done; if it was the waiting one, none waits any more. */
  done(at: Pick<RecordPlace, 'topic' | 'position'>): void {
    if (this.#waiting !== undefined && this.attemptsOf(at) > 0) this.#waiting = undefined;
  }

  /** The waiting record; undefined if there is none. */
  take(): RetryTold | undefined {
    const { topic, position, attempts } = this.#waiting ?? { position: 0 };
    const afterMs = this.#afterMs;
    this.#afterMs = undefined;
    if (topic === undefined) return undefined;
    const told = { topic, offset: position - 1, attempt: attempts as number };
    return afterMs === undefined ? told : { ...told, afterMs };
  }
}

/**
 * The handler that applies: the last one for the step, else the last general one; undefined: the
 * policy decides.
 */
function handlerOf(
  handlers: readonly HandledErrors[],
  stage: FailureStage,
  step: string,
): HandledErrors | undefined {
  if (handlers.length === 0 || stage === 'source') return undefined;
  const own = handlers.findLast((one) => one.step === step);
  return own ?? handlers.findLast((one) => one.step === undefined);
}

interface Asked {
  readonly topology: Pick<Topology, 'errorHandlers'>;
  readonly onError: ErrorPolicy;
  readonly retries: Retries;
}

/** True if no handler applies and the policy ends the run. */
export function stopsAt({ topology, onError }: Asked, { stage, step }: Failure): boolean {
  const handled = handlerOf(topology.errorHandlers, stage, step);
  return handled === undefined && verdictOf(onError, stage) === 'stop';
}

/**
 * The author's decision on a failure. Without a handler it is a dead letter, because a policy of
 * `stop` has already ended the run.
 * @param at undefined where there is no record
 * @throws CONFIG_INVALID, which ends the run, for an invalid return value
 */
export function answerTo(
  { topology, retries }: Asked,
  failure: Failure,
  at: RecordPlace | undefined,
  origin: Pick<FailedRecord, 'topic' | 'partition' | 'offset'>,
  timestamp: number,
): ErrorAnswer {
  const handled = handlerOf(topology.errorHandlers, failure.stage, failure.step);
  if (handled === undefined) return 'deadLetter';
  const bytes = (of: Buffer | null | undefined) => (of ? Buffer.from(of) : null);
  const key = bytes(at?.batch?.key(at.index));
  const value = bytes(at?.batch?.value(at.index));
  const before = at === undefined ? 0 : retries.attemptsOf(at);
  return answerOf(handled, failure, { ...origin, timestamp, key, value }, before + 1);
}

const afterMs = ms(0, longestTimerMs);

function answerOf(
  { handler }: HandledErrors,
  { stage, step, error }: Failure,
  record: Omit<FailedRecord, 'stage' | 'step'>,
  attempt: number,
): ErrorAnswer {
  let answer: unknown;
  try {
    answer = handler(error, { ...record, stage: stage as FailedRecord['stage'], step }, attempt);
  } catch (failure) {
    throw wrong(step, `the handler failed of ${messageOf(failure)}`);
  }
  if (answer === 'fail' || answer === 'skip' || answer === 'deadLetter') return answer;
  const retry = (answer as { retryAfterMs?: unknown } | null)?.retryAfterMs;
  if (typeof retry === 'number' && afterMs(retry) === undefined) return { retryAfterMs: retry };
  const must = `'fail', 'skip', 'deadLetter' or { retryAfterMs: whole ms from 0 to ${longestTimerMs} }`;
  throw wrong(step, `the handler must answer ${must}, answers ${shown(answer)}`);
}

function wrong(step: string, problem: string): MillraceError {
  const context = { field: `onError of ${step}`, problem };
  return fatalError(new MillraceError('CONFIG_INVALID', context));
}
