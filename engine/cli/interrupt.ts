/** Ctrl-C: the first one asks the run to finish its cycle, the second one leaves at once. */

/** Exit code of a process that left on a signal. */
const interrupted = 130;

export function onInterrupt(say: (text: string) => void): AbortSignal {
  const controller = new AbortController();
  const handle = () => {
    if (controller.signal.aborted) {
      say('leaving at once; what was committed stays, the rest is read again');
      process.exit(interrupted);
    }
    say('finishing the cycle and committing; once more to leave at once');
    controller.abort();
  };
  process.on('SIGINT', handle);
  process.on('SIGTERM', handle);
  return controller.signal;
}
