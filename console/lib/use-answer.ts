/** The answer that a view waits for: missing, present, or an error. */
import { useCallback, useEffect, useState } from 'preact/hooks';
import { AskError } from './api.ts';

export interface Waiting<T> {
  readonly value: T | undefined;
  readonly error: AskError | undefined;
  readonly isLoading: boolean;
  again(): void;
}

/** Asks when `keys` change; the last answer is shown meanwhile. */
export function useAnswer<T>(
  question: (signal: AbortSignal) => Promise<T>,
  keys: readonly unknown[],
): Waiting<T> {
  const [state, setState] = useState<Omit<Waiting<T>, 'again'>>({
    ...{ value: undefined, error: undefined },
    isLoading: true,
  });
  const [turn, setTurn] = useState(0);
  useEffect(() => {
    const gone = new AbortController();
    setState((old) => ({ ...old, isLoading: true }));
    question(gone.signal).then(
      (value) => {
        if (!gone.signal.aborted) setState({ value, error: undefined, isLoading: false });
      },
      (error: unknown) => {
        if (gone.signal.aborted) return;
        const known = error instanceof AskError ? error : new AskError(0, String(error));
        // While the server does not answer, the last answer is shown.
        setState((old) => ({
          value: known.status === 0 ? old.value : undefined,
          error: known,
          isLoading: false,
        }));
      },
    );
    return () => gone.abort();
  }, [...keys, turn]);
  const again = useCallback(() => setTurn((n) => n + 1), []);
  return { ...state, again };
}
