/**
 * Reads instants strictly by a pattern: text that does not match exactly is refused with a reason,
 * never guessed.
 */
import { days, hours, minutes, seconds } from '../base/duration.ts';

const months = 'Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec';
const offset = 'Z|[+-]\\d{2}:?\\d{2}';

const tokens: Readonly<Record<string, { readonly pattern: string; readonly unit: Unit }>> = {
  YYYY: { pattern: '\\d{4}', unit: 'year' },
  YY: { pattern: '\\d{2}', unit: 'year' },
  MMM: { pattern: months, unit: 'month' },
  MM: { pattern: '\\d{2}', unit: 'month' },
  M: { pattern: '\\d{1,2}', unit: 'month' },
  DD: { pattern: '\\d{2}', unit: 'day' },
  D: { pattern: '\\d{1,2}', unit: 'day' },
  HH: { pattern: '\\d{2}', unit: 'hour' },
  H: { pattern: '\\d{1,2}', unit: 'hour' },
  hh: { pattern: '\\d{2}', unit: 'hour12' },
  h: { pattern: '\\d{1,2}', unit: 'hour12' },
  A: { pattern: '[AaPp][Mm]', unit: 'half' },
  mm: { pattern: '\\d{2}', unit: 'minute' },
  ss: { pattern: '\\d{2}', unit: 'second' },
  S: { pattern: '\\d{1,9}', unit: 'fraction' },
  Z: { pattern: offset, unit: 'offset' },
};
const tokenPattern = /'([^']*)'|YYYY|YY|MMM|MM|M|DD|D|HH|H|hh|h|A|mm|ss|S+|Z|[.*+?^${}()|[\]\\]/g;

type Unit =
  | ('year' | 'month' | 'day' | 'hour' | 'minute' | 'second')
  | ('hour12' | 'half' | 'fraction' | 'offset');

const spans = { seconds: seconds(1), minutes: minutes(1), hours: hours(1), days: days(1) } as const;

/** Returns ms UTC, or why the text is refused: a phrase that follows 'time "..."'. */
export type InstantReader = (text: string) => number | string;

/** Policies for wall times that a zone does not have, or has twice. */
export const zonePolicies = ['refuse', 'earlier', 'later'] as const;

export interface ZonePolicy {
  /** An hour that the clock skips: refused (default), or moved out of the gap in this direction. */
  readonly gap?: (typeof zonePolicies)[number];
  /** An hour that occurs twice: refused (default), or its first or second occurrence. */
  readonly overlap?: (typeof zonePolicies)[number];
}

/** Two-digit years are 2000 to 2099. */
const century = 2_000;

const noSuchTime = 'names no real day and time';

/** Formats that count from 1970. */
export const epochFormats = ['epoch-s', 'epoch-ms', 'epoch-us', 'epoch-ns'];

/**
 * A reader for `format`: 'iso' (with an offset or Z), 'iso-local' (without one, of the zone),
 * 'epoch-s', 'epoch-ms', 'epoch-us', 'epoch-ns'; 'seconds', 'minutes', 'hours' or 'days' since an
 * instant; or a pattern such as 'DD-MM-YY H:mm'.
 * @param zone IANA name, e.g. 'UTC' or 'Europe/London'; for times without an offset
 * @param since ISO instant, for 'seconds', 'minutes', 'hours' and 'days'
 * @throws Error that says what is wrong with the format or the zone
 */
export function instantReader(
  format: string,
  zone = 'UTC',
  since?: string,
  policy: ZonePolicy = {},
): InstantReader {
  if (format === 'epoch-ns') return epoch(format, -6);
  if (format === 'epoch-us') return epoch(format, -3);
  if (format === 'epoch-ms') return epoch(format, 0);
  if (format === 'epoch-s') return epoch(format, 3);
  if (format === 'iso') return isoInstant;
  if (format === 'iso-local') return isoLocalReader(zone, policy);
  if (Object.hasOwn(spans, format)) return sinceReader(format as keyof typeof spans, since);
  return patternReader(format, zone, policy);
}

/** Reads decimal digits, shifted by `places`, as milliseconds; smaller fractions are truncated. */
function epoch(format: string, places: number): InstantReader {
  return (text) => {
    const match = /^(\d{1,19})(?:\.(\d{1,9}))?$/.exec(text);
    if (match === null) return `does not fit ${format}`;
    const [, whole = '', fraction = ''] = match;
    const digits =
      places < 0 ? whole.slice(0, places) : whole + fraction.padEnd(places, '0').slice(0, places);
    const at = Number(digits);
    return Number.isSafeInteger(at) ? at : `does not fit ${format}`;
  };
}

