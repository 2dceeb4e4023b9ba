/**
 * Ctrl-C and SIGTERM: the first signal asks the run to finish its cycle; the second ends the
 * process at once. So does the end of the deadline, whatever user code waits for. The next start
 * reads uncommitted records again.
 */

/** Exit code of a process ended by a signal. */
const interrupted = 130;
/** More than the limit of a commit (15 s), less than the grace period of most orchestrators. */
export const stopWithinMs = 20_000;

/** @param withinMs from the first signal to the end of the process, at most */
export function onInterrupt(say: (text: string) => void, withinMs = stopWithinMs): AbortSignal {
  const controller = new AbortController();
  const leave = (why: string) => {
    say(`${why}leaving at once; what was committed stays, the rest is read again`);
    process.exit(interrupted);
  };
  const handle = () => {
    if (controller.signal.aborted) leave('');
    say('finishing the cycle and committing; once more to leave at once');
    setTimeout(() => leave(`not done within ${withinMs} ms: `), withinMs).unref();
    controller.abort();
  };
  process.on('SIGINT', handle);
  process.on('SIGTERM', handle);
  return controller.signal;
}

/** How long a start in progress may continue after a signal, ms. */
const startEndsWithinMs = 1_000;

/**
 * A start may take long: it may wait for brokers, restore state or convert a folder. It has read
 * nothing that must be committed. Until the returned function is called, a signal ends the process
 * about a second later, like a completed stop.
 */
export function whileStarting(signal: AbortSignal, say: (text: string) => void): () => void {
  let timer: NodeJS.Timeout | undefined;
  const leave = () => {
    say('stopped while it was starting: nothing was read');
    process.exit(process.exitCode ?? 0);
  };
  const leaveSoon = () => {
    timer = setTimeout(leave, startEndsWithinMs).unref();
  };
  if (signal.aborted) leaveSoon();
  signal.addEventListener('abort', leaveSoon);
  return () => {
    clearTimeout(timer);
    signal.removeEventListener('abort', leaveSoon);
  };
}
