/** What an author says of records that fail: a function instead of one policy for all. */

/** A record that was refused, as an error handler sees it. */
export interface FailedRecord {
  /** What went wrong with it: reading, a step, or writing what a step made of it. */
  readonly stage: 'deserialise' | 'process' | 'produce' | 'future';
  /** The step; of reading and writing the topic. */
  readonly step: string;
  /** Where it was read; '' and -1 of a timer, or of what time let go: there is no record. */
  readonly topic: string;
  readonly partition: number;
  readonly offset: number;
  /** ms UTC. */
  readonly timestamp: number;
  /** Bytes as they were read; null of a null key or value, and where there is no record. */
  readonly key: Buffer | null;
  readonly value: Buffer | null;
}

/**
 * 'fail': the run ends with RECORD_FAILED. 'skip': the record has no effect, and is counted as
 * 'skipped'. 'deadLetter': it goes to the dead letters. `retryAfterMs`: it is tried again after so
 * many ms; its task reads nothing until then.
 */
export type ErrorAnswer = 'fail' | 'skip' | 'deadLetter' | { readonly retryAfterMs: number };

/**
 * Answers what becomes of a record. Must be synchronous. It may be asked again about the same
 * attempt.
 * @param attempt how often it was tried since the process has started, from 1 on
 */
export type ErrorHandler = (error: unknown, record: FailedRecord, attempt: number) => ErrorAnswer;

export interface HandledErrors {
  /** Of this step or topic alone. */
  readonly step?: string;
  readonly handler: ErrorHandler;
}
