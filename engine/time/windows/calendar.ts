/**
 * Calendar windows: days, weeks and months of a time zone, `[start, end)`. A day is as long as the
 * zone makes it: 23 or 25 hours when its clocks change, and a day that a zone skipped has no
 * window. Windows are adjacent, without gap or overlap.
 *
 * Zone rules come from Node's zone data (ICU); the arithmetic is that of Temporal.
 */

import type { Temporal } from 'temporal-polyfill';
import { days } from '../../base/duration.ts';
import { onDemand } from '../../base/on-demand.ts';
import type { CalendarWindow } from './window-spec.ts';

const temporal = onDemand<typeof import('temporal-polyfill')>('temporal-polyfill');

export interface CalendarSpan {
  /** ms UTC; negative for windows that begin before 1970. */
  readonly start: number;
  /** ms UTC; not part of the window. */
  readonly end: number;
}

const dayMs = days(1);
/** Number of UTC days whose windows are cached: the arithmetic costs a few microseconds. */
const daysRemembered = 4_096;

/** Finds and caches the windows of a spec. */
export class CalendarGrid {
  readonly #spec: CalendarWindow;
  readonly #known = new Map<number, CalendarSpan[]>();

  constructor(spec: CalendarWindow) {
    this.#spec = spec;
  }

  /**

   * The window that contains `timestamp`, ms UTC.
   * @throws RangeError beyond the range of dates */
  windowAt(timestamp: number): CalendarSpan {
    const utcDay = Math.floor(timestamp / dayMs);
    const known = this.#known.get(utcDay) ?? [];
    for (const span of known) {
      if (span.start <= timestamp && timestamp < span.end) return span;
    }
    const found = this.#find(timestamp);
    if (this.#known.size >= daysRemembered) this.#known.clear();
    this.#known.set(utcDay, [...known, found]);
    return found;
  }

  #find(timestamp: number): CalendarSpan {
    const { timeZone } = this.#spec;
    const instant = temporal().Temporal.Instant.fromEpochMilliseconds(timestamp);
    let first = this.#firstDay(instant.toZonedDateTimeISO(timeZone).toPlainDate());
    let end = this.#startOf(this.#next(first));
    // If clocks go back over midnight, the last minutes of a day occur twice: the second time
    // they belong to the next day, which has already begun.
    while (timestamp >= end) {
      first = this.#next(first);
      end = this.#startOf(this.#next(first));
    }
    return { start: this.#startOf(first), end };
  }

  /** The day with which the window of a day begins. */
  #firstDay(day: Temporal.PlainDate): Temporal.PlainDate {
    switch (this.#spec.unit) {
      case 'day':
        return day;
      case 'week':
        return day.subtract({ days: (day.dayOfWeek - this.#spec.weekStart + 7) % 7 });
      case 'month':
        return day.with({ day: 1 });
    }
  }

  #next(first: Temporal.PlainDate): Temporal.PlainDate {
    switch (this.#spec.unit) {
      case 'day':
        return first.add({ days: 1 });
      case 'week':
        return first.add({ days: 7 });
      case 'month':
        return first.add({ months: 1 });
    }
  }

  /**
   * The first instant of a day, which need not be midnight; for a skipped day, of the day after it.
   */
  #startOf(day: Temporal.PlainDate): number {
    return day.toZonedDateTime(this.#spec.timeZone).epochMilliseconds;
  }
}
