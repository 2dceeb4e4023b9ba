/**
 * Calendar windows: days, weeks and months of a time zone, `[start, end)`. A day is as long as the
 * zone makes it: 23 and 25 hours when its clocks change, and a day that a zone skipped is no
 * window. Windows lie side by side without gap or overlap.
 *
 * What a zone does comes from the zone data of Node (ICU); the arithmetic is that of Temporal.
 */

import type { Temporal } from 'temporal-polyfill';
import { days } from '../../base/duration.ts';
import { onDemand } from '../../base/on-demand.ts';
import type { CalendarWindow } from './window-spec.ts';

const temporal = onDemand<typeof import('temporal-polyfill')>('temporal-polyfill');

export interface CalendarSpan {
  /** ms UTC; of windows that begin before 1970 negative. */
  readonly start: number;
  /** ms UTC; not part of the window. */
  readonly end: number;
}

const dayMs = days(1);
/** UTC days whose windows are remembered: the arithmetic costs some microseconds. */
const daysRemembered = 4_096;

/** Finds the windows of a spec; remembers those that it found. */
export class CalendarGrid {
  readonly #spec: CalendarWindow;
  readonly #known = new Map<number, CalendarSpan[]>();

  constructor(spec: CalendarWindow) {
    this.#spec = spec;
  }

  /** The window that holds `timestamp`, ms UTC. Throws a RangeError beyond the range of dates. */
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
    // Where clocks go back over midnight, the last minutes of a day come twice: the second time
    // they belong to the next one, which has begun already.
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
   * The first instant of a day, which need not be midnight; of a skipped day, of the one after it.
   */
  #startOf(day: Temporal.PlainDate): number {
    return day.toZonedDateTime(this.#spec.timeZone).epochMilliseconds;
  }
}
