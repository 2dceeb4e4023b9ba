/** Days of a time zone by the platform's calendar, as functions for SQL. */
import { hourMs } from '../time-units.ts';

const formats = new Map<string, Intl.DateTimeFormat>();
const known = new Map<string, number>();

/** `2026-01-31`, the day on which an instant (ms UTC) falls in the zone. */
export function dayOf(zone: string, at: number): string {
  let format = formats.get(zone);
  if (format === undefined) {
    format = new Intl.DateTimeFormat('sv-SE', { timeZone: zone });
    formats.set(zone, format);
  }
  return format.format(at);
}

/** The first instant of the day `2026-01-31` in the zone, ms UTC, by bisection. */
export function startOf(zone: string, day: string): number {
  const name = `${zone} ${day}`;
  let found = known.get(name);
  if (found === undefined) {
    const utc = Date.parse(`${day}T00:00:00Z`);
    let [before, after] = [utc - 30 * hourMs, utc + 30 * hourMs];
    while (after - before > 1) {
      const middle = Math.floor((before + after) / 2);
      if (dayOf(zone, middle) >= day) after = middle;
      else before = middle;
    }
    found = after;
    known.set(name, found);
  }
  return found;
}

/**
 * When the day or week of an instant leaves a window of `days` days.
 * @param weekStart 1 = Monday
 */
export function windowEnd(zone: string, at: number, days: number, weekStart?: number): number {
  const date = new Date(`${dayOf(zone, at)}T00:00:00Z`);
  if (weekStart !== undefined) {
    while ((date.getUTCDay() || 7) !== weekStart) date.setUTCDate(date.getUTCDate() - 1);
  }
  date.setUTCDate(date.getUTCDate() + days);
  return startOf(zone, date.toISOString().slice(0, 10));
}

/** ms UTC of a date in a trait; undefined when it is not a date. */
export function dateFrom(value: string | number, zone: string): number | undefined {
  if (typeof value === 'number') return Number.isSafeInteger(value) ? value : undefined;
  const isDay = /^\d{4}-\d{2}-\d{2}$/.test(value);
  const isInstant = /^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}(:\d{2}(\.\d{1,3})?)?(Z|[+-]\d{2}:\d{2})$/.test(
    value,
  );
  const at = isDay || isInstant ? Date.parse(value) : Number.NaN;
  if (Number.isNaN(at)) return undefined;
  if (!isDay) return at;
  return new Date(at).toISOString().startsWith(value) ? startOf(zone, value) : undefined;
}
