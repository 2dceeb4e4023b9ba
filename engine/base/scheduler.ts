/** The Scheduler port: the only way to wait. */
export interface Scheduler {
  /** Resolves after `ms` milliseconds, or as soon as `signal` is aborted. */
  sleep(ms: number, signal?: AbortSignal): Promise<void>;
  /** Lets pending I/O and signals run, then continues. */
  yieldNow(): Promise<void>;
}

export const systemScheduler: Scheduler = {
  sleep: (ms, signal) =>
    new Promise((resolve) => {
      if (signal?.aborted) return resolve();
      const done = () => {
        clearTimeout(timer);
        signal?.removeEventListener('abort', done);
        resolve();
      };
      const timer = setTimeout(done, ms);
      signal?.addEventListener('abort', done);
    }),
  yieldNow: () => new Promise((resolve) => setImmediate(resolve)),
};
