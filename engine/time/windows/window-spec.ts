/**
 * Windows as values. All sizes are milliseconds. Grace is required: how long after a window's end
 * late records are accepted is the author's decision and has no default.
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

/**
 * `[end - sizeMs, end]`, both ends inclusive, one for every distinct set of records within
 * `sizeMs`.
 */
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
 * `[start, start + size)` in records of a key, numbered from 0 in order of arrival: a window of
 * `size` records, every `advance` records. It does not depend on time, so there is no grace and
 * nothing is late.
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
 * Adjacent windows `[start, start + size)`, aligned to the epoch.
 * @example `tumbling({ size: hours(1), grace: minutes(10) })`
 * @param options `size` > 0 and `grace` ≥ 0, both ms
 * @throws CONFIG_INVALID for an invalid duration
 */
export function tumbling(options: {
  readonly size: number;
  readonly grace: number;
}): HoppingWindow {
  checkSettings('window', options, { size: ms(1), grace: ms(0) });
  return hopping({ ...options, advance: options.size });
}

/**
 * Windows `[start, start + size)` with a start every `advance`, aligned to the epoch.
 * @param options `size` > 0, 0 < `advance` ≤ `size`, `grace` ≥ 0, all ms
 * @throws CONFIG_INVALID for an invalid duration
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

/**

 * Windows `[end - size, end]` that slide with the records; both ends inclusive.
 * @param options `size` > 0 and `grace` ≥ 0, both ms
 * @throws CONFIG_INVALID for an invalid duration */
export function sliding(options: { readonly size: number; readonly grace: number }): SlidingWindow {
  checkSettings('window', options, { size: ms(1), grace: ms(0) });
  return Object.freeze({ type: 'sliding', sizeMs: options.size, graceMs: options.grace });
}

/**

 * Sessions `[first, last]` that end after `gap` without a record; records exactly `gap` apart are still in one session.
 * @param options `gap` ≥ 0 and `grace` ≥ 0, both ms
 * @throws CONFIG_INVALID for an invalid duration */
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
 * 'Europe/Berlin' or 'UTC'; a day has 23 or 25 hours when its clocks change.
 * @param options `timeZone` is an IANA name; `weekStart` is 1 (Monday) to 7; `grace` ≥ 0, ms
 * @throws CONFIG_INVALID for an unknown unit or zone, or an invalid duration
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

/**

 * Adjacent windows of `size` records of a key.
 * @param options `size` ≥ 1, in records
 * @throws CONFIG_INVALID for an invalid size */
export function tumblingCount(options: { readonly size: number }): CountWindow {
  checkSettings('window', options, { size: count(1) });
  return hoppingCount({ size: options.size, advance: options.size });
}

/**

 * The last `size` records of a key, every `advance` records.
 * @param options `size` ≥ 1 and 1 ≤ `advance` ≤ `size`, in records
 * @throws CONFIG_INVALID for an invalid size */
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
