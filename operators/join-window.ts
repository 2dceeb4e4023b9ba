/** The window of a join of two streams: how far apart in event time two records may be. */
import { checkSettings, ms } from '../engine/base/settings.ts';

/** A left record at l joins right records in [l - beforeMs, l + afterMs], both ends included. */
export interface JoinWindow {
  readonly beforeMs: number;
  readonly afterMs: number;
  /** How much longer an unmatched record waits, ms of stream time. */
  readonly graceMs: number;
}

/**
 * The other stream's records from `before` ms before a record to `after` ms after it, both
 * inclusive.
 * @example `joinWindow({ before: 0, after: hours(1), grace: minutes(10) })`
 * @param options `before`, `after` and `grace`, all ≥ 0, in ms
 * @throws CONFIG_INVALID for a duration that is negative or not an integer
 */
export function joinWindow(options: {
  readonly before: number;
  readonly after: number;
  readonly grace: number;
}): JoinWindow {
  checkSettings('joinWindow', options, { before: ms(0), after: ms(0), grace: ms(0) });
  return { beforeMs: options.before, afterMs: options.after, graceMs: options.grace };
}
