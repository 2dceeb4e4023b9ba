/** Which records of two streams belong together: by how far apart in event time they are. */
import { checkSettings, ms } from '../engine/base/settings.ts';

/** A left record at l joins right records in [l - beforeMs, l + afterMs], both ends included. */
export interface JoinWindow {
  readonly beforeMs: number;
  readonly afterMs: number;
  /** How much longer, in stream time, a record without a partner is waited for. */
  readonly graceMs: number;
}

/**
 * The other stream's records from `before` ms before a record to `after` ms after it, both
 * inclusive.
 * @throws CONFIG_INVALID for a duration that is no whole number of milliseconds, or negative
 */
export function joinWindow(options: {
  readonly before: number;
  readonly after: number;
  readonly grace: number;
}): JoinWindow {
  checkSettings('joinWindow', options, { before: ms(0), after: ms(0), grace: ms(0) });
  return { beforeMs: options.before, afterMs: options.after, graceMs: options.grace };
}
