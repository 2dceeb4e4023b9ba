/** A step that is tried several times before its error counts. */
import type { AnyReceiver } from '../graph/processor.ts';
import type { ErrorPolicy } from './error-policy.ts';
import { recordRefused } from './failure.ts';

/** One attempt, as the task sees it. */
export interface Attempt {
  /** It is over: what it did stays, or is another's to take back. */
  done(): void;
  /** A step after this one has tried in vain already, or nothing may be tried again. */
  isOver(error: unknown): boolean;
  /** The error stands. */
  giveUp(error: unknown): void;
  takeBack(error: unknown): void;
}

export function retried(
  inner: AnyReceiver,
  reaction: ErrorPolicy['process'],
  begin: () => Attempt,
): AnyReceiver {
  const attempts = typeof reaction === 'object' ? reaction.retry + 1 : 1;
  return {
    receive: (key, value, timestamp, old) => {
      for (let n = 1; ; n++) {
        const attempt = begin();
        try {
          inner.receive(key, value, timestamp, old);
          attempt.done();
          return;
        } catch (error) {
          if (n === attempts || attempt.isOver(error)) {
            attempt.done();
            attempt.giveUp(error);
            throw recordRefused;
          }
          attempt.takeBack(error);
        }
      }
    },
  };
}
