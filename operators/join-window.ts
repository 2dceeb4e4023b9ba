/** Which records of two streams belong together: by how far apart in event time they are. */
import { MillraceError } from '../engine/base/errors.ts';

/** A left record at l joins right records in [l - beforeMs, l + afterMs], both ends included. */
export interface JoinWindow {
  readonly beforeMs: number;
  readonly afterMs: number;
  /** How much longer, in stream time, a record without a partner is waited for. */
  readonly graceMs: number;
}

/** @throws CONFIG_INVALID for a duration that is no whole number of milliseconds, or negative */
export function joinWindow(options: {
  readonly before: number;
  readonly after: number;
  readonly grace: number;
}): JoinWindow {
  for (const [field, ms] of Object.entries(options)) {
    if (Number.isSafeInteger(ms) && ms >= 0) continue;
    const problem = `must be a whole number of milliseconds, 0 or more, is ${String(ms)}`;
    throw new MillraceError('CONFIG_INVALID', { field: `joinWindow.${field}`, problem });
  }
  return { beforeMs: options.before, afterMs: options.after, graceMs: options.grace };
}
