/**
 * Decides when a window is closed: when no further update can be accepted. Lateness, suppress and
 * emission on close all use this function, so a final result is emitted once and never changes.
 *
 *   hopping  [start, end)   closed when  end <= st - grace
 *   sliding  [start, end]   closed when  end <  st - grace
 *   session  [start, end]   closed when  end <  st - gap - grace
 *   calendar [start, end)   closed when  end <= st - grace
 *   count    [start, end)   closed when  end <= n, the number of records of the key so far
 *
 * (SEMANTICS B.1-B.4; Kafka Streams' suppress disagrees with its own aggregates by one for the
 * windows with an inclusive end, B.5.)
 */
import type { WindowSpec } from './windows/window-spec.ts';

/**
 * The stream time at which a window with this end closes, ms UTC; for a count window, the number of
 * its key's records.
 */
export function closesAt(spec: WindowSpec, end: number): number {
  switch (spec.type) {
    case 'hopping':
    case 'calendar':
      return end + spec.graceMs;
    case 'sliding':
      return end + spec.graceMs + 1;
    case 'session':
      return end + spec.gapMs + spec.graceMs + 1;
    case 'count':
      return end;
  }
}

/** @param streamTime ms UTC; for a count window, the number of its key's records */
export function isClosed(spec: WindowSpec, end: number, streamTime: number): boolean {
  return closesAt(spec, end) <= streamTime;
}
