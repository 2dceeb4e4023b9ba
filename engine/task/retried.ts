/** Wraps a step that is tried several times before its error counts. */
import type { AnyReceiver } from '../graph/processor.ts';
import type { ErrorPolicy } from './error-policy.ts';
import { recordRefused } from './failure.ts';

/** Reports the outcome of one attempt. */
export interface Attempt {
  /** Ends the attempt: its changes stay, or are undone elsewhere. */
  done(): void;
  /** True if a later step has already used its attempts, or no retry is allowed. */
  isOver(error: unknown): boolean;
  /** Gives up: the error counts. */
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