function sinceReader(unit: keyof typeof spans, since: string | undefined): InstantReader {
  const start = since === undefined ? undefined : isoInstant(since);
  if (typeof start !== 'number') {
    throw new Error(`${unit} need 'since', an instant such as 2026-01-31T00:00:00Z`);
  }
  return (text) => {
    const match = /^(\d{1,12})(?:\.(\d{1,30}))?$/.exec(text);
    if (match === null) return `does not fit ${unit}`;
    const [, whole = '', fraction = ''] = match;
    // In integers: 2.3 hours are exactly 8 280 000 ms, which a product of doubles may miss.
    const scale = 10n ** BigInt(fraction.length);
    const scaled = BigInt(whole + fraction) * BigInt(spans[unit]);
    return start + Number((scaled + scale / 2n) / scale);
  };
}

const iso = /^(\d{4}-\d{2}-\d{2})T(\d{2}:\d{2}(?::\d{2}(?:\.\d{1,9})?)?)(Z|[+-]\d{2}:?\d{2})$/;

function isoInstant(text: string): number | string {
  const common = commonInstant(text);
  if (common >= 0) return common;
  const match = iso.exec(text);
  if (match === null) return 'does not fit iso, e.g. 2026-01-31T09:30:00Z';
  const [, day = '', time = '', zone = ''] = match;
  const local = isoWallTime(day, time);
  return local === undefined ? noSuchTime : shifted(local, zone);
}

/**
 * Parses `2026-01-31T09:30:00Z` or `2026-01-31T09:30:00.000Z`, the usual forms of clients; -1 for
 * any other form, for times before 1970, and for impossible times.
 */
function commonInstant(text: string): number {
  const { length } = text;
  if (length !== 20 && length !== 24) return -1;
  const marks =
    text[4] === '-' && text[7] === '-' && text[10] === 'T' && text[13] === ':' && text[16] === ':';
  if (!marks || text[length - 1] !== 'Z' || (length === 24 && text[19] !== '.')) return -1;
  const [year, month, day] = [digits(text, 0, 4), digits(text, 5, 7), digits(text, 8, 10)];
  const [hour, minute, second] = [digits(text, 11, 13), digits(text, 14, 16), digits(text, 17, 19)];
  const ms = length === 24 ? digits(text, 20, 23) : 0;
  if (!(hour < 24 && minute < 60 && second < 60 && ms >= 0)) return -1;
  if (!(year >= 1970 && month >= 1 && month <= 12 && day >= 1 && day <= 31)) return -1;
  // 30 February would be 2 March.
  if (day > 28 && new Date(Date.UTC(year, month - 1, day)).getUTCDate() !== day) return -1;
  return Date.UTC(year, month - 1, day, hour, minute, second, ms);
}

/** The number at [from, to); NaN if it contains another character. */
function digits(text: string, from: number, to: number): number {
  let number = 0;
  for (let i = from; i < to; i++) {
    const digit = text.charCodeAt(i) - 48;
    if (digit < 0 || digit > 9) return Number.NaN;
    number = 10 * number + digit;
  }
  return number;
}

function isoWallTime(day: string, time: string): number | undefined {
  // Milliseconds are enough, and all that Date.parse reliably accepts.
  const cut = time.replace(/(\.\d{1,3})\d*$/, '$1');
  // Date.parse reads 30 February as 2 March; a real day is printed back as written.
  const local = Date.parse(`${day}T${cut}Z`);
  return !Number.isNaN(local) && new Date(local).toISOString().startsWith(day) ? local : undefined;
}

/** Wall time of an offset such as +02:00, -0700 or Z -> ms UTC. */
function shifted(local: number, zone: string): number | string {
  if (zone === 'Z') return local;
  const [hours, minutes] = [Number(zone.slice(1, 3)), Number(zone.slice(-2))];
  if (hours > 23 || minutes > 59) return noSuchTime;
  const ms = hours * spans.hours + minutes * spans.minutes;
  return zone.startsWith('-') ? local + ms : local - ms;
}

function isoLocalReader(zone: string, policy: ZonePolicy): InstantReader {
  const instant = zoneReader(zone, policy);
  const local = /^(\d{4}-\d{2}-\d{2})[T ](\d{2}:\d{2}(?::\d{2}(?:\.\d{1,9})?)?)$/;
  return (text) => {
    const match = local.exec(text);
    if (match === null) return 'does not fit iso-local, e.g. 2026-01-31T09:30:00';
    const at = isoWallTime(match[1] ?? '', match[2] ?? '');
    return at === undefined ? noSuchTime : instant(at);
  };
}

