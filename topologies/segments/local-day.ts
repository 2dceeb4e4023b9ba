/**
 * Days of a time zone: where each begins, in ms UTC. Days at a change of the clock have 23 or 25
 * hours.
 */
import { dayMs, hourMs } from '../time-units.ts';

const formats = new Map<string, Intl.DateTimeFormat>();
/** Offsets by zone and quarter of an hour; no zone changes its clock within a quarter. */
const offsets = new Map<string, Map<number, number>>();
const remembered = 50_000;

/** The wall clock of the zone minus UTC, ms. */
export function offsetAt(zone: string, at: number): number {
  if (zone === 'UTC') return 0;
  let known = offsets.get(zone);
  if (known === undefined || known.size > remembered) {
    known = new Map();
    offsets.set(zone, known);
  }
  const quarter = Math.floor(at / (hourMs / 4));
  let offset = known.get(quarter);
  if (offset === undefined) {
    offset = readOffset(zone, quarter * (hourMs / 4));
    known.set(quarter, offset);
  }
  return offset;
}

function readOffset(zone: string, at: number): number {
  let format = formats.get(zone);
  if (format === undefined) {
    const numeric = 'numeric' as const;
    format = new Intl.DateTimeFormat('en-US', {
      timeZone: zone,
      hourCycle: 'h23',
      year: numeric,
      month: numeric,
      day: numeric,
      hour: numeric,
      minute: numeric,
      second: numeric,
    });
    formats.set(zone, format);
  }
  const of = Object.fromEntries(format.formatToParts(at).map((p) => [p.type, Number(p.value)]));
  const { year = 0, month = 1, day = 1, hour = 0, minute = 0, second = 0 } = of;
  return Date.UTC(year, month - 1, day, hour, minute, second) - at;
}

/** Number of the local day of an instant: days since 1 January 1970. */
export function localDay(zone: string, at: number): number {
  return Math.floor((at + offsetAt(zone, at)) / dayMs);
}

/**
 * The first instant of a local day, ms UTC. If the clock is put forward at midnight, it is the
 * instant of that change.
 */
export function startOfDay(zone: string, day: number): number {
  const midnight = day * dayMs;
  if (zone === 'UTC') return midnight;
  let [before, after] = [midnight - 26 * hourMs, midnight + 26 * hourMs];
  for (const guess of [midnight - dayMs, midnight, midnight + dayMs]) {
    const at = midnight - offsetAt(zone, guess);
    if (localDay(zone, at) >= day && localDay(zone, at - 1) < day) return at;
  }
  while (after - before > 1) {
    const middle = Math.floor((before + after) / 2);
    if (localDay(zone, middle) >= day) after = middle;
    else before = middle;
  }
  return after;
}

/** ISO weekday of a local day, 1 = Monday. */
export function weekdayOf(day: number): number {
  return ((((day + 3) % 7) + 7) % 7) + 1;
}

const date = /^(\d{4})-(\d{2})-(\d{2})$/;
const instant = /^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}(:\d{2}(\.\d{1,3})?)?(Z|[+-]\d{2}:\d{2})$/;

/**
 * ms UTC of a number (ms), of an ISO 8601 instant, or of a day, which begins at midnight in the
 * zone.
 */
export function dateOf(value: unknown, zone: string): number | undefined {
  if (typeof value === 'number') return Number.isSafeInteger(value) ? value : undefined;
  if (typeof value !== 'string') return undefined;
  const day = date.exec(value);
  if (day !== null) {
    const at = Date.UTC(Number(day[1]), Number(day[2]) - 1, Number(day[3]));
    // Date.UTC reads 30 February as 2 March; only a real day gives back the same text.
    if (!new Date(at).toISOString().startsWith(value)) return undefined;
    return startOfDay(zone, at / dayMs);
  }
  if (!instant.test(value)) return undefined;
  const at = Date.parse(value);
  return Number.isNaN(at) ? undefined : at;
}
