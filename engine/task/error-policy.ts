/** What happens to a record that cannot be read, processed or written. */

export type Verdict = 'dead-letter' | 'stop';

/** `retry`: how often the step is tried again at once before `otherwise`. */
export type ErrorReaction = Verdict | { readonly retry: number; readonly otherwise: Verdict };

export interface ErrorPolicy {
  readonly deserialise: Verdict;
  readonly process: ErrorReaction;
  readonly produce: Verdict;
}

export const defaultErrorPolicy: ErrorPolicy = {
  deserialise: 'dead-letter',
  process: 'dead-letter',
  produce: 'dead-letter',
};
