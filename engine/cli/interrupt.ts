/**
 * Ctrl-C and SIGTERM: the first one asks the run to finish its cycle, the second one leaves at
 * once. So does the end of the deadline, whatever user code waits for: what was not committed is
 * read again by the next start.
 */

/** Exit code of a process that left on a signal. */
const interrupted = 130;
/** More than a commit may take (15 s), less than orchestrators mostly give a process. */
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

/** For so long after a signal a start that is under way may come to its end, ms. */
const startEndsWithinMs = 1_000;

/**
 * A start may wait for brokers, restore state or convert a folder for long; it has read nothing
 * that would have to be committed. Until the answer is called, a signal ends the process about a
 * second later, as a stop that is done.
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
