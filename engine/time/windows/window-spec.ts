/**
 * Windows as values. All sizes are milliseconds. Grace is required: how long after a window's end
 * late records are still taken in is the author's decision, not a default.
 */
import {
  checkSettings,
  choice,
  count,
  ms,
  optional,
  type Rule,
  refuseSetting,
} from '../../base/settings.ts';

/** `[start, start + sizeMs)`, a start every `advanceMs`; tumbling when the two are equal. */
export interface HoppingWindow {
  readonly type: 'hopping';
  readonly sizeMs: number;
  readonly advanceMs: number;
  readonly graceMs: number;
}

/** `[end - sizeMs, end]`, both ends inclusive, one for every set of records that fits. */
export interface SlidingWindow {
  readonly type: 'sliding';
  readonly sizeMs: number;
  readonly graceMs: number;
}

/** `[first, last]`, both inclusive, of records no more than `gapMs` apart. */
export interface SessionWindow {
  readonly type: 'session';
  readonly gapMs: number;
  readonly graceMs: number;
}

/** `[start, end)`: the days, weeks or months of a time zone. */
export interface CalendarWindow {
  readonly type: 'calendar';
  readonly unit: 'day' | 'week' | 'month';
  /** IANA name, e.g. 'Europe/Berlin'. */
  readonly timeZone: string;
  /** First day of a week, 1 = Monday to 7 = Sunday. */
  readonly weekStart: number;
  readonly graceMs: number;
}

/**
 * `[start, start + size)` in records of a key, counted from 0 as they come: `size` records, one
 * window every `advance` records. Time has no part in it, so there is no grace and nothing is late.
 */
export interface CountWindow {
  readonly type: 'count';
  readonly size: number;
  readonly advance: number;
}

/** Windows that close with stream time. */
export type TimedWindow = HoppingWindow | SlidingWindow | SessionWindow | CalendarWindow;

export type WindowSpec = TimedWindow | CountWindow;

/**
 * `[start, start + size)` side by side, aligned to the epoch; `size` and `grace` in ms.
 * @throws CONFIG_INVALID for a duration that makes no sense; so do the other windows
 */
export function tumbling(options: {
  readonly size: number;
  readonly grace: number;
}): HoppingWindow {
  checkSettings('window', options, { size: ms(1), grace: ms(0) });
  return hopping({ ...options, advance: options.size });
}

/**
 * `[start, start + size)`, one every `advance`, aligned to the epoch; all in ms. `advance` ≤
 * `size`.
 */
export function hopping(options: {
  readonly size: number;
  readonly advance: number;
  readonly grace: number;
}): HoppingWindow {
  checkSettings('window', options, { size: ms(1), advance: ms(1), grace: ms(0) });
  if (options.advance > options.size) {
    refuseSetting('window.advance', `must not be greater than size, ${options.size}`);
  }
  return Object.freeze({
    type: 'hopping',
    sizeMs: options.size,
    advanceMs: options.advance,
    graceMs: options.grace,
  });
}

/** Windows of `size` (ms) that slide with the records; both ends inclusive. */
export function sliding(options: { readonly size: number; readonly grace: number }): SlidingWindow {
  checkSettings('window', options, { size: ms(1), grace: ms(0) });
  return Object.freeze({ type: 'sliding', sizeMs: options.size, graceMs: options.grace });
}

/** Sessions that end after `gap` (ms) without a record; a gap of exactly `gap` still joins. */
export function session(options: { readonly gap: number; readonly grace: number }): SessionWindow {
  checkSettings('window', options, { gap: ms(1), grace: ms(0) });
  return Object.freeze({ type: 'session', gapMs: options.gap, graceMs: options.grace });
}

const weekdays = ['monday', 'tuesday', 'wednesday', 'thursday', 'friday', 'saturday', 'sunday'];

export type Weekday =
  | 'monday'
  | 'tuesday'
  | 'wednesday'
  | 'thursday'
  | 'friday'
  | 'saturday'
  | 'sunday';

/**
 * The days, weeks (from `weekStart`, default Monday) or months of a time zone, such as
 * 'Europe/Berlin' or 'UTC'; days of 23 and 25 hours where its clocks change.
 */
export function calendar(options: {
  readonly unit: 'day' | 'week' | 'month';
  readonly timeZone: string;
  readonly weekStart?: Weekday;
  readonly grace: number;
}): CalendarWindow {
  checkSettings('window', options, {
    unit: choice('day', 'week', 'month'),
    timeZone: aTimeZone,
    weekStart: optional(choice(...weekdays)),
    grace: ms(0),
  });
  const { unit, timeZone, weekStart = 'monday', grace } = options;
  return Object.freeze({
    type: 'calendar',
    unit,
    timeZone,
    weekStart: weekdays.indexOf(weekStart) + 1,
    graceMs: grace,
  });
}

/** Every `size` records of a key, side by side. */
export function tumblingCount(options: { readonly size: number }): CountWindow {
  checkSettings('window', options, { size: count(1) });
  return hoppingCount({ size: options.size, advance: options.size });
}

/** The last `size` records of a key, after every `advance` of them. `advance` ≤ `size`. */
export function hoppingCount(options: {
  readonly size: number;
  readonly advance: number;
}): CountWindow {
  checkSettings('window', options, { size: count(1), advance: count(1) });
  const { size, advance } = options;
  if (advance > size) {
    refuseSetting('window.advance', `must not be greater than size, ${size} records`);
  }
  return Object.freeze({ type: 'count', size, advance });
}

const aTimeZone: Rule = (name) =>
  isTimeZone(name) ? undefined : "a time zone, such as 'Europe/Berlin' or 'UTC'";

function isTimeZone(name: unknown): boolean {
  if (typeof name !== 'string') return false;
  try {
    new Intl.DateTimeFormat('en', { timeZone: name });
    return true;
  } catch {
    return false;
  }
}
