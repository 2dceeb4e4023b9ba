/** The time of a task's cycle by stage, on the clock of its thread; ms. */
export interface TaskTimings {
  /** Collecting keys, and waiting for cells from the backend. */
  load: number;
  /** Decoding keys and values, estimated from every 64th record. */
  decode: number;
  /** Everything else that records and timers cause: the steps and their output. */
  steps: number;
  /** Encoding changed cells as changelog records. */
  changelog: number;
}

/**
 * Total computing time of a thread's tasks: while one task waits for its cells, others compute, and
 * that is not waiting.
 */
export interface ThreadTime {
  busyMs: number;
}

/** One record in this many is timed. */
export const decodeSample = 64;

export function noTimings(): TaskTimings {
  return { load: 0, decode: 0, steps: 0, changelog: 0 };
}

/** Subtracts the estimated decode time from the time of the steps. */
export function toldApart(timings: TaskTimings): TaskTimings {
  const decode = Math.min(timings.decode, timings.steps);
  return { ...timings, decode, steps: timings.steps - decode };
}
