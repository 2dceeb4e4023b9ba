/** The time options of a command line. */

export interface TimeFlags {
  /** ms of the wall clock. */
  readonly idleAfter?: number;
  /** ms of event time. */
  readonly maxDrift?: number;
  readonly atEnd?: 'close' | 'keep';
}

/** The same, as settings of a runtime. */
export function timeSettings({ idleAfter, maxDrift, atEnd }: TimeFlags) {
  return {
    ...(idleAfter === undefined ? {} : { idleAfterMs: idleAfter }),
    ...(maxDrift === undefined ? {} : { maxDriftMs: maxDrift }),
    ...(atEnd === undefined ? {} : { atEnd }),
  };
}