function patternReader(format: string, zone: string, policy: ZonePolicy): InstantReader {
  const units: Unit[] = [];
  const source = format.replace(tokenPattern, (token, quoted: string | undefined) => {
    if (quoted !== undefined) return quoted.replace(/[.*+?^${}()|[\]\\]/g, '\\$&');
    const known = tokens[token.startsWith('S') ? 'S' : token];
    if (known === undefined) return `\\${token}`;
    units.push(known.unit);
    return `(${known.unit === 'fraction' ? `\\d{${token.length}}` : known.pattern})`;
  });
  if (!['year', 'month', 'day'].every((unit) => units.includes(unit as Unit))) {
    throw new Error(
      "must be 'iso', 'iso-local', 'epoch-s', 'epoch-ms', 'epoch-us', 'epoch-ns', 'seconds', 'minutes', 'hours', 'days', or a pattern with year, month and day",
    );
  }
  if (/\{1,2\}\)\(/.test(source)) {
    throw new Error(
      'is ambiguous: M, D, H and h take one or two digits and need a mark behind them',
    );
  }
  if (units.includes('hour12') !== units.includes('half')) {
    throw new Error('is ambiguous: h and A come together, or H alone');
  }
  const expression = new RegExp(`^${source}$`);
  const instant = zoneReader(zone, policy);
  return (text) => {
    const match = expression.exec(text);
    if (match === null) return `does not fit ${format}`;
    const found: Partial<Record<Unit, string>> = {};
    units.forEach((unit, i) => {
      found[unit] = match[i + 1] ?? '';
    });
    const local = localInstant(found);
    if (local === undefined) return noSuchTime;
    return found.offset === undefined ? instant(local) : shifted(local, found.offset);
  };
}

/** Wall time of a zone -> ms UTC, or why it is not a unique instant. */
function zoneReader(
  zone: string,
  { gap = 'refuse', overlap = 'refuse' }: ZonePolicy,
): (local: number) => number | string {
  const offset = offsetOf(zone);
  return (local) => {
    const day = spans.days;
    // Only the offsets of the adjacent days can apply at the wall time.
    const candidates = [...new Set([offset(local - day), offset(local + day)])];
    const instants = candidates.map((one) => local - one).filter((at) => at + offset(at) === local);
    if (instants.length === 1) return instants[0] as number;
    // In a gap, neither is a wall time of the zone: they are the times before and after it.
    const [policy, all] =
      instants.length === 0 ? [gap, candidates.map((one) => local - one)] : [overlap, instants];
    if (policy !== 'refuse') return policy === 'earlier' ? Math.min(...all) : Math.max(...all);
    return instants.length === 0
      ? `does not exist in ${zone}: the clock was put forward over it`
      : `is ambiguous in ${zone}: the clock was put back, it comes twice`;
  };
}

/** The wall time as if it were UTC; undefined if there is no such day or time. */
function localInstant(found: Readonly<Partial<Record<Unit, string>>>): number | undefined {
  const { year: told = '', month: name = '', fraction = '' } = found;
  const year = Number(told) + (told.length === 2 ? century : 0);
  const named = months.split('|').indexOf(name);
  const month = named < 0 ? Number(name) : named + 1;
  const hour = hourOf(found);
  const [day, minute, second] = [found.day, found.minute ?? 0, found.second ?? 0].map(Number);
  const ms = Number(fraction.padEnd(3, '0').slice(0, 3));
  if (hour === undefined || day === undefined || minute === undefined || second === undefined) {
    return undefined;
  }
  const at = Date.UTC(year, month - 1, day, hour, minute, second, ms);
  const date = new Date(at);
  const real =
    date.getUTCMonth() === month - 1 &&
    date.getUTCDate() === day &&
    hour < 24 &&
    minute < 60 &&
    second < 60;
  return real ? at : undefined;
}

function hourOf({ hour, hour12, half }: Readonly<Partial<Record<Unit, string>>>) {
  if (hour12 === undefined) return Number(hour ?? 0);
  const told = Number(hour12);
  if (told < 1 || told > 12) return undefined;
  return (told % 12) + (half?.toUpperCase() === 'PM' ? 12 : 0);
}

/** Offset of a zone from UTC at an instant, in ms. */
function offsetOf(zone: string): (at: number) => number {
  if (zone === 'UTC') return () => 0;
  let format: Intl.DateTimeFormat;
  try {
    format = new Intl.DateTimeFormat('en-US', {
      timeZone: zone,
      hourCycle: 'h23',
      year: 'numeric',
      month: 'numeric',
      day: 'numeric',
      hour: 'numeric',
      minute: 'numeric',
      second: 'numeric',
    });
  } catch {
    throw new Error(`there is no time zone ${JSON.stringify(zone)}`);
  }
  return (at) => {
    const of = Object.fromEntries(format.formatToParts(at).map((p) => [p.type, Number(p.value)]));
    const { year = 0, month = 1, day = 1, hour = 0, minute = 0, second = 0 } = of;
    return Date.UTC(year, month - 1, day, hour, minute, second) - (at - (at % 1_000));
  };
}
