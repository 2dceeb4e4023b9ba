/**
 * Finds the hopping windows that contain an instant. Windows are `[start, start + sizeMs)`, never
 * negative.
 */
import { floorTo } from '../floor-to.ts';
import { CalendarGrid } from './calendar.ts';
import type { CalendarWindow, HoppingWindow } from './window-spec.ts';

/** Start of the first window that contains `timestamp` (SEMANTICS B.1). */
export function firstWindowStart(spec: HoppingWindow, timestamp: number): number {
  const earliest = Math.max(0, timestamp - spec.sizeMs + spec.advanceMs);
  return floorTo(earliest, spec.advanceMs);
}

/** Start of the first window that is not closed at `streamTime`. */
export function firstOpenStart(spec: HoppingWindow, streamTime: number): number {
  const lastClosed = streamTime - spec.sizeMs - spec.graceMs;
  return lastClosed < 0 ? 0 : floorTo(lastClosed, spec.advanceMs) + spec.advanceMs;
}

/** Starts of every window that holds `timestamp`, ascending. */
export function windowStarts(spec: HoppingWindow, timestamp: number): number[] {
  if (spec.sizeMs === spec.advanceMs) return [floorTo(timestamp, spec.sizeMs)];
  const starts: number[] = [];
  for (let s = firstWindowStart(spec, timestamp); s <= timestamp; s += spec.advanceMs)
    starts.push(s);
  return starts;
}

/** Windows with a fixed grid, independent of records. */
export interface WindowGrid {
  /** Starts of every window that holds `timestamp`, ascending. */
  starts(timestamp: number): readonly number[];
  /** End of the window that starts at `start`. */
  end(start: number): number;
}

export function gridOf(spec: HoppingWindow | CalendarWindow): WindowGrid {
  if (spec.type === 'hopping') {
    return {
      starts: (timestamp) => windowStarts(spec, timestamp),
      end: (start) => start + spec.sizeMs,
    };
  }
  const grid = new CalendarGrid(spec);
  return {
    starts: (timestamp) => [grid.windowAt(timestamp).start],
    end: (start) => grid.windowAt(start).end,
  };
}

function gcd(a: number, b: number): number {
  return b === 0 ? a : gcd(b, a % b);
}

/** Length of the slices (panes) that every window is a union of, ms. */
export function sliceMs(spec: HoppingWindow): number {
  return gcd(spec.sizeMs, spec.advanceMs);
}
