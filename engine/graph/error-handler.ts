/**
 * Error handlers: the author decides about failed records with a function instead of one policy for
 * all.
 */

/** A failed record, as an error handler receives it. */
export interface FailedRecord {
  /** The stage that failed: reading, a step, or writing a result. */
  readonly stage: 'deserialise' | 'process' | 'produce' | 'future';
  /** The step; for reading and writing, the topic. */
  readonly step: string;
  /** Where it was read; '' and -1 for a timer or a time-driven result, which have no record. */
  readonly topic: string;
  readonly partition: number;
  readonly offset: number;
  /** ms UTC. */
  readonly timestamp: number;
  /** Bytes as they were read; null for a null key or value, and without a record. */
  readonly key: Buffer | null;
  readonly value: Buffer | null;
}

/**
 * 'fail': the run ends with RECORD_FAILED. 'skip': the record has no effect, and is counted as
 * 'skipped'. 'deadLetter': it becomes a dead letter. `retryAfterMs`: it is tried again after this
 * many ms; its task reads nothing until then.
 */
export type ErrorAnswer = 'fail' | 'skip' | 'deadLetter' | { readonly retryAfterMs: number };

/**
 * Decides what happens to a failed record. Must be synchronous. It may be called again for the same
 * attempt.
 * @param attempt number of attempts since the process started, from 1 on
 */
export type ErrorHandler = (error: unknown, record: FailedRecord, attempt: number) => ErrorAnswer;

export interface HandledErrors {
  /** Only for this step or topic. */
  readonly step?: string;
  readonly handler: ErrorHandler;
}
