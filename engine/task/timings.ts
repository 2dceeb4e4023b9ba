/** Where the time of a task's cycle goes, by the clock of its thread; ms. */
export interface TaskTimings {
  /** Key texts collected, and the wait for cells read from the backend. */
  load: number;
  /** Keys and values decoded: estimated from every 64th record. */
  decode: number;
  /** All else that records and timers set going: the steps and what they write. */
  steps: number;
  /** Cells that changed encoded, as the changelog's records. */
  changelog: number;
}

/**
 * What all tasks of a thread have computed so far: while one waits for its cells the others go on,
 * and that is no waiting.
 */
export interface ThreadTime {
  busyMs: number;
}

/** Of so many records one is timed. */
export const decodeSample = 64;

export function noTimings(): TaskTimings {
  return { load: 0, decode: 0, steps: 0, changelog: 0 };
}

/** The timed records took part of the steps' time; all of them are told apart from it. */
export function toldApart(timings: TaskTimings): TaskTimings {
  const decode = Math.min(timings.decode, timings.steps);
  return { ...timings, decode, steps: timings.steps - decode };
}
